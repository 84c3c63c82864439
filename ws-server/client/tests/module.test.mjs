// The delivered module: its size, and its agreement with its types.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import * as client from "../client.js";

const read = (name) => readFile(new URL(`../${name}`, import.meta.url), "utf8");

// The server removes indentation and lines that are comments.
const served = (text) => text.replace(/^ +/gm, "").replace(/^(\/\/.*)?\n/gm, "");

const FILES = ["client.js", "http.js"];

test("the module has at most 5,000 bytes, gzipped, and its second file at most 2,600", async () => {
  const sizes = FILES.map(async (name) => {
    return gzipSync(served(await read(name)), { level: 9 }).length;
  });
  const [client, http] = await Promise.all(sizes);
  assert.ok(client <= 5_000, `${client} bytes`);
  assert.ok(http <= 2_600, `${http} bytes`);
});

test("the module has no text over several lines, which the server would change", async () => {
  const lines = (await Promise.all(FILES.map(read))).join("\n").split("\n");
  for (const line of lines) assert.equal(line.split("`").length % 2, 1, line);
});

test("the module imports only its second file, when it needs it, and has no `eval`", async () => {
  const [client, http] = await Promise.all(FILES.map(read));
  const imports = client.match(/\bimport\b.*?;/g);
  assert.equal(imports.length, 1);
  assert.match(imports[0], /^import\("\.\/http\.js"\)/);
  assert.doesNotMatch(http, /\bimport\b/);
  assert.doesNotMatch(client + http, /\beval\b|new Function|innerHTML/);
});

test("the types describe every export", async () => {
  const text = await read("client.d.ts");
  const values = [...text.matchAll(/^export (?:declare )?(?:function|class|const) (\w+)/gm)];
  assert.deepEqual(values.map(([, name]) => name).sort(), Object.keys(client).sort());

  // Every member of the described interfaces exists, and every existing member is described.
  const members = (name) => {
    const body = text.match(new RegExp(`^export interface ${name} .*?\\n}`, "ms"))[0];
    return [...body.matchAll(/^ {2}(?:readonly )?(\w+)\??[<(:]/gm)].map(([, member]) => member);
  };
  const described = new Set([...members("Connection"), ...members("Stream"), "constructor"]);
  described.delete("addEventListener"); // inherited
  const stream = client.connectPage("ws://site.example/", { page: "P" });
  stream.close();
  const there = Object.getOwnPropertyNames(Object.getPrototypeOf(stream));
  assert.deepEqual(there.sort(), [...described].sort());
});

test("the types document each default", async () => {
  const [code, text] = [await read("client.js"), await read("client.d.ts")];
  const defaults = code.match(/const DEFAULTS = {(.*?)};/s)[1];
  for (const [, name] of defaults.matchAll(/^ {2}(\w+):/gm)) {
    assert.match(text, new RegExp(`^ {2}${name}\\?:`, "m"));
  }
});
