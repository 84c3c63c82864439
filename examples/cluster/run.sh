#!/usr/bin/env bash
# Starts the chat on two servers, A and B, behind nginx, with one Redis. A server that ends starts
# again after a while. Ctrl-C ends all.
#
# PORT (8080) is the port of nginx; the next three are those of A, B and Redis. SERVER is the program
# of a server; without it, cargo builds the example. PAUSE (10) is how many seconds a server is away.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
port=${PORT:-8080}
pause=${PAUSE:-10}

missing=()
need() { # need COMMAND DEBIAN-PACKAGE
  command -v "$1" >/dev/null && return
  if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
      apt-get install -y -qq --no-install-recommends "$2" >/dev/null && return
  fi
  missing+=("$1 (Debian: $2)")
}
need nginx nginx
need redis-server redis-server
[ -n "${SERVER:-}" ] || command -v cargo >/dev/null || missing+=("cargo (https://rustup.rs)")
if [ ${#missing[@]} -gt 0 ]; then
  printf 'Please install %s\n' "${missing[@]}" >&2
  exit 1
fi

if [ -z "${SERVER:-}" ]; then
  (cd "$here" && cargo build --quiet --example cluster)
  SERVER=$(cd "$here" && cargo metadata --format-version 1 --no-deps |
    sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug/examples/cluster
fi

directory=$(mktemp -d)
stop() {
  trap - EXIT INT TERM
  # The servers leave the cluster before their Redis ends.
  for name in A B; do
    kill "$(cat "$directory/$name.loop")" 2>/dev/null || true
    kill "$(cat "$directory/$name.pid")" 2>/dev/null || true
  done
  for name in A B; do
    while kill -0 "$(cat "$directory/$name.pid")" 2>/dev/null; do sleep 0.1; done
  done
  kill "$nginx" "$redis" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$directory"
}
redis='' nginx=''
trap stop EXIT
trap 'exit 0' INT TERM

redis-server --port $((port + 3)) --bind 127.0.0.1 --save '' --appendonly no --dir "$directory" \
  >"$directory/redis.log" &
redis=$!

WS_SECRET=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
export WS_SECRET REDIS_URL="redis://127.0.0.1:$((port + 3))"

serve() { # serve NAME PORT
  while true; do
    SERVER_NAME=$1 "$SERVER" --listen "127.0.0.1:$2" >"$directory/$1.log" 2>&1 &
    local server=$!
    echo "$server" >"$directory/$1.pid"
    echo "Server $1 runs: kill -9 $server"
    wait "$server" 2>/dev/null || true
    echo "Server $1 has ended; it starts again in $pause seconds"
    sleep "$pause" >/dev/null 2>&1
  done
}
serve A $((port + 1)) &
echo $! >"$directory/A.loop"
serve B $((port + 2)) &
echo $! >"$directory/B.loop"

sed -e "s|DIRECTORY|$directory|" -e "s|PORT_A|$((port + 1))|" -e "s|PORT_B|$((port + 2))|" \
  -e "s|127.0.0.1:PORT;|127.0.0.1:$port;|" "$here/nginx.conf" >"$directory/nginx.conf"
nginx -c "$directory/nginx.conf" -e "$directory/nginx.log" &
nginx=$!
echo "Open http://127.0.0.1:$port/ in two windows, then kill a server."
wait "$nginx"
