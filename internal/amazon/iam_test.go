package amazon

import (
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// What each role may do, in files, so that a change of them is seen.
func TestIAMPolicies(t *testing.T) {
	b := offline(t,
		Queue{Name: "history", Topics: []string{"message", "upload"}},
		Queue{Name: "routing", Topics: []string{"message", "upload"}},
		Queue{Name: "dispatch", Topics: []string{"request"}},
		Queue{Name: "media", Topics: []string{"upload"}},
	)
	policies, err := b.iamPolicies(t.Context(), Access{
		Bucket: "files", Publishes: map[string][]string{"routing": {"request"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for role, text := range policies {
		t.Run(role, func(t *testing.T) {
			golden(t, "iam-"+role, text)
			compact := jsontext.Value(text)
			if err := compact.Compact(); err != nil {
				t.Fatal(err)
			}
			if len(compact) > 6144 {
				t.Errorf("%d characters, IAM takes 6144", len(compact))
			}
			if strings.Contains(text, `:*"`) {
				t.Error("allows every action of a service")
			}
		})
	}
	if len(policies) != 7 {
		t.Errorf("%d roles", len(policies))
	}
}

func TestIAMPoliciesWithoutABucketNameNoBucket(t *testing.T) {
	policies, err := offline(t, Queue{Name: "media", Topics: []string{"upload"}}).iamPolicies(t.Context(), Access{})
	if err != nil {
		t.Fatal(err)
	}
	for role, text := range policies {
		if strings.Contains(text, "s3:") {
			t.Errorf("%s: %s", role, text)
		}
	}
}

func TestNamesThatAWSRefuses(t *testing.T) {
	long := strings.Repeat("p", 68)
	for _, test := range []struct {
		prefix string
		fifo   bool
		want   string
	}{
		{prefix: long, want: ""}, // 68 and "-media-dead" are 79
		{prefix: long + "pp", want: `name "` + long + `pp-media-dead" has 81 characters, SQS allows 80: choose a shorter prefix`},
		{prefix: long, fifo: true, want: `name "` + long + `-media-dead.fifo" has 84 characters, SQS allows 80: choose a shorter prefix`},
		{prefix: "a.b", want: `name "a.b-media-dead": SNS and SQS allow letters, digits, - and _`},
		{prefix: "ü", want: `name "ü-media-dead": SNS and SQS allow letters, digits, - and _`},
	} {
		_, err := Provision(t.Context(), Config{Prefix: test.prefix, FIFO: test.fifo, Queues: []Queue{
			{Name: "media", Topics: []string{"upload"}},
		}}, ProvisionOptions{})
		got := strings.TrimPrefix(err.Error(), "check bus config: ")
		if test.want == "" {
			test.want = "no AWS region: set AWS_REGION" // the next thing it asks for
		}
		if got != test.want {
			t.Errorf("%s: %s, want %s", test.prefix, got, test.want)
		}
	}
}

func TestVisibilityTimeoutsThatSQSRefuses(t *testing.T) {
	for _, timeout := range []time.Duration{-time.Second, time.Millisecond, 1500 * time.Millisecond, 12*time.Hour + time.Second} {
		_, err := Provision(t.Context(), Config{}, ProvisionOptions{VisibilityTimeout: timeout})
		if want := "visibility timeout is " + timeout.String() + ", SQS takes whole seconds from 1s to 12h0m0s"; err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
