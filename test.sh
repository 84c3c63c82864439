#!/usr/bin/env bash
# Runs every test of the workspace, even after a failure. Installs the tools that the tests need and
# that cargo does not provide, or lists those that it cannot install.
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
need nginx nginx "the proxy of the tests of listeners"
need promtool prometheus "checks the measurements"
need npm npm "installs playwright-core"
need redis-server redis-server "the server of the tests of Redis, version 7 or later"
export CHROMIUM=${CHROMIUM:-/usr/bin/chromium}
if [ "$CHROMIUM" = /usr/bin/chromium ]; then
  need "$CHROMIUM" chromium "the browser of the browser tests"
elif [ ! -x "$CHROMIUM" ]; then
  missing+=("$CHROMIUM: not executable; set CHROMIUM to the path of the browser")
fi
command -v cargo >/dev/null || missing+=("cargo: builds everything (https://rustup.rs, Rust 1.89 or later)")

# Install the browser driver if the lock file is newer than the last installation.
driver=tests/browser
if command -v npm >/dev/null && [ ! $driver/node_modules/.package-lock.json -nt $driver/package-lock.json ]; then
  (cd $driver && npm ci --ignore-scripts --loglevel=error >/dev/null) ||
    missing+=("playwright-core: drives the browser (npm package; 'npm ci' in $driver)")
fi

if [ ${#missing[@]} -gt 0 ]; then
  printf 'These tools are missing and could not be installed:\n' >&2
  printf '  %s\n' "${missing[@]}" >&2
  exit 1
fi

# A failing property test prints its input, so it needs no regression file.
export PROPTEST_FAILURE_PERSISTENCE=off
# A snapshot test must not write a file either; `INSTA_UPDATE=always cargo test -p ws-macros`
# accepts snapshots.
export INSTA_UPDATE=no
# Run all test binaries and the doctests, even after a failure.
status=0
cargo test --workspace --all-features --no-fail-fast "$@" || status=$?
# A workspace of its own, because only this example needs the crates of OpenTelemetry.
if [ $# -eq 0 ]; then
  cargo test --manifest-path examples/opentelemetry/Cargo.toml --target-dir target --locked || status=$?
fi
exit $status
