#!/usr/bin/env bash
# Brings docker-compose.yml up as a user would, posts the contract's examples at it, scales a worker, restarts what may
# restart, and takes it down. Needs Docker with compose, and curl. Ends with exit status 1 at the first wrong answer.
#
#   test/compose.sh
#
# It has a project and ports of its own, so that a stack that runs already is neither seen nor harmed.
set -euo pipefail
cd "$(dirname "$0")/.."

export COMPOSE_PROJECT_NAME=${COMPOSE_PROJECT_NAME:-livepipe-test}
export LIVEPIPE_PORT=${LIVEPIPE_PORT:-18080} LIVEPIPE_LOCALSTACK_PORT=${LIVEPIPE_LOCALSTACK_PORT:-14566}
export LIVEPIPE_ACCESS=open LIVEPIPE_PREFIX=livepipe
url=http://127.0.0.1:$LIVEPIPE_PORT
livechat=$url/livechat/b3JnMTIzOnVzZXI0NTY6bGMtNzg5
history="$livechat?action=fetch_messages&chat_id=chat_abc123&limit=20"
spec=test/testdata/spec
scratch=$(mktemp -d)

step() { printf '\n[%3d s] %s\n' "$SECONDS" "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

finish() {
  local status=$?
  if [ "$status" -ne 0 ]; then
    docker compose ps -a
    docker compose logs --tail 20
  fi
  docker compose down -v --timeout 30 >/dev/null 2>&1 || true
  rm -rf "$scratch"
  exit "$status"
}
trap finish EXIT

# call CURL-ARGUMENT... : sets status and answer
call() {
  status=$(curl -sS -m 40 -o "$scratch/answer" -w '%{http_code}' "$@") || fail "no answer: curl $*"
  answer=$(tr -d '\0' <"$scratch/answer")
}

post() { call -H 'Content-Type: application/json' "$@"; }

# expect STATUS TEXT : of the last call; TEXT is what the answer has in it
expect() {
  printf '  %s %s\n' "$status" "$answer"
  [ "$status" = "$1" ] || fail "want status $1"
  [[ $answer == *"$2"* ]] || fail "want $2"
}

# compact FILE : one of the contract's examples as livepipe prints it
compact() { sed -e 's/^ *//' -e 's/": /":/' "$1" | tr -d '\n'; }

# eventually COMMAND... : for what workers do after the 200
eventually() {
  local until=$((SECONDS + 60))
  until "$@"; do
    [ "$SECONDS" -lt "$until" ] || fail "not within 60 s: $* ($status $answer)"
    sleep 0.5
  done
}

# The contract's window leaves out what is uploaded here.
read_history() { post "$history" -d @$spec/fetch-messages.request.json; }

history_has() {
  read_history
  [ "$status" = 200 ] && [[ $answer == *"$1"* ]]
}

# upload NAME : sets media, the URL of the file
upload() {
  call "$livechat?action=upload_media&chat_id=chat_abc123" -F "file=@$scratch/screenshot.png" -F "filename=$1" \
    -F content_type=image/png
  [ "$status" = 200 ] || fail "upload $1: $status $answer"
  media=$(sed -n 's/.*"url":"\([^"]*\)".*/\1/p' "$scratch/answer")
}

released() {
  call "$media"
  [ "$status" = 200 ] && [ "$(head -c 4 "$scratch/answer" | tail -c 3)" = PNG ]
}

all_healthy() { ! docker compose ps --format '{{.Health}}' | grep -qv '^healthy$'; }

# handled NUMBER : how many events that one of router-media has handled; LocalStack's image has a curl
handled() {
  docker compose exec -T localstack curl -sS "http://$COMPOSE_PROJECT_NAME-router-media-$1:8081/metrics" |
    awk '/^livepipe_worker_handled_total/ { n += $2 } END { print n + 0 }'
}

# a 16 x 16 PNG with a comment that must not come back
base64 -d >"$scratch/screenshot.png" <<'PNG'
iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAADnRFWHRDb21tZW50AHNlY3JldGSqxSkAAAAWSURBVHjaY9CoOEESYhjVMKph+GoAAMNK
aBAHfkZMAAAAAElFTkSuQmCC
PNG

# From clean: only provision builds the image that six services run.
step 'docker compose up -d --wait --build'
docker compose down -v --rmi local >/dev/null 2>&1 # what a broken run has left
docker image rm -f livepipe:local >/dev/null 2>&1 || true
docker compose up -d --wait --build --quiet-pull >"$scratch/up" 2>&1 || { cat "$scratch/up"; fail 'up'; }
docker compose ps -a --format 'table {{.Service}}\t{{.Status}}\t{{.Ports}}'

step 'receive: POST /webhooks/livechat/{identifier}'
post "$url/webhooks/livechat/b3JnMTIzOnVzZXI0NTY6bGMtNzg5" -d @$spec/receive-webhook.request.json
expect 200 "$(compact $spec/receive-webhook.response.json)"

step 'receive: POST /livechat/{identifier}'
post "$livechat" -d @$spec/receive-message.request.json
expect 200 '{"status":"processed","messageId":"msg_002","queuedAt":"'

step 'action=delivery_status'
post "$livechat?action=delivery_status" -d @$spec/delivery-status.request.json
expect 200 "$(compact $spec/delivery-status.response.json)"

step 'action=fetch_messages, at once'
read_history
expect 200 "$(compact $spec/fetch-messages.response.json)"

step 'a receipt for a message of the chat shows in its history'
post "$livechat?action=delivery_status" -d '{"message_id":"msg_002","chat_id":"chat_abc123","status":"read"}'
expect 200 '{"status":"acknowledged","messageId":"msg_002","deliveryStatus":"read"}'
eventually history_has '"delivery_status":"read"'
expect 200 '"id":"msg_001"'

step 'action=upload_media, then GET'
upload screenshot.png
expect 200 '"filename":"screenshot.png","content_type":"image/png","size":105'
eventually released
printf '  GET %s: %s, %s bytes\n' "$media" "$status" "$(wc -c <"$scratch/answer" | tr -d ' ')"
if grep -q secret "$scratch/answer"; then fail 'the comment of the picture is served'; fi

step 'OPTIONS /livechat/{identifier}'
call -X OPTIONS "$livechat" -D "$scratch/headers" -H 'Origin: https://app.example.com' \
  -H 'Access-Control-Request-Method: POST' -H 'Access-Control-Request-Headers: Content-Type'
expect 200 ''
grep -i '^access-control-' "$scratch/headers"
for header in 'Origin: https://app.example.com' 'Methods: POST, OPTIONS' 'Headers: Content-Type, Authorization'; do
  grep -qiF "Access-Control-Allow-$header" "$scratch/headers" || fail "want Access-Control-Allow-$header"
done

step 'another machine'\''s name is refused while access is open'
post "$history" -d '{}' -H 'Host: evil.example.com'
expect 403 host_not_allowed

step 'docker compose up -d --wait --scale router-media=4'
docker compose up -d --wait --scale router-media=4 >"$scratch/up" 2>&1 || { cat "$scratch/up"; fail 'scale'; }
urls=()
for i in $(seq 20); do upload "picture-$i.png"; urls+=("$media"); done
for media in "${urls[@]}"; do eventually released; done
busy=0
for i in 1 2 3 4; do
  n=$(handled "$i") || fail "router-media $i does not answer"
  echo "  router-media $i has handled $n"
  if [ "$n" -gt 0 ]; then busy=$((busy + 1)); fi
done
[ "$busy" -ge 2 ] || fail 'want more than one of them to have worked'
echo "  ${#urls[@]} uploads were released"

step 'LocalStack restarts and has forgotten everything: docker compose restart localstack; docker compose up -d'
docker compose restart localstack >/dev/null 2>&1
docker compose up -d >"$scratch/up" 2>&1 || { cat "$scratch/up"; fail 'up after the restart'; }
eventually all_healthy # --wait would give up at once, because they are unhealthy until provision has run
message='{"event":"incoming_message","chat_id":"chat_abc123","message":{"id":"msg_003","type":"text","text":"Still there?"'
message+=',"author":{"id":"visitor_xyz","type":"visitor"},"created_at":"2024-01-15T10:34:00Z"}}'
post "$livechat" -d "$message"
expect 200 '"messageId":"msg_003"'
eventually history_has '"id":"msg_003"'

step 'docker compose down'
docker compose down >/dev/null 2>&1
[ -z "$(docker compose ps -aq)" ] || fail 'containers are left'

step 'docker compose up -d --wait: PostgreSQL has every message'
docker compose up -d --wait >"$scratch/up" 2>&1 || { cat "$scratch/up"; fail 'up again'; }
read_history
for id in msg_001 msg_002 msg_003; do expect 200 "\"id\":\"$id\""; done

step 'docker compose down -v'
docker compose down -v >/dev/null 2>&1
[ -z "$(docker volume ls -q --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME")" ] || fail 'a volume is left'

step 'all answers were right'
