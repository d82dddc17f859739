package amazon

import (
	"bytes"
	"os"
	"slices"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/goccy/go-yaml"
)

// The template's role may do what IAMPolicies says, and nothing that it does not say. Health is left out: a function
// does not check it. Aborting an upload is for whoever changes how files are put.
func TestLambdaTemplateAllowsWhatAWorkerNeeds(t *testing.T) {
	text, err := os.ReadFile("../../deploy/cloudformation/lambda.yaml")
	if err != nil {
		t.Fatal(err)
	}
	path, err := yaml.PathString("$.Resources.Role.Properties.Policies[0].PolicyDocument.Statement")
	if err != nil {
		t.Fatal(err)
	}
	var statements []any
	if err := path.Read(bytes.NewReader(text), &statements); err != nil {
		t.Fatal(err)
	}
	allowed := map[string][]string{} // by Sid
	for _, s := range statements {
		if conditional, ok := s.([]any); ok { // !If [condition, statement, nothing]
			s = conditional[1]
		}
		statement := s.(map[string]any)
		switch action := statement["Action"].(type) {
		case string:
			allowed[statement["Sid"].(string)] = []string{action}
		case []any:
			for _, a := range action {
				allowed[statement["Sid"].(string)] = append(allowed[statement["Sid"].(string)], a.(string))
			}
		}
	}
	delete(allowed, "Log")

	policies, err := offline(t,
		Queue{Name: "routing", Topics: []string{"message"}},
		Queue{Name: "dispatch", Topics: []string{"request"}},
		Queue{Name: "media", Topics: []string{"upload"}},
	).iamPolicies(t.Context(), Access{Bucket: "files", Publishes: map[string][]string{"routing": {"request"}}})
	if err != nil {
		t.Fatal(err)
	}
	needed := map[string][]string{}
	for _, role := range []string{"router-routing", "router-dispatch", "router-media"} {
		var document iamDocument
		if err := json.Unmarshal([]byte(policies[role]), &document); err != nil {
			t.Fatal(err)
		}
		for _, s := range document.Statement {
			needed[s.Sid] = slices.DeleteFunc(s.Action, func(a string) bool { return a == "s3:AbortMultipartUpload" })
		}
	}
	delete(needed, "Health")
	for sid := range needed {
		if !slices.Equal(allowed[sid], needed[sid]) {
			t.Errorf("%s: allowed %v, needed %v", sid, allowed[sid], needed[sid])
		}
		delete(allowed, sid)
	}
	if len(allowed) > 0 {
		t.Errorf("allowed though nobody needs it: %v", allowed)
	}
}
