#!/usr/bin/env node
// Draws each `src/pictures/*.dot` as an SVG with the same name, for light and dark pages.
//
// Needs Graphviz (Debian: graphviz). With `--check` it writes nothing and fails if an SVG is older than its text;
// that needs no Graphviz.

import { createHash } from "node:crypto";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";

const folder = new URL("src/pictures/", import.meta.url);

// The colours follow the reader's scheme, so they are in a style and not in the texts.
const style = `<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.graph > polygon { fill: none; stroke: none; }
.node path { fill: #f6f8fa; stroke: #8c959f; }
.good path { fill: #dafbe1; stroke: #1a7f37; }
.edge path { stroke: #57606a; }
.edge polygon { fill: #57606a; stroke: #57606a; }
.edge text { font-size: 11px; fill: #57606a; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .node path { fill: #161b22; stroke: #6e7681; }
  .good path { fill: #12261e; stroke: #3fb950; }
  .edge path { stroke: #9198a1; }
  .edge polygon { fill: #9198a1; stroke: #9198a1; }
  .edge text { fill: #9198a1; }
}
</style>`;

const options = [
  "-Tsvg", "-Gnodesep=0.35", "-Granksep=0.4", "-Gpad=0.2",
  "-Nshape=box", "-Nstyle=rounded,filled", "-Nfontname=Helvetica", "-Nfontsize=13",
  "-Efontname=Helvetica", "-Efontsize=11",
];

/** Names the text that a picture was drawn from, and the style. */
function mark(source) {
  const hash = createHash("sha256").update(source + style + options.join()).digest("hex");
  return `<!-- drawn from ${hash.slice(0, 16)} -->`;
}

function draw(source) {
  const dot = spawnSync("dot", options, { input: source, encoding: "utf8" });
  if (dot.status !== 0) throw new Error(`dot: ${dot.error ?? dot.stderr}`);
  const svg = dot.stdout
    .slice(dot.stdout.indexOf("<svg"))
    .replace(/<!--[^]*?-->\n?/g, "")
    .replace(/<title>[^<]*<\/title>\n?/g, "");
  const title = /^\/\/ (.*)/.exec(source)[1];
  return svg.replace(">", `>\n<title>${title}</title>\n${style}\n${mark(source)}`);
}

const stale = [];
for (const name of readdirSync(folder).filter((name) => name.endsWith(".dot"))) {
  const source = readFileSync(new URL(name, folder), "utf8");
  const picture = new URL(name.replace(".dot", ".svg"), folder);
  if (!process.argv.includes("--check")) writeFileSync(picture, draw(source));
  else if (!existsSync(picture) || !readFileSync(picture, "utf8").includes(mark(source))) stale.push(name);
}
if (stale.length > 0) {
  console.error(`run docs/draw.mjs: ${stale.join(", ")} changed`);
  process.exit(1);
}
