package rules

import (
	"errors"
	"fmt"
	"slices"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
)

const (
	maxSource = 4096 // characters of a condition: more than anybody reads
	maxNodes  = 500  // of its syntax tree
	// memoryBudget counts values that a run makes. Nothing left in the language makes more than a few at once; it is a
	// fuse against a builtin that a later version of expr adds.
	memoryBudget = 10_000
)

// condition is a compiled expression and the constant strings in it.
type condition struct {
	program *vm.Program
	words   map[string]bool
}

// compile checks an expression against Facts.
func compile(source string) (condition, error) {
	if len(source) > maxSource {
		return condition{}, fmt.Errorf("when is longer than %d characters: split the rule", maxSource)
	}
	guard := &guard{words: map[string]bool{}}
	options := []expr.Option{expr.Env(Facts{}), expr.AsBool(), expr.MaxNodes(maxNodes), expr.Patch(guard), expr.DisableAllBuiltins()}
	for _, name := range allowed() {
		options = append(options, expr.EnableBuiltin(name))
	}
	program, err := expr.Compile(source, options...)
	if guard.problem != nil {
		return condition{}, guard.problem
	}
	var at *file.Error
	if errors.As(err, &at) {
		return condition{}, fmt.Errorf("when, column %d: %s", at.Column+1, at.Message)
	}
	if err != nil {
		return condition{}, fmt.Errorf("when: %w", err)
	}
	return condition{program: program, words: guard.words}, nil
}

func (c condition) holds(f Facts) (bool, error) {
	machine := vm.VM{MemoryBudget: memoryBudget}
	result, err := machine.Run(c.program, f)
	if err != nil {
		return false, fmt.Errorf("run condition: %w", err)
	}
	yes, ok := result.(bool)
	if !ok {
		return false, errors.New("run condition: not a bool")
	}
	return yes, nil
}

// allowed lists the functions of the language: those that take time in proportion to the text, and no loop. The clock is
// not among them, so that an event that comes again goes to the same places.
func allowed() []string {
	return []string{
		"len", "lower", "upper", "trim", "trimPrefix", "trimSuffix", "indexOf", "lastIndexOf", "hasPrefix", "hasSuffix",
		"int", "float", "string", "abs", "min", "max", "date", "duration",
	}
}

// guard refuses what could cost more than the length of expression times text, and notes the constant strings.
type guard struct {
	problem error
	words   map[string]bool
}

// Visit implements ast.Visitor.
func (g *guard) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.StringNode:
		g.words[n.Value] = true
	case *ast.BinaryNode:
		_, constant := n.Right.(*ast.StringNode)
		if n.Operator == "matches" && !constant { // a pattern that a sender chose could be any size
			g.problem = errors.New("when: the pattern after matches has to be a constant string")
		}
		if n.Operator == ".." {
			g.problem = errors.New("when: ranges are not possible: compare with < and >")
		}
	case *ast.BuiltinNode: // the parser knows all(), filter() and their like even where they are switched off
		if !slices.Contains(allowed(), n.Name) {
			g.problem = fmt.Errorf("when: the function %s is not possible", n.Name)
		}
	case *ast.VariableDeclaratorNode: // let a = t + t; let b = a + a; ... doubles with each line
		g.problem = errors.New("when: let is not possible: write the condition in one piece")
	}
}
