# Short names for daily commands; `just --list` shows them.

# Run every test.
test:
    ./test.sh

# Run all checks that a change must pass.
ci:
    bash .ci/run

# Check the messages for mistakes with FILTER in their names; `--test valid` has what is right.
ui FILTER="":
    cargo test -p ws-compile-tests --test ui -- every_mistake trybuild={{FILTER}}

# Accept new compiler messages and expansions; read the diff afterwards.
accept FILTER="":
    TRYBUILD=overwrite cargo test -p ws-compile-tests --test ui -- every_mistake trybuild={{FILTER}}
    INSTA_UPDATE=always cargo test -p ws-macros

# Write the list of public items; read the diff afterwards.
public-api:
    UPDATE_PUBLIC_API=1 cargo test -p ws-tests --all-features --test public_api

# Check that the list of mistakes (`ws-server/src/mistakes.md`) is complete.
mistakes:
    cargo test -p ws-tests --test mistakes

# Build the guide as HTML in target/guide; needs mdbook 0.5 (`cargo install mdbook`).
book:
    mdbook build docs

# Draw the pictures of the guide again; needs Graphviz.
pictures:
    node docs/draw.mjs

# Fuzz cursor, decoder, deflate, forwarded, log, members, origin, page_id, page_posts or page_wire; needs cargo-fuzz and a
# nightly compiler.
fuzz TARGET SECONDS="60":
    mkdir -p fuzz/corpus/{{TARGET}}
    cargo +nightly fuzz run {{TARGET}} fuzz/corpus/{{TARGET}} fuzz/seeds/{{TARGET}} -- -max_total_time={{SECONDS}}

# Check the spelling of documentation and sources.
spelling:
    git ls-files -z '*.md' '*.rs' ':!tests/compile/ui' | xargs -0 codespell

# Benchmark the engine alone, and the router against matchit.
bench:
    cargo bench -p ws-tests

# Build each of the three packages from its own files.
package:
    cargo package --workspace --exclude ws-tests --exclude examples
