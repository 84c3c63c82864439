// The delivered module: its size, and its agreement with its types.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import * as client from "../client.js";

const read = (name) => readFile(new URL(`../${name}`, import.meta.url), "utf8");

// The server removes indentation and lines that are comments.
const served = (text) => text.replace(/^ +/gm, "").replace(/^(\/\/.*)?\n/gm, "");

test("the module has at most 5,000 bytes, gzipped", async () => {
  const { length } = gzipSync(served(await read("client.js")), { level: 9 });
  assert.ok(length <= 5_000, `${length} bytes`);
});

test("the module has no text over several lines, which the server would change", async () => {
  const lines = (await read("client.js")).split("\n");
  for (const line of lines) assert.equal(line.split("`").length % 2, 1, line);
});

test("the module has no imports and no `eval`", async () => {
  const text = await read("client.js");
  assert.doesNotMatch(text, /\bimport\b|\beval\b|new Function|innerHTML/);
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
