#!/bin/sh
# LocalStack runs this as soon as it listens. It asks SNS, SQS and S3 themselves, because a service that is "available"
# is loaded by its first call only; and docker-compose.yml asks the same again as its health check, with --once.
# It makes no topics and queues: `livepipe provision` does, here as on AWS.
set -eu

listen=${GATEWAY_LISTEN:-0.0.0.0:4566} # a list, when LocalStack listens on more
listen=${listen%%,*}
endpoint=http://127.0.0.1:${listen##*:}

# ask SERVICE CURL-ARGUMENT... : LocalStack tells services apart by the credential's scope and checks no signature
ask() {
  service=$1
  shift
  curl -fsS -m 10 -o /dev/null "$@" -H "Authorization: AWS4-HMAC-SHA256 \
Credential=test/20240101/us-east-1/$service/aws4_request, SignedHeaders=host, Signature=none" "$endpoint/"
}

answers() {
  ask sns -d 'Action=ListTopics&Version=2010-03-31' &&
    ask sqs -d 'Action=ListQueues&Version=2012-11-05' &&
    ask s3
}

if [ "${1:-}" = --once ]; then
  answers
  exit
fi

for _ in 1 2 3 4 5 6 7 8 9 10; do
  if answers; then
    echo "SNS, SQS and S3 answer at $endpoint (in the container: awslocal sqs list-queues)"
    exit 0
  fi
  sleep 1
done
echo 'SNS, SQS and S3 do not answer' >&2
exit 1
