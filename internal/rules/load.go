package rules

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Load reads and checks a rules file. An empty path is Default. The error holds every problem, one line each, as
// "file:line: what: what to do". Secrets come from env or from files and are in no error.
func Load(path string, env func(string) string) (*Set, error) {
	if path == "" {
		return Default(), nil
	}
	source, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read rules: %w", err)
	}
	l := &loader{
		dir: filepath.Dir(path), env: env,
		set: Default(), ruleLines: map[string]int{},
	}
	l.file(source)
	if len(l.problems) == 0 {
		return l.set, nil
	}
	slices.SortStableFunc(l.problems, func(a, b problem) int { return cmp.Compare(a.line, b.line) })
	var errs []error
	for _, p := range l.problems {
		errs = append(errs, fmt.Errorf("%s:%d: %s", path, p.line, p.text))
	}
	return nil, errors.Join(errs...)
}

// problem is one thing wrong with the file.
type problem struct {
	line int
	text string
}

type loader struct {
	dir       string
	env       func(string) string
	set       *Set
	ruleLines map[string]int // where a rule's name was first used
	problems  []problem
}

func (l *loader) report(line int, format string, args ...any) {
	l.problems = append(l.problems, problem{line: line, text: fmt.Sprintf(format, args...)})
}

// file reads the top level: destinations first, because rules name them.
func (l *loader) file(source []byte) {
	parsed, err := parser.ParseBytes(source, 0)
	if err != nil {
		l.yamlError("", 1, err)
		return
	}
	if len(parsed.Docs) > 1 {
		l.report(lineOf(parsed.Docs[1]), "a second YAML document: put everything into the first")
		return
	}
	if len(parsed.Docs) == 0 || parsed.Docs[0].Body == nil {
		return
	}
	top, ok := parsed.Docs[0].Body.(ast.MapNode)
	if !ok {
		l.report(1, "the file has to hold destinations: and rules:")
		return
	}
	var rules ast.Node
	for pairs := top.MapRange(); pairs.Next(); {
		switch key := keyOf(pairs); key {
		case "destinations":
			l.destinations(pairs.Value())
		case "rules":
			rules = pairs.Value()
		default:
			l.report(lineOf(pairs.Key()), "unknown key %q: known are destinations and rules", key)
		}
	}
	if rules != nil {
		l.rules(rules)
	}
}

func (l *loader) destinations(node ast.Node) {
	if _, empty := node.(*ast.NullNode); empty {
		return
	}
	entries, ok := node.(ast.MapNode)
	if !ok {
		l.report(lineOf(node), "destinations has to map names to settings")
		return
	}
	for pairs := entries.MapRange(); pairs.Next(); {
		name, line := keyOf(pairs), lineOf(pairs.Key())
		what := fmt.Sprintf("destination %q", name)
		var spec destinationSpec
		if err := yaml.NodeToValue(pairs.Value(), &spec, yaml.Strict()); err != nil {
			l.yamlError(what, line, err)
			l.set.destinations[name] = Destination{Name: name} // known, so that rules to it are no second problem
			continue
		}
		d, problems := spec.build(name, l.dir, l.env)
		for _, p := range problems {
			l.report(line, "%s: %s", what, p)
		}
		if _, taken := builtin()[name]; !taken {
			l.set.destinations[name] = d
		}
	}
}

// ruleSpec is a rule as it is written.
type ruleSpec struct {
	Name     string   `yaml:"name"`
	When     string   `yaml:"when"`
	To       []string `yaml:"to"`
	Continue bool     `yaml:"continue"`
}

func (l *loader) rules(node ast.Node) {
	if _, empty := node.(*ast.NullNode); empty {
		return
	}
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		l.report(lineOf(node), "rules has to be a list")
		return
	}
	for i, item := range list.Values {
		line := lineOf(item)
		var spec ruleSpec
		if err := yaml.NodeToValue(item, &spec, yaml.Strict()); err != nil {
			l.yamlError(fmt.Sprintf("rule %d", i+1), line, err)
			continue
		}
		if spec.Name == "" {
			l.report(line, "rule %d: name is missing: events and errors show it", i+1)
			spec.Name = fmt.Sprint(i + 1)
		}
		l.rule(line, spec)
	}
}

func (l *loader) rule(line int, spec ruleSpec) {
	say := func(format string, args ...any) {
		l.report(line, "rule %q: %s", spec.Name, fmt.Sprintf(format, args...))
	}
	if first, twice := l.ruleLines[spec.Name]; twice {
		say("the name is taken by the rule in line %d: choose another", first)
	} else {
		l.ruleLines[spec.Name] = line
	}
	var when condition
	if strings.TrimSpace(spec.When) == "" {
		say("when is missing: write a condition, or true")
	} else if compiled, err := compile(spec.When); err != nil {
		say("%s", err)
	} else {
		when = compiled
	}
	if len(spec.To) == 0 {
		say("to is missing: list destinations")
	}
	for _, to := range spec.To {
		if _, known := l.set.destinations[to]; !known {
			var names []string
			for _, d := range l.set.Destinations() {
				names = append(names, d.Name)
			}
			say("unknown destination %q: known are %s", to, strings.Join(names, ", "))
		}
	}
	if slices.Contains(spec.To, Drop) && (len(spec.To) > 1 || spec.Continue) {
		say("drop stands alone and ends the list: remove the other destinations and continue")
	}
	l.set.rules = append(l.set.rules, rule{name: spec.Name, when: when, to: spec.To, goesOn: spec.Continue})
}

// yamlError reports what the YAML library found, at its own line if it says one.
func (l *loader) yamlError(what string, line int, err error) {
	text := "cannot be read as settings"
	var at yaml.Error
	if errors.As(err, &at) {
		text = at.GetMessage()
		if t := at.GetToken(); t != nil {
			line = t.Position.Line
		}
	}
	if what != "" {
		text = what + ": " + text
	}
	l.report(line, "%s", text)
}

func lineOf(node ast.Node) int {
	if node == nil || node.GetToken() == nil {
		return 1
	}
	return node.GetToken().Position.Line
}

func keyOf(pairs *ast.MapNodeIter) string {
	if key, ok := pairs.Key().(*ast.StringNode); ok {
		return key.Value
	}
	return pairs.Key().String()
}
