#!/usr/bin/env bash
# Runs schemathesis against a live livepipe: every path of docs/openapi.yaml with good and bad requests, first with open
# access, then with an account. It fails on a server error and on an answer, content type, body or header that the document
# does not describe. The seed is fixed, so a failure comes again.
#
#   test/contract.sh [more options of `schemathesis run`]
#
# CONTRACT_EXAMPLES is how many cases each operation gets in the fuzzing phase.
set -euo pipefail
cd "$(dirname "$0")/.."

schemathesis=$(realpath "${SCHEMATHESIS:-bin/schemathesis-4.32.5/bin/schemathesis}")
livepipe=${LIVEPIPE:-bin/livepipe}
seed=20240115
organization=0d9b6c1e-6c1f-4a52-9c7e-2f8f7a1b5d11
identifier=b3JnMTIzOnVzZXI0NTY6bGMtNzg5
checks=not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance
checks+=,response_schema_conformance,no_other_headers
dir=$(mktemp -d)
pid=

stop() {
  if [ -n "$pid" ]; then
    kill "$pid" 2>/dev/null || true
    wait "$pid" || true
  fi
  rm -rf "$dir"
}
trap stop EXIT

# serve starts livepipe and sets url.
serve() {
  export LIVEPIPE_DATA="$dir/$1" LIVEPIPE_ACCESS="$1" LIVEPIPE_ADDR=127.0.0.1:0 LIVEPIPE_ADMIN_ADDR=127.0.0.1:0
  "$livepipe" serve >"$dir/$1.out" 2>"$dir/$1.log" &
  pid=$!
  for _ in $(seq 600); do
    if grep -q '^ *running' "$dir/$1.out"; then
      url=$(sed -n 's/^ *calls *\(http[^ ]*\).*/\1/p' "$dir/$1.out")
      return
    fi
    if ! kill -0 "$pid" 2>/dev/null; then break; fi
    sleep 0.1
  done
  cat "$dir/$1.out" "$dir/$1.log" >&2
  exit 1
}

# fill makes a chat and a file that the requests can be about, and sets file.
fill() {
  curl -sf "$@" -H 'Content-Type: application/json' --data @test/testdata/spec/receive-webhook.request.json \
    "$url/webhooks/livechat/$identifier" >/dev/null
  file=$(curl -sf "$@" -F file=@test/testdata/picture.png \
    "$url/livechat/$identifier?action=upload_media&chat_id=chat_abc123" | sed -n 's|.*/media/\(media_[a-z2-7]*\.[a-z0-9]*\)".*|\1|p')
  for _ in $(seq 100); do
    if curl -sf -o /dev/null "$url/media/$file"; then return; fi
    sleep 0.1
  done
  echo "the file $file is never released" >&2
  exit 1
}

# hold runs schemathesis against what serve started, in a directory that it may leave its notes in.
hold() (
  root=$PWD
  cd "$dir"
  CONTRACT_IDENTIFIER=$identifier CONTRACT_FILE=$file CONTRACT_CHAT=chat_abc123 CONTRACT_ORGANIZATION=$organization \
    PYTHONPATH="$root/test/contract" SCHEMATHESIS_HOOKS=hooks PYTHONDONTWRITEBYTECODE=1 \
    "$schemathesis" run "$root/docs/openapi.yaml" --url "$url" \
    --phases examples,coverage,fuzzing --checks "$checks" --seed "$seed" --generation-database none --continue-on-failure \
    --max-examples "${CONTRACT_EXAMPLES:-50}" --no-color "$@"
)

# halt stops what serve started; it must end well.
halt() {
  kill "$pid" && wait "$pid"
  pid=
}

serve open
fill
hold "$@"
halt

serve accounts
token=$("$livepipe" account add --org org123 --livechat lc-789 --organization-id "$organization")
fill -H "Authorization: Bearer $token"
hold --header "Authorization: Bearer $token" "$@"
halt

if grep -E 'panic|level=ERROR' "$dir"/*.log; then
  echo "the log tells of a fault" >&2
  exit 1
fi
