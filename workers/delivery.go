package workers

import (
	"context"
	"errors"
	"fmt"

	"github.com/livepipe/livepipe/messages"
)

// DeliveryStore keeps receipts.
type DeliveryStore interface {
	// SaveReceipt raises the state of a message to the event's, if that ranks higher, whether the message is known yet or
	// not. It returns the state that now holds and whether the event changed it.
	SaveReceipt(ctx context.Context, eventID string, e messages.DeliveryUpdated) (messages.Status, bool, error)
}

// Delivery keeps how far each message has got.
type Delivery struct{ Store DeliveryStore }

// Handle stores a receipt. Late and repeated ones change nothing.
func (d *Delivery) Handle(ctx context.Context, env messages.Envelope, e messages.DeliveryUpdated) error {
	if _, known := e.Status.Rank(); !known {
		return messages.Permanent(messages.ReasonRefused, errors.New("receipt with an unknown status"))
	}
	if e.ChatID == "" || e.MessageID == "" {
		return messages.Permanent(messages.ReasonUndecodable, errors.New("receipt without chat or message"))
	}
	if _, _, err := d.Store.SaveReceipt(ctx, env.ID, e); err != nil {
		return fmt.Errorf("save receipt: %w", err)
	}
	return nil
}
