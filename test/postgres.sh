#!/usr/bin/env bash
# A PostgreSQL server for tests, thrown away afterwards.
#
#   test/postgres.sh start DIR    prints its DSN; DIR holds everything about it
#   test/postgres.sh stop DIR
#
# LIVEPIPE_TEST_POSTGRES, when set, is printed as it is. Otherwise the machine's own PostgreSQL runs in DIR, on a free port
# of 127.0.0.1; without one, postgres:17 in Docker when an engine answers; else, as root where apt is, the package is
# installed first.
set -euo pipefail

image=postgres:17.11-trixie

fail() { printf 'postgres: %s\n' "$*" >&2; exit 1; }
usage() { sed -n '/^#   test/s/^#   //p' "${BASH_SOURCE[0]}" >&2; exit 2; }

[ $# = 2 ] || usage
command=$1 dir=$2

find_server() {
  local candidate
  for candidate in "$(command -v initdb || true)" /usr/lib/postgresql/*/bin/initdb; do
    if [ -x "$candidate" ]; then bin=$(dirname "$(readlink -f "$candidate")"); fi
  done
  [ -n "${bin:-}" ]
}

# as_postgres COMMAND... : PostgreSQL refuses to run as root
as_postgres() {
  if [ "$(id -u)" = 0 ]; then setpriv --reuid postgres --regid postgres --clear-groups "$@"; else "$@"; fi
}

free_port() {
  local port
  while port=$((20000 + RANDOM % 20000)); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
}

start_server() {
  local port
  mkdir -p "$dir"
  if [ "$(id -u)" = 0 ]; then
    # Its user has to reach the directory, wherever it is.
    dir=$(as_postgres mktemp -d /tmp/livepipe-postgres.XXXXXX)
    echo "$dir" >"$2/elsewhere"
  fi
  port=$(free_port)
  as_postgres "$bin/initdb" -D "$dir/data" -U postgres --auth=trust --encoding=UTF8 --locale=C >"$dir.log" 2>&1 ||
    fail "initdb failed: $(tail -n 1 "$dir.log")"
  as_postgres "$bin/pg_ctl" -D "$dir/data" -w -t 60 -l "$dir/data/server.log" \
    -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$dir -c max_connections=300" start >"$dir.log" 2>&1 ||
    fail "the server does not start: $(tail -n 1 "$dir.log")"
  echo "postgres://postgres@127.0.0.1:$port/postgres?sslmode=disable"
}

start_container() {
  local port container
  docker info >/dev/null 2>&1 || return 1
  port=$(free_port)
  container=$(docker run -d -p "127.0.0.1:$port:5432" -e POSTGRES_HOST_AUTH_METHOD=trust \
    "$image" -c max_connections=300 2>/dev/null) || return 1
  mkdir -p "$dir"
  echo "$container" >"$dir/container"
  for _ in $(seq 120); do
    if docker exec "$container" psql -h 127.0.0.1 -U postgres -qAtc 'select 1' >/dev/null 2>&1; then
      echo "postgres://postgres@127.0.0.1:$port/postgres?sslmode=disable"
      return
    fi
    sleep 0.5
  done
  docker rm -f "$container" >/dev/null
  return 1
}

install_server() {
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends postgresql; } >&2
}

start() {
  if [ -n "${LIVEPIPE_TEST_POSTGRES:-}" ]; then echo "$LIVEPIPE_TEST_POSTGRES"; return; fi
  if find_server; then start_server start "$dir"; return; fi
  if start_container; then return; fi
  if install_server && find_server; then start_server start "$dir"; return; fi
  fail "no PostgreSQL here and no Docker: install PostgreSQL 15 or newer, or set LIVEPIPE_TEST_POSTGRES to a DSN"
}

stop() {
  if [ -e "$dir/container" ]; then docker rm -f "$(cat "$dir/container")" >/dev/null; fi
  if [ -e "$dir/elsewhere" ]; then
    rm -f "$(cat "$dir/elsewhere").log"
    dir=$(cat "$dir/elsewhere")
  fi
  if [ -d "$dir/data" ] && find_server; then
    as_postgres "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$dir"
  fi
}

case $command in
  start) start ;;
  stop) stop ;;
  *) usage ;;
esac
