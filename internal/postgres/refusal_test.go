package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/livepipe/livepipe/messages"
)

func TestLockedChatIsAnOutageOrTheCallersTimeout(t *testing.T) {
	dsn := migrated(t)
	s := openAt(t, with(t, dsn, "statement_timeout", "1s"))
	patient := openAt(t, dsn)
	save(t, s, "msg1")
	holder, err := s.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Rollback(context.Background())
	if _, err := holder.Exec(t.Context(), `SELECT FROM chats FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	_, err = s.SaveMessage(t.Context(), "evt_msg2", received("msg2"))
	outage(t, "statement timeout", err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := patient.SaveMessage(ctx, "evt_msg2", received("msg2")); !errors.Is(err, context.DeadlineExceeded) || messages.IsUnavailable(err) {
		t.Errorf("%v, want the context's error and no outage", err)
	}
	other := received("msg1")
	other.ChatID = "chat2"
	if saved, err := s.SaveMessage(t.Context(), "evt_other", other); !saved || err != nil {
		t.Errorf("another chat had to wait: %v, %v", saved, err)
	}
	if err := holder.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	save(t, s, "msg2")
	if n := count(t, s); n != 2 {
		t.Errorf("%d messages, want 2", n)
	}
}

// A message that waits for its chat has no number yet: were it given before, who waits longer would come into history
// behind what others have read already.
func TestArrivalIsGivenUnderTheChatsLock(t *testing.T) {
	s := openAt(t, migrated(t))
	save(t, s, "msg1")
	holder, err := s.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := holder.Exec(t.Context(), `SELECT FROM chats FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	const given = `SELECT last_value::text FROM messages_arrival_seq`
	before := ask(t, s, given)
	saved := make(chan error, 1)
	go func() {
		_, err := s.SaveMessage(t.Context(), "evt_msg2", received("msg2"))
		saved <- err
	}()
	waitFor(t, s, `SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`, "1")
	if now := ask(t, s, given); now != before {
		t.Errorf("arrival %s was given while the chat was locked", now)
	}
	if err := holder.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-saved; err != nil {
		t.Error(err)
	}
}

// What the server undoes by itself, a deadlock or a conflict, is made again in place.
func TestUndoneTransactionsAreMadeAgain(t *testing.T) {
	for _, code := range []string{deadlock, serializationFailure} {
		dsn := migrated(t)
		execute(
			t, dsn, `CREATE SEQUENCE tries MINVALUE -1000 START 1`,
			`CREATE FUNCTION undo() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
				IF nextval('tries') <= 3 THEN RAISE EXCEPTION USING ERRCODE = '`+code+`'; END IF; RETURN new; END $$`,
			`CREATE TRIGGER undo BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION undo()`,
		)
		s := openAt(t, dsn)
		save(t, s, "msg1")
		if n := count(t, s); n != 1 {
			t.Errorf("%s: %d messages, want 1", code, n)
		}
		execute(t, dsn, `ALTER SEQUENCE tries RESTART WITH -1000`)
		_, err := s.SaveMessage(t.Context(), "evt_msg2", received("msg2"))
		outage(t, code+" each time", err)
	}
}

func TestKeyTooLongForAnIndexIsPermanent(t *testing.T) {
	s := openAt(t, migrated(t))
	id := ""
	for len(id) < 4000 {
		id += rand.Text() // nothing to compress
	}
	_, err := s.SaveMessage(t.Context(), "evt_1", received(id))
	var permanent *messages.PermanentError
	if !errors.As(err, &permanent) || permanent.Reason != messages.ReasonUndecodable || strings.Contains(err.Error(), id[:20]) {
		t.Errorf("%v, want a permanent error without the id", err)
	}
	save(t, s, "msg1")
	if n := count(t, s); n != 1 {
		t.Errorf("%d messages, want 1", n)
	}
}

// What a trigger or a constraint of somebody's own refuses is an error like any other: counted, tried again, and at last a
// dead letter. It may quote the row, so nothing of it is shown.
func TestRefusedRowTellsNothing(t *testing.T) {
	dsn := migrated(t)
	s := openAt(t, dsn)
	for name, statement := range map[string]string{
		"constraint": `ALTER TABLE messages ADD CONSTRAINT short CHECK (length(text) < 3)`,
		"data":       `ALTER TABLE messages ALTER COLUMN text TYPE integer USING 1`,
		"trigger": `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no %', new.text; END $$;
			CREATE TRIGGER refuse BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION refuse()`,
	} {
		execute(t, dsn, statement)
		_, err := s.SaveMessage(t.Context(), "evt_1", received("msg1"))
		if err == nil || messages.IsUnavailable(err) || !strings.Contains(err.Error(), "SQLSTATE") {
			t.Errorf("%s: %v, want an error that is no outage", name, err)
		}
		tellsNothing(t, err)
		execute(t, dsn, `DROP TRIGGER IF EXISTS refuse ON messages`, `ALTER TABLE messages DROP CONSTRAINT IF EXISTS short`,
			`ALTER TABLE messages ALTER COLUMN text TYPE text USING NULL`)
	}
}
