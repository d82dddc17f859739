package test

import (
	"crypto/rand"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/livepipe/livepipe/messages"
)

// TestQueueWithHostileMessages holds S17: somebody who may write to a worker's queue, past the topics and their policy,
// makes dead letters and no more. What is good goes on beside them.
func TestQueueWithHostileMessages(t *testing.T) {
	s := stacks[2]
	at := s.open(t, nil, "history")
	prefix := ""
	for _, e := range at.env {
		if value, ok := strings.CutPrefix(e, "LIVEPIPE_PREFIX="); ok {
			prefix = value
		}
	}
	settings, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client := sqs.NewFromConfig(settings, func(o *sqs.Options) { o.BaseEndpoint = aws.String(os.Getenv("AWS_ENDPOINT_URL")) })
	queue, err := client.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String(prefix + "-history")})
	if err != nil {
		t.Fatal(err)
	}
	wrapped := map[string]types.MessageAttributeValue{
		"livepipe-wrapped": {DataType: aws.String("String"), StringValue: aws.String("id=a&body=claim")},
	}
	bodies := []struct {
		body       string
		attributes map[string]types.MessageAttributeValue
	}{
		{"not json", nil},
		{"{}", nil},
		{`{"Type":"Notification","MessageId":"x","TopicArn":"arn:aws:sns:us-east-1:000000000000:foreign","Message":"{}"}`, nil},
		{claim("claims/../pending/media_1"), wrapped},
		{claim("pending/media_" + rand.Text()), wrapped},
		{claim("claims/" + strings.Repeat("0", 64)), wrapped},
		{`{"specversion":"1.0","id":"evt_x","source":"/livechat/org123/lc-789","type":"livechat.message.received.v1","partitionkey":"k","data":{"channel":"livechat"}}`, nil},
		{`{"specversion":"1.0","id":"evt_x","source":"/","type":"livechat.nobody.v1","partitionkey":"k","data":{}}`, nil},
	}
	for _, b := range bodies {
		if _, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{
			QueueUrl: queue.QueueUrl, MessageBody: &b.body, MessageAttributes: b.attributes,
		}); err != nil {
			t.Fatal(err)
		}
	}
	post(t, at.ingress.URL+"/livechat/"+identifier, spec(t, "receive-message.request"))

	eventually(t, "the good message stands in history", func() bool {
		status, _ := post(t, at.ingress.URL+"/livechat/"+identifier+"?action=fetch_messages&chat_id=chat_abc123", "")
		return status == 200
	})
	eventually(t, "every hostile message is a dead letter with a reason", func() bool {
		out, errs, code := command(t, at.env, "dlq", "list", "--worker", "history")
		if code != 0 {
			t.Fatal(errs)
		}
		dead := strings.Count(out, "\n") - 1
		if dead > len(bodies) {
			t.Fatalf("more dead letters than hostile messages:\n%s", out)
		}
		known := 0
		for _, reason := range messages.Reasons() {
			known += strings.Count(out, " "+reason+" ")
		}
		return dead == len(bodies) && known == dead
	})
}

// claim is an event whose body is said to stand elsewhere.
func claim(ref string) string {
	return `{"specversion":"1.0","id":"evt_y","source":"/livechat/org123/lc-789","type":"livechat.message.received.v1",` +
		`"partitionkey":"k","dataref":"` + ref + `","datadigest":"sha-256=0"}`
}
