#!/usr/bin/env bash
# The LocalStack of docker-compose.yml without Docker: the same version, from PyPI, with the same hooks.
#
#   localstack/host.sh install                 into .localstack; the other commands do it when it is missing
#   localstack/host.sh start [--port 4566]     in the background; prints what a client has to export
#   localstack/host.sh run [--port 4566]       in the foreground
#   localstack/host.sh status                  exit status 0 when it answers
#   localstack/host.sh stop
#
# It needs bash, curl and Python 3.13; uv brings Python where it may download (UV_PYTHON_DOWNLOADS=never forbids it).
# LIVEPIPE_LOCALSTACK_DIR is where it is installed (default: .localstack here). LIVEPIPE_LOCALSTACK_RUN is where one
# running LocalStack keeps its process id, log and files (default: run below that); give each of several its own.
# Nothing survives a stop.
set -euo pipefail

version=4.14.0        # the last that needs no account
newest_deps=2026-03-10 # it does not pin its dependencies, and newer ones break it: take those of its time

hooks=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/ready.d
dir=${LIVEPIPE_LOCALSTACK_DIR:-$PWD/.localstack}
run=${LIVEPIPE_LOCALSTACK_RUN:-$dir/run}
venv=$dir/venv-$version
port=4566

say() { printf 'localstack: %s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }
usage() { sed -n '/^#   localstack/s/^#   //p' "${BASH_SOURCE[0]}" >&2; exit 2; }

# ---------------------------------------------------------------- install

# works PYTHON : it starts (a shim may not) and is the version that LocalStack and its dependencies were tried with
works() { "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' >/dev/null 2>&1; }

find_python() {
  local candidate root=${PYENV_ROOT:-$HOME/.pyenv}
  for candidate in "$(command -v python3.13 || true)" "$(command -v python3 || true)" "$root"/versions/3.13*/bin/python3.13; do
    if [ -x "$candidate" ] && works "$candidate"; then echo "$candidate"; return; fi
  done
  # those that uv manages, then those that it may download
  if UV_PYTHON_DOWNLOADS=never "$uv" python find 3.13 2>/dev/null; then return; fi
  [ "${UV_PYTHON_DOWNLOADS:-}" != never ] || return 1
  "$uv" python install 3.13 >&2 && UV_PYTHON_DOWNLOADS=never "$uv" python find 3.13
}

find_uv() {
  local python
  for uv in "$(command -v uv || true)" "$HOME/.local/bin/uv" "$dir/uv/bin/uv"; do
    if [ -x "$uv" ] && "$uv" --version >/dev/null 2>&1; then return; fi
  done
  for python in python3.13 python3 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13*/bin/python3.13; do
    if "$python" -m venv "$dir/uv" >>"$dir/install.log" 2>&1 && "$dir/uv/bin/pip" install uv >>"$dir/install.log" 2>&1; then
      uv=$dir/uv/bin/uv
      return
    fi
  done
  return 1
}

install() {
  local python start=$SECONDS
  if [ -e "$venv/complete" ] && works "$venv/bin/python"; then return; fi
  say "installing $version into $dir"
  mkdir -p "$dir"
  : >"$dir/install.log"
  find_uv || fail "no uv and no Python with venv and pip to install it with: see https://docs.astral.sh/uv/ ($dir/install.log)"
  python=$(find_python 2>>"$dir/install.log") ||
    fail "no Python 3.13: install python3.13 with your system's packages or pyenv, or let uv download it ($dir/install.log)"
  rm -rf "$venv"
  { "$uv" venv --python "$python" "$venv" &&
    "$uv" pip install --python "$venv/bin/python" --exclude-newer "$newest_deps" "localstack-core[runtime]==$version"; } \
    >>"$dir/install.log" 2>&1 ||
    { tail -n 5 "$dir/install.log" >&2; fail "cannot be installed from PyPI ($dir/install.log)"; }
  touch "$venv/complete"
  say "installed in $((SECONDS - start)) s"
}

# ---------------------------------------------------------------- run

# ours : whether the process that start has written down still runs and is this LocalStack; sets pid
ours() {
  local arguments
  pid=$(cat "$run/pid" 2>/dev/null) && [ -n "$pid" ] || return 1
  # macOS has no /proc, and small systems have no ps
  arguments=$(tr '\0' ' ' <"/proc/$pid/cmdline" || ps -o args= -p "$pid") 2>/dev/null
  [[ $arguments == *localstack.runtime.main* ]]
}

# ready : its hooks have run, and what they ask answers
ready() {
  curl -fsS -m 5 "http://127.0.0.1:$port/_localstack/init/ready" 2>/dev/null | grep -q '"completed": *true' &&
    GATEWAY_LISTEN=127.0.0.1:$port "$hooks/10-services.sh" --once 2>/dev/null
}

taken() { (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }

# prepare : an environment in which only what stands here decides, and files that only this one uses
prepare() {
  unset AWS_ENDPOINT_URL AWS_PROFILE
  export SERVICES=sns,sqs,s3,sts EAGER_SERVICE_LOADING=1 SQS_ENDPOINT_STRATEGY=dynamic
  # 4.14 takes an IPv4 address for "every address" and listens on 0.0.0.0, open to the whole network. The same loopback
  # address in IPv6's spelling it takes at its word, and clients reach it at 127.0.0.1.
  export GATEWAY_LISTEN="[::ffff:127.0.0.1]:$port" DNS_ADDRESS=0
  export DISABLE_EVENTS=1 SKIP_SSL_CERT_DOWNLOAD=1 PYTHONUNBUFFERED=1
  export NO_PROXY="127.0.0.1,localhost${NO_PROXY:+,$NO_PROXY}"
  # Otherwise it empties /tmp/localstack, which may be another one's, and reads ~/.localstack.
  export TMPDIR=$run/tmp FILESYSTEM_ROOT=$run/files CONFIG_DIR=$run/config OVERRIDE_IN_DOCKER=0
  rm -rf "$TMPDIR" "$FILESYSTEM_ROOT"
  # As host it looks for its hooks below its own root and its temporary files below that once more.
  mkdir -p "$TMPDIR" "$CONFIG_DIR" "$FILESYSTEM_ROOT/etc/localstack/init"
  ln -s "$hooks" "$FILESYSTEM_ROOT/etc/localstack/init/ready.d"
}

# foreground : as start, for a terminal or a supervisor
foreground() {
  if ours; then fail "process $pid runs already: stop it first, or set LIVEPIPE_LOCALSTACK_RUN"; fi
  if taken; then fail "port $port is taken by something else: choose another with --port"; fi
  install
  prepare
  echo "$$" >"$run/pid"
  echo "$port" >"$run/port"
  exec "$venv/bin/python" -m localstack.runtime.main
}

exports() {
  printf 'export %s\n' "AWS_ENDPOINT_URL=http://127.0.0.1:$port" AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=test \
    AWS_SECRET_ACCESS_KEY=test
}

start() {
  local began=$SECONDS detach=()
  if ours && [ "$(cat "$run/port")" = "$port" ] && ready; then exports; return; fi
  if ours; then fail "process $pid runs already on port $(cat "$run/port"): stop it first, or set LIVEPIPE_LOCALSTACK_RUN"; fi
  if taken; then fail "port $port is taken by something else: choose another with --port"; fi
  install
  prepare
  # out of reach of this shell's hangups and signals; macOS has no setsid
  if command -v setsid >/dev/null; then detach=(setsid); fi
  nohup ${detach[@]+"${detach[@]}"} "$venv/bin/python" -m localstack.runtime.main >"$run/log" 2>&1 </dev/null &
  pid=$!
  echo "$pid" >"$run/pid"
  echo "$port" >"$run/port"
  while ! ready; do
    ours || { tail -n 5 "$run/log" >&2; fail "ended before it was ready ($run/log)"; }
    [ $((SECONDS - began)) -lt 300 ] || { stop; fail "not ready after five minutes ($run/log)"; }
    sleep 0.2
  done
  say "$version is ready on port $port, process $pid, log $run/log"
  exports
}

stop() {
  ours || { rm -f "$run/pid"; say "not running"; return 0; }
  kill "$pid" 2>/dev/null || true
  for _ in $(seq 100); do
    ours || break
    sleep 0.1
  done
  if ours; then kill -9 "$pid" && say "killed, because it did not end within 10 s"; else say "stopped"; fi
  rm -rf "$run/pid" "$run/port" "$run/tmp" "$run/files"
}

status() {
  if ours; then
    port=$(cat "$run/port")
    ready || fail "process $pid does not answer on port $port ($run/log)"
    say "$version answers on port $port, process $pid"
  else
    fail "not running"
  fi
}

command=${1:-}
[ $# -eq 0 ] || shift
while [ $# -gt 0 ]; do
  case $1 in
    --port) port=${2:-} ;;
    --port=*) port=${1#*=} ;;
    *) usage ;;
  esac
  [[ $1 == *=* || $# -lt 2 ]] || shift
  shift
done
[[ $port =~ ^[0-9]+$ ]] || usage
command -v curl >/dev/null || fail "needs curl"
case $command in
  install) install ;;
  start) start ;;
  run) foreground ;;
  status) status ;;
  stop) stop ;;
  *) usage ;;
esac
