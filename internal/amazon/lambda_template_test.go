package amazon

import (
	"bytes"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

// For each worker the template's role may do what IAMPolicies says for its router, on the same resources, and nothing
// else but to log. Two statements it leaves out: a function checks no health, and deletes nothing for retention. Two it
// words shorter: where IAMPolicies lists every queue and topic of the table, it has a pattern.
func TestLambdaTemplateAllowsWhatAWorkerNeeds(t *testing.T) {
	text, err := os.ReadFile("../../deploy/cloudformation/lambda.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, fifo := range []bool{false, true} {
		b := offline(t,
			Queue{Name: "history", Topics: []string{"livechat-message"}},
			Queue{Name: "delivery", Topics: []string{"livechat-receipt"}},
			Queue{Name: "routing", Topics: []string{"livechat-message"}},
			Queue{Name: "dispatch", Topics: []string{"livechat-dispatch-requested-v1"}},
			Queue{Name: "media", Topics: []string{"livechat-upload"}},
		)
		b.cfg.FIFO, b.names.fifo = fifo, fifo
		policies, err := b.iamPolicies(t.Context(), Access{
			Bucket: "files", Publishes: map[string][]string{"routing": {"livechat-dispatch-requested-v1"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range b.cfg.Queues {
			t.Run(b.names.queue(q.Name), func(t *testing.T) {
				var needed iamDocument
				if err := json.Unmarshal([]byte(policies["router-"+q.Name]), &needed); err != nil {
					t.Fatal(err)
				}
				needed.Statement = slices.DeleteFunc(needed.Statement, func(s iamStatement) bool {
					return s.Sid == "Health" || s.Sid == "DeleteFiles"
				})
				allowed := templateStatements(t, text, b, q.Name)
				patterns(allowed, needed.Statement)
				if diff := cmp.Diff(needed.Statement, allowed); diff != "" {
					t.Errorf("needed (-) and allowed (+):\n%s", diff)
				}
			})
		}
	}
}

// patterns replaces the template's patterns by what they match of what is needed.
func patterns(allowed, needed []iamStatement) {
	for i := range allowed {
		for _, n := range needed {
			if n.Sid != allowed[i].Sid || n.Sid != "FindQueues" && n.Sid != "CheckTopics" {
				continue
			}
			pattern := allowed[i].Resource[0]
			allowed[i].Resource = slices.DeleteFunc(slices.Clone(n.Resource), func(arn string) bool {
				match, err := path.Match(pattern, arn)
				return err != nil || !match
			})
		}
	}
}

// templateStatements are the statements of the template's role, without the one for the log, as CloudFormation reads them
// for one worker.
func templateStatements(t *testing.T, text []byte, b *Bus, worker string) []iamStatement {
	t.Helper()
	var conditions map[string][]any
	var written []any
	read := func(where string, into any) {
		p, err := yaml.PathString(where)
		if err == nil {
			err = p.Read(bytes.NewReader(text), into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	read("$.Conditions", &conditions)
	read("$.Resources.Role.Properties.Policies[0].PolicyDocument.Statement", &written)
	suffix := ""
	if b.cfg.FIFO {
		suffix = ".fifo"
	}
	values := strings.NewReplacer("${AWS::Partition}", "aws", "${AWS::Region}", b.cfg.AWS.Region, "${AWS::AccountId}", b.account,
		"${Prefix}", b.names.prefix, "${Worker}", worker, "${BlobsBucket}", "files", "${Suffix}", suffix)
	var statements []iamStatement
	for _, s := range written {
		if choice, ok := s.([]any); ok { // !If [condition, statement, nothing], and !Equals [!Ref Worker, name]
			if conditions[choice[0].(string)][1] != worker {
				continue
			}
			s = choice[1]
		}
		fields := s.(map[string]any)
		resource := fields["Resource"]
		if sub, ok := resource.([]any); ok && len(sub) == 2 {
			if _, ok := sub[1].(map[string]any); ok { // !Sub [text, values]
				resource = sub[0]
			}
		}
		statement := iamStatement{Sid: fields["Sid"].(string), Effect: fields["Effect"].(string), Action: texts(fields["Action"])}
		for _, r := range texts(resource) {
			statement.Resource = append(statement.Resource, values.Replace(r))
		}
		if len(fields) != 4 {
			t.Errorf("%s says more than was compared: %v", statement.Sid, fields)
		}
		if statement.Sid != "Log" {
			statements = append(statements, statement)
		}
	}
	return statements
}

// texts is one text or a list of them.
func texts(v any) []string {
	if one, ok := v.(string); ok {
		return []string{one}
	}
	var all []string
	for _, one := range v.([]any) {
		all = append(all, one.(string))
	}
	return all
}
