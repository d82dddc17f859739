package router

import (
	"fmt"
	"path"
	"runtime"
	"strings"

	"github.com/ThreeDotsLabs/watermill/message"
)

// panicError says that a handler panicked. It holds the type of the panic's value and its place, never the value, which
// may quote what somebody wrote.
type panicError struct{ kind, place string }

// Error implements error.
func (e *panicError) Error() string { return "handler panicked with " + e.kind + " at " + e.place }

// recover turns a panic of the handler into an error.
func (w *worker) recover(next message.HandlerFunc) message.HandlerFunc {
	return func(msg *message.Message) (out []*message.Message, err error) {
		defer func() {
			if v := recover(); v != nil {
				err = &panicError{kind: fmt.Sprintf("%T", v), place: panicPlace()}
			}
		}()
		return next(msg)
	}
}

// panicPlace finds the line that panicked: the first frame outside the runtime below the runtime's own panic frames.
// Called from a deferred function.
func panicPlace() string {
	var pcs [64]uintptr // a handler's own frames and the middlewares are about 20
	frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs[:])])
	inPanic := false
	for {
		f, more := frames.Next()
		inRuntime := strings.HasPrefix(f.Function, "runtime.")
		if inPanic && !inRuntime {
			dir, file := path.Split(f.File)
			return fmt.Sprintf("%s/%s:%d", path.Base(dir), file, f.Line)
		}
		if f.Function == "runtime.gopanic" {
			inPanic = true
		}
		if !more {
			return "an unknown place"
		}
	}
}
