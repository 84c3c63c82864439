// A preprocessor of mdBook: files from the root of the repository that a chapter includes link to pictures and
// chapters as seen from there.

if (process.argv[2] === "supports") process.exit(0);

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const [, book] = JSON.parse(Buffer.concat(chunks).toString());

function mend(items) {
  for (const { Chapter: chapter } of items) {
    if (!chapter) continue;
    chapter.content = chapter.content
      .replaceAll("](docs/src/", "](")
      .replaceAll("](ARCHITECTURE.md", "](architecture.md")
      .replaceAll("](PAGE-PROTOCOL.md", "](page-protocol.md");
    mend(chapter.sub_items);
  }
}

mend(book.items ?? book.sections);
process.stdout.write(JSON.stringify(book));
