package router

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/livepipe/livepipe/internal/bus"
	"github.com/livepipe/livepipe/internal/lanes"
	"github.com/livepipe/livepipe/messages"
)

// deadLetter turns the handler's error into what becomes of the message: nil acknowledges it, an error hands it back to
// the engine, which knows why. It is the one place where a handler's error is logged.
func (w *worker) deadLetter(next message.HandlerFunc) message.HandlerFunc {
	return func(msg *message.Message) ([]*message.Message, error) {
		_, err := next(msg)
		ctx := msg.Context()
		d := deliveryOf(ctx)
		attempt := lanes.Attempt(ctx)
		d.verdict = judge(ctx, err, attempt, w.maxAttempts)
		if d.verdict.outcome == deadLetter {
			if publishErr := w.setAside(msg, d, attempt, err); publishErr != nil {
				d.verdict, err = notSetAside(publishErr)
			}
		}
		w.tell(msg, d, attempt, err)
		switch d.verdict.outcome {
		case handled, deadLetter:
			return nil, nil
		case interrupted:
			err = messages.Postpone(0, err) // the stop is not the message's fault
		}
		lanes.Fail(ctx, err)
		return nil, err
	}
}

// notSetAside is not handled: the message goes back to the engine, usually as an outage, so that it is neither lost nor
// counted. What the broker will never take, because it grew too large, is the trouble of its lane and not of the worker.
func notSetAside(err error) (verdict, error) {
	var final *messages.PermanentError
	if errors.As(err, &final) {
		return verdict{outcome: failed}, err
	}
	return verdict{outcome: unavailable}, messages.Unavailable(err)
}

// setAside publishes the original message with the reason why. Foreign metadata stays behind: nothing is known about it.
func (w *worker) setAside(msg *message.Message, d *delivery, attempt int, cause error) error {
	dead := message.NewMessage(msg.UUID, msg.Payload)
	dead.SetContext(msg.Context())
	dead.Metadata = message.Metadata{
		bus.MetadataType: msg.Metadata.Get(bus.MetadataType),
		bus.MetadataLane: msg.Metadata.Get(bus.MetadataLane),
		bus.DeadReason:   d.verdict.reason,
		bus.DeadWorker:   w.name,
		bus.DeadEventID:  eventID(msg, d),
		bus.DeadAttempts: strconv.Itoa(attempt),
		bus.DeadFailedAt: w.now().UTC().Format(time.RFC3339),
		bus.DeadDetail:   describe(cause),
	}
	if err := w.deadLetters.Publish(w.name, dead); err != nil {
		return fmt.Errorf("publish dead letter: %w", err)
	}
	return nil
}

func eventID(msg *message.Message, d *delivery) string {
	if d.decodeErr != nil {
		return msg.UUID
	}
	return d.env.ID
}

// tell logs a failure with ids and words of closed sets only.
func (w *worker) tell(msg *message.Message, d *delivery, attempt int, err error) {
	level := slog.LevelWarn // it comes again
	switch d.verdict.outcome {
	case handled:
		return
	case deadLetter:
		level = slog.LevelError
	case postponed, interrupted: // ordinary while a destination is down or the process stops
		level = slog.LevelDebug
	}
	w.log.LogAttrs(msg.Context(), level, "event not handled",
		slog.String("event_id", eventID(msg, d)),
		slog.String("event_type", string(d.env.Type)),
		slog.String("worker", w.name),
		slog.Int("attempt", attempt),
		slog.String("outcome", string(d.verdict.outcome)),
		slog.String("reason", d.verdict.reason),
		slog.String("detail", describe(err)),
	)
}
