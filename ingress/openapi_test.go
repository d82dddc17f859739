package ingress

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

// openAPI is as much of docs/openapi.yaml as says which codes there are.
type openAPI struct {
	Paths      map[string]map[string]any // of each path by method, beside its parameters
	Components struct {
		Responses map[string]response
		Schemas   map[string]struct{ Enum []string }
	}
}

type response struct {
	Headers map[string]any
	Content map[string]struct {
		Schema struct {
			AllOf []struct {
				Properties struct{ Code struct{ Enum []string } }
			} `yaml:"allOf"`
		}
	}
}

// codes lists the codes of a response with its status.
func (doc openAPI) codes(status, ref string) []string {
	r := doc.Components.Responses[strings.TrimPrefix(ref, "#/components/responses/")]
	_, retry := r.Headers["Retry-After"]
	var codes []string
	for _, part := range r.Content["application/problem+json"].Schema.AllOf {
		for _, code := range part.Properties.Code.Enum {
			codes = append(codes, fmt.Sprintf("%s %s, Retry-After %t", status, code, retry))
		}
	}
	return codes
}

// TestEveryCodeIsDocumented holds that docs/openapi.yaml has every code of the table under its status, with Retry-After
// where the table says so, and none that the table lacks.
func TestEveryCodeIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc openAPI
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	var inTable []string
	for code, means := range table {
		inTable = append(inTable, fmt.Sprintf("%d %s, Retry-After %t", means.status, code, means.retry > 0))
	}
	inDocument := doc.codes("404", "#/components/responses/NotFound") // what every other path answers
	for _, path := range doc.Paths {
		for _, operation := range path {
			operation, _ := operation.(map[string]any)
			responses, _ := operation["responses"].(map[string]any)
			for status, r := range responses {
				ref, _ := r.(map[string]any)["$ref"].(string)
				inDocument = append(inDocument, doc.codes(status, ref)...)
			}
		}
	}
	slices.Sort(inTable)
	slices.Sort(inDocument)
	if diff := cmp.Diff(inTable, slices.Compact(inDocument)); diff != "" {
		t.Errorf("codes and their statuses (-table +document):\n%s", diff)
	}
	all := slices.Sorted(slices.Values(doc.Components.Schemas["Code"].Enum))
	if diff := cmp.Diff(slices.Sorted(maps.Keys(table)), all); diff != "" {
		t.Errorf("schema Code (-table +document):\n%s", diff)
	}
}
