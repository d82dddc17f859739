#!/usr/bin/env bash
# Runs a command with LocalStack and PostgreSQL beside it, and stops whatever it started.
#
#   test/aws.sh go test ./internal/amazon
#
# AWS_ENDPOINT_URL and LIVEPIPE_TEST_POSTGRES, when set, are used as they are. Otherwise LocalStack runs in Docker when an
# engine answers and has or can pull the image, else from PyPI (localstack/host.sh); PostgreSQL comes from test/postgres.sh.
set -euo pipefail
cd "$(dirname "$0")/.."

image=localstack/localstack:4.14.0
dir=$(mktemp -d)
container=

stop() {
  if [ -n "$container" ]; then docker rm -f "$container" >/dev/null; fi
  if [ -e "$dir/localstack" ]; then LIVEPIPE_LOCALSTACK_RUN="$dir/localstack" localstack/host.sh stop >/dev/null || true; fi
  if [ -e "$dir/postgres" ]; then test/postgres.sh stop "$dir/postgres" >/dev/null || true; fi
  rm -rf "$dir"
}
trap stop EXIT

free_port() {
  local port
  while port=$((20000 + RANDOM % 20000)); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
}

healthy() { curl -sf "http://127.0.0.1:$1/_localstack/health" >/dev/null; }

# only_here PORT : LocalStack checks no credentials, so no other address of this machine may lead to it
only_here() {
  local address url
  for address in $(hostname -I 2>/dev/null); do # macOS knows no -I
    case $address in *:*) address="[$address]" ;; esac
    url="http://$address:$1/_localstack/health"
    if curl -s --noproxy '*' -m 2 -o /dev/null "$url"; then
      echo "LocalStack answers the network: $url" >&2
      return 1
    fi
  done
}

in_docker() {
  docker info >/dev/null 2>&1 || return 1
  container=$(docker run -d -p "127.0.0.1:$1:4566" -e SERVICES=sns,sqs,s3,sts -e EAGER_SERVICE_LOADING=1 \
    -e DISABLE_EVENTS=1 "$image" 2>/dev/null) || { container=; return 1; }
  for _ in $(seq 120); do
    if healthy "$1"; then return; fi
    sleep 0.5
  done
  docker logs "$container" >&2
  return 1
}

if [ -z "${AWS_ENDPOINT_URL:-}" ]; then
  port=$(free_port)
  if ! in_docker "$port"; then
    mkdir -p "$dir/localstack"
    LIVEPIPE_LOCALSTACK_RUN="$dir/localstack" localstack/host.sh start --port "$port" >&2
  fi
  only_here "$port"
  export AWS_ENDPOINT_URL="http://127.0.0.1:$port"
fi
if [ -z "${LIVEPIPE_TEST_POSTGRES:-}" ]; then
  mkdir -p "$dir/postgres"
  LIVEPIPE_TEST_POSTGRES=$(test/postgres.sh start "$dir/postgres")
  export LIVEPIPE_TEST_POSTGRES
fi
export LIVEPIPE_TEST_AWS=1
export AWS_REGION="${AWS_REGION:-us-east-1}"
export AWS_ACCESS_KEY_ID="${AWS_ACCESS_KEY_ID:-test}" AWS_SECRET_ACCESS_KEY="${AWS_SECRET_ACCESS_KEY:-test}"

"$@"
