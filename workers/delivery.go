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
	// SaveSeen notes up to when a person has seen a chat, whether its messages are known yet or not. It never moves back.
	SaveSeen(ctx context.Context, eventID string, e messages.MessagesSeen) (changed bool, err error)
}

// Delivery keeps how far each message has got.
type Delivery struct{ Store DeliveryStore }

// Handle stores a receipt. Late and repeated ones change nothing.
func (d *Delivery) Handle(ctx context.Context, env messages.Envelope, e messages.DeliveryUpdated) error {
	if _, known := e.Status.Rank(); !known {
		return messages.Permanent(messages.ReasonRefused, errors.New("receipt with an unknown status"))
	}
	if err := named("receipt", e.ChatID, e.MessageID); err != nil {
		return err
	}
	if _, _, err := d.Store.SaveReceipt(ctx, env.ID, e); err != nil {
		return fmt.Errorf("save receipt: %w", err)
	}
	return nil
}

// HandleSeen stores how far a person has read. What comes late changes nothing.
func (d *Delivery) HandleSeen(ctx context.Context, env messages.Envelope, e messages.MessagesSeen) error {
	if err := errors.Join(named("seen", e.ChatID, e.By), timely("up_to", e.UpTo)); err != nil {
		return err
	}
	if _, err := d.Store.SaveSeen(ctx, env.ID, e); err != nil {
		return fmt.Errorf("save seen: %w", err)
	}
	return nil
}
