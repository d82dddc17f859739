package messages_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/pb33f/jsonschema/v6"

	"github.com/livepipe/livepipe/messages"
	"github.com/livepipe/livepipe/router"
)

// asyncAPI is as much of docs/asyncapi.yaml as the tests look at.
type asyncAPI struct {
	Channels map[string]struct {
		Address  string
		Messages map[string]any
	}
	Operations map[string]struct {
		Action   string
		Channel  reference
		Messages []reference
	}
	Components struct {
		Messages map[string]struct {
			Name    string
			Payload struct {
				AllOf []struct{ Properties map[string]schema } `yaml:"allOf"`
			}
		}
		Schemas map[string]schema
	}
}

type reference struct {
	Ref string `yaml:"$ref"`
}

type schema struct {
	Ref        string `yaml:"$ref"`
	Type       string
	Const      any
	Required   []string
	Properties map[string]schema
	Items      *schema
}

// documented reads docs/asyncapi.yaml, once as it is and once as the tests see it.
func documented(t *testing.T) (whole any, a asyncAPI) {
	t.Helper()
	text, err := os.ReadFile("../docs/asyncapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &whole); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &a); err != nil {
		t.Fatal(err)
	}
	return whole, a
}

// events is one value of every event type.
func events() []messages.Event {
	return []messages.Event{
		messages.MessageReceived{},
		messages.MessageUpdated{},
		messages.MessageDeleted{},
		messages.MessagesSeen{},
		messages.ConversationUpdated{},
		messages.AccountUpdated{},
		messages.UnknownReceived{},
		messages.DeliveryUpdated{},
		messages.MediaUploaded{},
		messages.DispatchRequested{},
	}
}

// constants reads the event types out of the package's source, so that a new one cannot be forgotten.
func constants(t *testing.T) []messages.Type {
	t.Helper()
	text, err := os.ReadFile("types.go")
	if err != nil {
		t.Fatal(err)
	}
	var types []messages.Type
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " Type = "); ok && strings.HasPrefix(name, "Type") {
			types = append(types, messages.Type(strings.Trim(value, `"`)))
		}
	}
	if len(types) < 10 {
		t.Fatalf("only %d types found in types.go", len(types))
	}
	return types
}

// TestEveryEventIsDocumented holds that every type has a topic, a message and a schema, and the document no other.
func TestEveryEventIsDocumented(t *testing.T) {
	_, doc := documented(t)
	topics, inDocument := map[string]string{}, map[string]string{}
	for _, kind := range constants(t) {
		topics[kind.Topic()] = string(kind)
	}
	for name, channel := range doc.Channels {
		if strings.HasSuffix(name, "Queue") {
			continue
		}
		if len(channel.Messages) != 1 || channel.Messages[name] == nil {
			t.Errorf("channel %s carries %v, want its own message", name, slices.Collect(maps.Keys(channel.Messages)))
		}
		inDocument[channel.Address] = doc.Components.Messages[name].Name
		send := doc.Operations["send"+strings.ToUpper(name[:1])+name[1:]]
		if send.Action != "send" || send.Channel.Ref != "#/channels/"+name {
			t.Errorf("nobody is told to send to %s", name)
		}
	}
	if diff := cmp.Diff(topics, inDocument); diff != "" {
		t.Errorf("topics and their types (-code +document):\n%s", diff)
	}
	for _, e := range events() {
		want := reflect.TypeOf(e).Name()
		key := strings.ToLower(want[:1]) + want[1:]
		m := doc.Components.Messages[key]
		if m.Name != string(e.Type()) || len(m.Payload.AllOf) != 2 || m.Payload.AllOf[1].Properties["type"].Const != string(e.Type()) ||
			m.Payload.AllOf[1].Properties["data"].Ref != "#/components/schemas/"+want {
			t.Errorf("message %s is not %s with %s as its data", key, e.Type(), want)
		}
	}
	if len(events()) != len(topics) {
		t.Errorf("%d events are looked at and there are %d", len(events()), len(topics))
	}
}

// TestRouteTableIsDocumented holds that each worker's queue is a channel that takes what the route table says.
func TestRouteTableIsDocumented(t *testing.T) {
	_, doc := documented(t)
	code, inDocument := map[string][]string{}, map[string][]string{}
	for _, b := range router.Table() {
		for _, kind := range b.Types {
			code[b.Worker] = append(code[b.Worker], string(kind))
		}
		slices.Sort(code[b.Worker])
	}
	for name, op := range doc.Operations {
		if op.Action != "receive" {
			continue
		}
		channel := doc.Channels[strings.TrimPrefix(op.Channel.Ref, "#/channels/")]
		if channel.Address != name || len(channel.Messages) != len(op.Messages) {
			t.Errorf("%s does not receive all of its queue %s", name, channel.Address)
		}
		for _, m := range op.Messages {
			inDocument[name] = append(inDocument[name], doc.Components.Messages[m.Ref[strings.LastIndex(m.Ref, "/")+1:]].Name)
		}
		slices.Sort(inDocument[name])
	}
	if diff := cmp.Diff(code, inDocument); diff != "" {
		t.Errorf("what workers receive (-code +document):\n%s", diff)
	}
}

// TestGoldenFilesFitTheirSchemas holds the schemas against what was released on the wire.
func TestGoldenFilesFitTheirSchemas(t *testing.T) {
	whole, doc := documented(t)
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft7) // AsyncAPI's own schemas are a superset of it
	compiler.AssertFormat()
	if err := compiler.AddResource("asyncapi.json", plain(t, whole)); err != nil {
		t.Fatal(err)
	}
	payloads := map[string]*jsonschema.Schema{}
	for name, m := range doc.Components.Messages {
		payload, err := compiler.Compile("asyncapi.json#/components/messages/" + name + "/payload")
		if err != nil {
			t.Fatal(err)
		}
		payloads[m.Name] = payload
	}
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	held := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		event, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		kind := fmt.Sprint(event.(map[string]any)["type"])
		held[kind] = true
		if payloads[kind] == nil {
			t.Errorf("%s: no message has the type %s", file, kind)
		} else if err := payloads[kind].Validate(event); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	for kind := range payloads {
		if !held[kind] {
			t.Errorf("no golden file has the type %s", kind)
		}
	}
}

// plain is v as JSON has it, without YAML's own types.
func plain(t *testing.T, v any) any {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestSchemasAreTheGoTypes holds that every JSON field of a type stands in its schema with its type, required when it is
// always written, and that no schema has a field, or is a type, that the code lacks.
func TestSchemasAreTheGoTypes(t *testing.T) {
	_, doc := documented(t)
	code := map[string]schema{}
	describe(reflect.TypeFor[messages.Envelope](), code)
	for _, e := range events() {
		describe(reflect.TypeOf(e), code)
	}
	for name, s := range doc.Components.Schemas {
		doc.Components.Schemas[name] = essence(s)
	}
	if diff := cmp.Diff(code, doc.Components.Schemas); diff != "" {
		t.Errorf("schemas (-code +document):\n%s", diff)
	}
}

// essence drops what the Go types do not say.
func essence(s schema) schema {
	s.Const = nil
	slices.Sort(s.Required)
	for name, p := range s.Properties {
		p.Const = nil
		s.Properties[name] = p
	}
	return s
}

// describe makes the schemas of a struct and of those in it.
func describe(t reflect.Type, into map[string]schema) {
	if _, done := into[t.Name()]; done {
		return
	}
	s := schema{Type: "object", Properties: map[string]schema{}}
	into[t.Name()] = s
	for _, field := range reflect.VisibleFields(t) {
		name, options, tagged := strings.Cut(field.Tag.Get("json"), ",")
		if field.Anonymous || name == "" {
			continue
		}
		s.Properties[name] = property(field.Type, into)
		if !tagged || !strings.Contains(options, "omitzero") {
			s.Required = append(s.Required, name)
		}
	}
	slices.Sort(s.Required)
	into[t.Name()] = s
}

func property(t reflect.Type, into map[string]schema) schema {
	switch {
	case t == reflect.TypeFor[jsontext.Value]():
		return schema{}
	case t.Name() == "Time":
		return schema{Type: "string"}
	case t.Kind() == reflect.Pointer:
		return property(t.Elem(), into)
	case t.Kind() == reflect.Struct:
		describe(t, into)
		return schema{Ref: "#/components/schemas/" + t.Name()}
	case t.Kind() == reflect.Slice:
		items := property(t.Elem(), into)
		return schema{Type: "array", Items: &items}
	case t.Kind() == reflect.Map:
		return schema{Type: "object"}
	case t.Kind() == reflect.Bool:
		return schema{Type: "boolean"}
	case t.Kind() == reflect.Int64:
		return schema{Type: "integer"}
	}
	return schema{Type: "string"}
}
