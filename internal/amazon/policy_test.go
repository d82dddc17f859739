package amazon

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	wmsns "github.com/ThreeDotsLabs/watermill-aws/sns"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/go-json-experiment/json/jsontext"
)

var updatePolicies = flag.Bool("update-policies", false, "write the golden files of policies anew")

// golden compares a JSON document, indented, with a file of testdata.
func golden(t *testing.T, name, document string) {
	t.Helper()
	text := jsontext.Value(document)
	if err := text.Indent(); err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	file := filepath.Join("testdata", "policies", name+".json")
	if *updatePolicies {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(text) {
		t.Errorf("%s is\n%s\nwant\n%s", name, text, want)
	}
}

// offline is a bus of which only the names are asked.
func offline(t *testing.T, queues ...Queue) *Bus {
	t.Helper()
	topics, err := wmsns.NewGenerateArnTopicResolver("123456789012", "eu-west-1")
	if err != nil {
		t.Fatal(err)
	}
	return &Bus{
		cfg:   Config{AWS: aws.Config{Region: "eu-west-1"}, Queues: queues},
		names: names{prefix: "livepipe"}, account: "123456789012", topics: topics,
	}
}

func historyPolicy(t *testing.T) []statement {
	t.Helper()
	wants, err := offline(t).queuePolicy(t.Context(), "livepipe-history",
		[]string{"livechat-message-received-v1", "livechat-media-uploaded-v1"})
	if err != nil {
		t.Fatal(err)
	}
	return wants
}

// Only SNS, only from the topics of the table, only over TLS.
func TestPolicyOfAQueue(t *testing.T) {
	wants := historyPolicy(t)
	none, err := comparePolicy("", wants)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "queue", none.with(wants))
}

func TestComparePolicy(t *testing.T) {
	wants := historyPolicy(t)
	message, upload, tls := object(wants[0]), object(wants[1]), object(wants[2])
	policy := func(statements string) string { return `{"Version":"2012-10-17","Statement":` + statements + `}` }
	tests := []struct {
		name, has                string
		missing, differ, foreign []string
	}{
		{"none", "", []string{"LivepipeFromLivechatMessageReceivedV1", "LivepipeFromLivechatMediaUploadedV1", "LivepipeTLSOnly"}, nil, nil},
		{"ours", policy("[" + message + "," + upload + "," + tls + "]"), nil, nil, nil},
		{"one alone, not in a list", policy(tls), []string{"LivepipeFromLivechatMessageReceivedV1", "LivepipeFromLivechatMediaUploadedV1"}, nil, nil},
		{
			"ours in other words",
			policy("[" + message + "," + upload + `,{"Sid":"LivepipeTLSOnly","Effect":"Deny","Principal":"*","Action":["sqs:*"],` +
				`"Resource":["arn:aws:sqs:eu-west-1:123456789012:livepipe-history"],"Condition":{"Bool":{"aws:SecureTransport":[false]}}}]`),
			nil, nil, nil,
		},
		{
			"open to all", policy("[" + message + "," + upload + `,{"Sid":"LivepipeTLSOnly","Effect":"Allow","Principal":"*",` +
				`"Action":"sqs:*","Resource":"*"}]`),
			nil,
			[]string{"LivepipeTLSOnly"},
			nil,
		},
		{
			"foreign ones", policy("[" + message + "," + upload + "," + tls + `,{"Sid":"Audit"},{"Effect":"Allow"}]`),
			nil, nil,
			[]string{"Audit", ""},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := comparePolicy(test.has, wants)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(sids(got.missing), test.missing) || !slices.Equal(sids(got.differ), test.differ) ||
				!slices.Equal(got.foreign, test.foreign) {
				t.Errorf("missing %q, differ %q, foreign %q", sids(got.missing), sids(got.differ), got.foreign)
			}
			after, err := comparePolicy(got.with(append(got.missing, got.differ...)), wants)
			if err != nil || len(after.missing)+len(after.differ) > 0 || !slices.Equal(after.foreign, test.foreign) {
				t.Errorf("once it is set: %+v, %v", after, err)
			}
		})
	}
}

func sids(statements []statement) []string {
	var all []string
	for _, s := range statements {
		all = append(all, s.sid())
	}
	return all
}
