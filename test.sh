#!/usr/bin/env bash
# Runs every test of the workspace, whatever fails on the way. What the tests need and cargo cannot bring is
# installed where that is possible, and named where it is not.
set -euo pipefail
cd "$(dirname "$0")"

missing=()
need() { # need COMMAND DEBIAN-PACKAGES WHAT-FOR
  command -v "$1" >/dev/null && return
  if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
      apt-get install -y -qq --no-install-recommends $2 >/dev/null && return
  fi
  missing+=("$1: $3 (Debian: $2)")
}
need cc "gcc libc6-dev" "links the Rust crates"
need kill procps "sends signals to the examples"
need node "nodejs ca-certificates" "runs the scripts of the browser tests, version 18 or later"
need npm npm "installs playwright-core"
export CHROMIUM=${CHROMIUM:-/usr/bin/chromium}
if [ "$CHROMIUM" = /usr/bin/chromium ]; then
  need "$CHROMIUM" chromium "the browser of the browser tests"
elif [ ! -x "$CHROMIUM" ]; then
  missing+=("$CHROMIUM: the browser that the variable CHROMIUM names")
fi
command -v cargo >/dev/null || missing+=("cargo: builds everything (https://rustup.rs, Rust 1.89 or later)")

# What drives the browser; again where the lock is newer than what it led to.
driver=tests/browser
if command -v npm >/dev/null && [ ! $driver/node_modules/.package-lock.json -nt $driver/package-lock.json ]; then
  (cd $driver && npm ci --ignore-scripts --loglevel=error >/dev/null) ||
    missing+=("playwright-core: drives the browser (npm package; 'npm ci' in $driver)")
fi

if [ ${#missing[@]} -gt 0 ]; then
  printf 'Missing, and not to be installed from here:\n' >&2
  printf '  %s\n' "${missing[@]}" >&2
  exit 1
fi

# A failing property test says its input; it leaves no file behind.
export PROPTEST_FAILURE_PERSISTENCE=off
# Nor does a snapshot that differs; `INSTA_UPDATE=always cargo test -p ws-macros` accepts it.
export INSTA_UPDATE=no
# A failure hides no other: all binaries run, and the doctests after them.
exec cargo test --workspace --all-features --no-fail-fast "$@"
