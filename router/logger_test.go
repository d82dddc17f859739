package router

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/ThreeDotsLabs/watermill"
)

func TestLoggerKeepsIDsAndDropsTexts(t *testing.T) {
	var b bytes.Buffer
	fields := watermill.LogFields{"message_uuid": "evt_1", "handler_name": "history", "not_sent_message": secretText, "payload": secretText}
	log := newLogger(slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug}))).With(fields)
	log.Error("Cannot publish messages", errors.New(secretText), fields)
	log.Error("Panic recovered in handler. Stack: panic("+secretText+")", errors.New(secretText), nil)
	log.Error("Handler returned error", errors.New(secretText), fields)
	log.Error("All handlers stopped, closing router", errors.New("all router handlers stopped"), nil)
	log.Info("Adding handler", watermill.LogFields{"topic": "history", "err": secretText})
	log.Debug("Closing", fields)
	log.Trace("Received message", fields)

	shown := b.String()
	if strings.Contains(shown, "4111") || strings.Contains(shown, "Handler returned") || strings.Contains(shown, "Received") {
		t.Errorf("the log shows too much:\n%s", shown)
	}
	if n := strings.Count(shown, "event_id=evt_1"); n < 4 {
		t.Errorf("%d ids in four lines:\n%s", n, shown)
	}
	for _, want := range []string{
		`level=WARN msg="watermill failed"`, `says="Cannot publish messages"`, "worker=history", "error_type=*errors.errorString",
		`level=DEBUG msg=watermill event_id=evt_1 worker=history says="All handlers stopped, closing router"`,
		`says="Panic recovered in handler."`, `level=DEBUG msg=watermill event_id=evt_1 worker=history topic=history says="Adding handler"`,
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("no %s in\n%s", want, shown)
		}
	}
}
