package router

import (
	"context"

	"github.com/livepipe/livepipe/messages"
)

// Route is what a worker does with one event type.
type Route struct {
	Type   messages.Type
	handle func(ctx context.Context, env messages.Envelope) error
}

// On makes the route of one typed event. The handler speaks its outcome through the error it returns, as package
// messages says; an event that does not decode never reaches it.
func On[T messages.Event](handle func(ctx context.Context, env messages.Envelope, e T) error) Route {
	var zero T
	return Route{Type: zero.Type(), handle: func(ctx context.Context, env messages.Envelope) error {
		e, err := messages.Open[T](env)
		if err != nil {
			return err
		}
		return handle(ctx, env, e)
	}}
}
