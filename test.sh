#!/usr/bin/env bash
# Runs every test of the workspace. What the tests need and cargo cannot bring is
# installed where that is possible, and named where it is not.
set -euo pipefail
cd "$(dirname "$0")"

missing=()
need() { # need COMMAND DEBIAN-PACKAGE WHAT-FOR
  command -v "$1" >/dev/null && return
  if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -qq && apt-get install -y -qq "$2" >/dev/null && return
  fi
  missing+=("$1: $3 (Debian package: $2)")
}
need cc gcc "links the Rust crates"
need kill procps "sends signals to the examples"
command -v cargo >/dev/null || missing+=("cargo: builds everything (https://rustup.rs, Rust 1.95 or later)")

if [ ${#missing[@]} -gt 0 ]; then
  printf 'Missing, and not to be installed from here:\n' >&2
  printf '  %s\n' "${missing[@]}" >&2
  exit 1
fi

# A failing property test says its input; it leaves no file behind.
export PROPTEST_FAILURE_PERSISTENCE=off
exec cargo test --workspace --all-features "$@"
