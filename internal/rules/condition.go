package rules

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"

	"github.com/livepipe/livepipe/messages"
)

// Facts are what a condition can ask about. The tags are the names in the file.
type Facts struct {
	Type     string       `expr:"type"` // of the event, such as livechat.message.received.v1
	Channel  string       `expr:"channel"`
	Org      string       `expr:"org"`
	LiveChat string       `expr:"livechat"`
	User     string       `expr:"user"`
	ChatID   string       `expr:"chat_id"`
	Message  MessageFacts `expr:"message"`
	Author   AuthorFacts  `expr:"author"`
	File     FileFacts    `expr:"file"`
}

// MessageFacts describe the message. Text is empty where there is none; CreatedAt is in the sender's own offset.
type MessageFacts struct {
	ID        string    `expr:"id"`
	Type      string    `expr:"type"`
	Text      string    `expr:"text"`
	CreatedAt time.Time `expr:"created_at"`
}

// AuthorFacts describe who wrote.
type AuthorFacts struct {
	ID   string `expr:"id"`
	Type string `expr:"type"`
}

// FileFacts describe an upload; everything is empty where there is none. Size is in bytes.
type FileFacts struct {
	ID          string `expr:"id"`
	Name        string `expr:"name"`
	ContentType string `expr:"content_type"`
	Size        int    `expr:"size"`
	Extension   string `expr:"extension"`
}

// FactsOf gathers the facts of a message that came as an event of type t.
func FactsOf(t messages.Type, o messages.Origin, m messages.Message) Facts {
	f := Facts{
		Type: string(t), Channel: o.Channel, Org: o.Org, LiveChat: o.LiveChat, User: o.User, ChatID: o.ChatID,
		Message: MessageFacts{ID: m.ID, Type: m.Type},
		Author:  AuthorFacts{ID: m.Author.ID, Type: m.Author.Type},
	}
	if m.Text != nil {
		f.Message.Text = *m.Text
	}
	if at, err := messages.ParseTime(m.CreatedAt); err == nil { // history has refused it otherwise
		f.Message.CreatedAt = at
	}
	if m.File != nil {
		f.File = FileFacts{
			ID: m.File.ID, Name: m.File.Name, ContentType: m.File.ContentType,
			Size: int(m.File.Size), Extension: m.File.Extension,
		}
	}
	return f
}

const (
	maxSource = 4096 // characters of a condition: more than anybody reads
	maxNodes  = 500  // of its syntax tree
	// memoryBudget counts values that a run makes. Nothing left in the language makes more than a few at once; it is a
	// fuse against a builtin that a later version of expr adds.
	memoryBudget = 10_000
)

// condition is a compiled expression.
type condition struct{ program *vm.Program }

// compile checks an expression against Facts.
func compile(source string) (condition, error) {
	if len(source) > maxSource {
		return condition{}, fmt.Errorf("when is longer than %d characters: split the rule", maxSource)
	}
	guard := &guard{}
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
	return condition{program: program}, nil
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

// guard refuses what could cost more than the length of expression times text.
type guard struct{ problem error }

// Visit implements ast.Visitor.
func (g *guard) Visit(node *ast.Node) {
	switch n := (*node).(type) {
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
