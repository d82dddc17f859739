// Package rules decides which destinations an event goes to. The rules are in a YAML file that people write, with
// conditions in the language of expr-lang/expr over the facts of an event. Everything in the file is checked when it is
// loaded; what can still fail afterwards is a condition over an event that its author did not think of.
package rules

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/livepipe/livepipe/messages"
)

// Set is a loaded rules file. It never changes.
type Set struct {
	rules        []rule
	destinations map[string]Destination
}

// rule sends what meets its condition to its destinations.
type rule struct {
	name   string
	when   condition
	to     []string
	goesOn bool // later rules are asked too
}

// Target is one place that an event goes to, and the rule that says so (empty: no rule did).
type Target struct {
	Destination string
	Rule        string
}

// Default is the set without a file: everything goes to the log.
func Default() *Set { return &Set{destinations: builtin()} }

// Asks reports whether a rule asks for events of a type: whether its condition has the type's whole word. Events
// that nobody needs unless a rule asks for them are published only then.
func (s *Set) Asks(t messages.Type) bool {
	return slices.ContainsFunc(s.rules, func(r rule) bool { return r.when.words[string(t)] })
}

// Route lists where an event goes, each destination once. The first rule that matches ends the list unless it says
// "continue". What no rule matches goes to the log, so that a gap in the rules is seen. What is internal goes only to
// destinations that ask for that; the others are left out whatever the rules say. The error is permanent and names the
// rule; it never quotes the message.
func (s *Set) Route(f Facts) ([]Target, error) {
	var targets []Target
	matched := false
	for _, r := range s.rules {
		yes, err := r.when.holds(f)
		if err != nil {
			return nil, messages.Permanent(messages.ReasonRefused, &failure{rule: r.name})
		}
		if !yes {
			continue
		}
		matched = true
		for _, to := range r.to {
			taken := slices.ContainsFunc(targets, func(t Target) bool { return t.Destination == to })
			if to != Drop && !taken && s.takes(to, f) {
				targets = append(targets, Target{Destination: to, Rule: r.name})
			}
		}
		if !r.goesOn {
			break
		}
	}
	if !matched && s.takes(Log, f) {
		targets = []Target{{Destination: Log}}
	}
	return targets, nil
}

// takes reports whether an event may go to a destination at all.
func (s *Set) takes(name string, f Facts) bool {
	return !f.Internal || s.destinations[name].Internal
}

// Destination finds a destination by its name.
func (s *Set) Destination(name string) (Destination, bool) {
	d, ok := s.destinations[name]
	return d, ok
}

// Destinations lists every destination by name, the built-in ones too.
func (s *Set) Destinations() []Destination {
	var all []Destination
	for _, name := range slices.Sorted(maps.Keys(s.destinations)) {
		all = append(all, s.destinations[name])
	}
	return all
}

// failure says which rule's condition failed. The cause stays out, because expr quotes values in it.
type failure struct{ rule string }

// Error implements error.
func (f *failure) Error() string {
	return fmt.Sprintf("rule %q: its condition failed on this event", f.rule)
}

// LogValue implements slog.LogValuer: the text quotes nothing that a sender wrote.
func (f *failure) LogValue() slog.Value { return slog.StringValue(f.Error()) }
