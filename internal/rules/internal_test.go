package rules

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/messages"
)

// A note among agents goes only where somebody asked for such notes, whatever the rules say.
func TestInternalNotesGoOnlyWhereTheyAreAskedFor(t *testing.T) {
	const places = `destinations:
  crm: {type: webhook, url: "https://crm.example.com", secret_env: CRM_SECRET}
  desk: {type: webhook, url: "https://desk.example.com", secret_env: CRM_SECRET, internal: true}
  audit: {type: log, internal: true}
  plain: {type: log}
`
	asNote := func(m *messages.Message) { m.Internal = true }
	edit := func(internal, silent bool) Facts {
		text := "after"
		return OfEdit(messages.MessageUpdated{
			Origin: somewhere(), Message: messages.Message{ID: "m", Text: &text, Internal: internal}, KeepsVisibility: silent,
		})
	}
	tests := map[string]struct {
		rules      string
		note, open []string // where a note goes, and a message that is none
	}{
		"without rules":        {"", []string{}, []string{"log by "}},
		"no rule matches":      {`rules: [{name: a, when: "false", to: [desk]}]`, []string{}, []string{"log by "}},
		"those who ask get it": {`rules: [{name: a, when: "true", to: [crm, desk, audit, plain, log]}]`, []string{"desk by a", "audit by a"}, []string{"crm by a", "desk by a", "audit by a", "plain by a", "log by a"}},
		"nobody asks":          {`rules: [{name: a, when: "true", to: [crm]}]`, []string{}, []string{"crm by a"}},
		"a rule for them does not ask for its destination": {`rules: [{name: a, when: "internal", to: [crm]}, {name: b, when: "true", to: [desk]}]`, []string{}, []string{"desk by b"}},
		"who asks later gets it":                           {`rules: [{name: a, when: "true", to: [crm], continue: true}, {name: b, when: "true", to: [desk]}]`, []string{"desk by b"}, []string{"crm by a", "desk by b"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			set, err := load(t, places+tt.rules)
			if err != nil {
				t.Fatal(err)
			}
			for what, check := range map[string]struct {
				facts Facts
				want  []string
			}{
				"a note": {wrote("x", asNote), tt.note}, "its edit": {edit(true, false), tt.note},
				"the edit of who knows what": {edit(false, true), tt.note},
				"its removal":                {OfDeletion(messages.MessageDeleted{Origin: somewhere(), MessageID: "m"}, true), tt.note},
				"what is done to it":         {OfConversation(messages.ConversationUpdated{Change: messages.MessagePropertiesUpdated, MessageID: "m"}, true), tt.note},
				"what may hold one":          {OfUnknown(messages.UnknownReceived{Internal: true}), tt.note},
				"the removal of other":       {OfDeletion(messages.MessageDeleted{Origin: somewhere(), MessageID: "m"}, false), tt.open},
				"a message":                  {wrote("x"), tt.open}, "the edit of one": {edit(false, false), tt.open},
			} {
				got, err := set.Route(check.facts)
				if diff := cmp.Diff(check.want, names(got)); err != nil || diff != "" {
					t.Errorf("%s: %v (-want +got):\n%s", what, err, diff)
				}
			}
		})
	}
	if got, err := Default().Route(wrote("x", asNote)); err != nil || len(got) > 0 {
		t.Errorf("without a file a note goes to %v, %v", got, err)
	}
}

func TestAsks(t *testing.T) {
	tests := map[string]struct {
		when string
		want bool
	}{
		"by its word":           {`type == "livechat.unknown.v1"`, true},
		"the other way round":   {`"livechat.unknown.v1" == type and org == "o"`, true},
		"as one of several":     {`type in ["livechat.account.updated.v1", "livechat.unknown.v1"]`, true},
		"as the only one":       {`type in ["livechat.unknown.v1"]`, true},
		"deep inside":           {`org == "o" and (livechat == "x" or not (type != "livechat.unknown.v1"))`, true},
		"everything":            {`true`, false},
		"another type":          {`type == "livechat.account.updated.v1"`, false},
		"a part of the word":    {`type startsWith "livechat.unknown"`, false},
		"a longer word":         {`type == "livechat.unknown.v1beta"`, false},
		"the word in a message": {`message.text == "unknown"`, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			set, err := load(t, "rules:\n  - {name: other, when: 'false', to: [log]}\n  - name: one\n    when: '"+tt.when+"'\n    to: [log]\n")
			if err != nil {
				t.Fatal(err)
			}
			if got := set.Asks(messages.TypeUnknownReceived); got != tt.want {
				t.Errorf("%s: asks is %t", tt.when, got)
			}
		})
	}
	if Default().Asks(messages.TypeUnknownReceived) {
		t.Error("without a file nobody asks")
	}
}
