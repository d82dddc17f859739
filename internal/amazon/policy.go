package amazon

import (
	"context"
	"fmt"
	"slices"
	"strings"

	wmsns "github.com/ThreeDotsLabs/watermill-aws/sns"
	wmsqs "github.com/ThreeDotsLabs/watermill-aws/sqs"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// statement is one statement of a queue's policy. Its Sid says that it is ours.
type statement map[string]any

func (s statement) sid() string {
	sid, _ := s["Sid"].(string)
	return sid
}

// queuePolicy lets exactly the topics in, each by a statement of its own, so that a topic that is added later adds a
// statement and changes none. A policy takes ten conditions, which are nine topics for a queue.
func (b *Bus) queuePolicy(ctx context.Context, name string, topics []string) ([]statement, error) {
	arn := b.queueARN(name)
	var all []statement
	for _, topic := range topics {
		topicARN, err := b.topicARN(ctx, topic)
		if err != nil {
			return nil, err
		}
		policy, err := wmsns.GenerateQueueAccessPolicyDefault(ctx, wmsns.GenerateQueueAccessPolicyParams{
			SqsQueueArn: wmsqs.QueueArn(arn), SnsTopicArn: wmsns.TopicArn(topicARN),
		})
		if err != nil {
			return nil, fmt.Errorf("write policy of queue %s: %w", name, err)
		}
		statements, ok := policy["Statement"].([]map[string]any)
		if !ok || len(statements) != 1 {
			return nil, fmt.Errorf("write policy of queue %s: watermill-aws generates another shape", name)
		}
		allow := statement(statements[0])
		allow["Sid"] = "LivepipeFrom" + camel(topic)
		all = append(all, allow)
	}
	return append(all, statement{
		"Sid": "LivepipeTLSOnly", "Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": arn,
		"Condition": map[string]any{"Bool": map[string]any{"aws:SecureTransport": "false"}},
	}), nil
}

// camel turns a-b-c into ABC: a Sid takes letters and digits only.
func camel(name string) string {
	var b strings.Builder
	for part := range strings.FieldsFuncSeq(name, func(r rune) bool { return r == '-' || r == '_' }) {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

// policy is a queue's policy as AWS keeps it.
type policy struct {
	Version   string         `json:"Version"`
	ID        string         `json:"Id,omitzero"`
	Statement jsontext.Value `json:"Statement"`
}

// standing is a statement as AWS keeps it, word for word.
type standing struct {
	sid  string
	text jsontext.Value
}

// policyDrift is how the policy of a queue differs from the statements that it should have.
type policyDrift struct {
	doc     policy
	stands  []standing
	missing []statement  // no statement has the Sid
	differ  []statement  // one has, and says something else
	details []difference // of those
	foreign []string     // the Sids that are not ours
}

// comparePolicy reads the policy as it is, which may be empty.
func comparePolicy(has string, wants []statement) (policyDrift, error) {
	d := policyDrift{doc: policy{Version: "2012-10-17"}}
	if has != "" {
		if err := json.Unmarshal([]byte(has), &d.doc); err != nil {
			return d, fmt.Errorf("read queue policy: %w", err)
		}
	}
	var err error
	if d.stands, err = d.doc.statements(); err != nil {
		return d, fmt.Errorf("read queue policy: %w", err)
	}
	for _, want := range wants {
		i := find(d.stands, want.sid())
		if i < 0 {
			d.missing = append(d.missing, want)
			continue
		}
		if h, w := string(d.stands[i].text), object(want); !same(h, w) {
			d.differ = append(d.differ, want)
			d.details = append(d.details, difference{"policy statement " + want.sid(), h, w})
		}
	}
	for _, s := range d.stands {
		if !slices.ContainsFunc(wants, func(w statement) bool { return w.sid() == s.sid }) {
			d.foreign = append(d.foreign, s.sid)
		}
	}
	return d, nil
}

// with is the policy with statements added, or put in the place of those with the same Sid. All others stay.
func (d policyDrift) with(changes []statement) string {
	merged := slices.Clone(d.stands)
	for _, s := range changes {
		changed := standing{s.sid(), jsontext.Value(object(s))}
		if i := find(merged, s.sid()); i >= 0 {
			merged[i] = changed
		} else {
			merged = append(merged, changed)
		}
	}
	texts := make([]jsontext.Value, len(merged))
	for i, s := range merged {
		texts[i] = s.text
	}
	doc := d.doc
	doc.Statement = jsontext.Value(object(texts))
	return object(doc)
}

func find(stands []standing, sid string) int {
	return slices.IndexFunc(stands, func(s standing) bool { return s.sid == sid })
}

// statements reads a list, or the single statement that AWS takes too.
func (p policy) statements() ([]standing, error) {
	var texts []jsontext.Value
	switch p.Statement.Kind() {
	case '[':
		if err := json.Unmarshal(p.Statement, &texts); err != nil {
			return nil, err
		}
	case '{':
		texts = []jsontext.Value{p.Statement}
	}
	all := make([]standing, len(texts))
	for i, text := range texts {
		var named struct{ Sid string }
		if err := json.Unmarshal(text, &named); err != nil {
			return nil, err
		}
		all[i] = standing{named.Sid, text}
	}
	return all, nil
}
