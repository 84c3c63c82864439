# Short names for the daily commands; `just --list` shows them.

# Run every test.
test:
    ./test.sh

# Run everything that a change must pass.
ci:
    bash .ci/run

# Run the cases of what compiles and what does not, whose name contains FILTER.
ui FILTER="":
    cargo test -p ws-tests --all-features --test ui -- what_is_right trybuild={{FILTER}}

# Accept new compiler messages and expansions; read the diff afterwards.
accept FILTER="":
    TRYBUILD=overwrite cargo test -p ws-tests --all-features --test ui -- what_is_right trybuild={{FILTER}}
    INSTA_UPDATE=always cargo test -p ws-macros

# Check that the book of mistakes is complete.
book:
    cargo test -p ws-tests --test mistakes

# Measure the engine alone, and the router beside matchit.
bench:
    cargo bench -p ws-tests

# Build the three packages from their own files alone.
package:
    cargo package --workspace --exclude ws-tests --exclude examples
