package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// SaveReceipt notes how far a message has got. The state is the highest ever reported, the error is the first one, and
// so is the time of each status, so reports in any order and any number end in the same state. The receipt may come
// before its message. It returns the state after the report and whether the report raised it. A status that is not one
// of messages.Statuses is Permanent("undecodable").
func (s *Store) SaveReceipt(ctx context.Context, eventID string, e messages.DeliveryUpdated) (state messages.Status, changed bool, err error) {
	report, err := newReport(eventID, e)
	if err != nil {
		return "", false, messages.Permanent("undecodable", fmt.Errorf("save receipt: %w", err))
	}
	saved, err := write(ctx, s.writer, report.save)
	return saved.state, saved.raised, failed("save receipt", err)
}

// report is what the write needs, copied out of the event: a write may outlive its caller.
type report struct {
	chat      messages.Chat
	messageID string
	eventID   string
	status    messages.Status
	err       *messages.DeliveryError
	times     []statusTime
}

type statusTime struct {
	status messages.Status
	at     string
}

type reported struct {
	state  messages.Status
	raised bool
}

func newReport(eventID string, e messages.DeliveryUpdated) (report, error) {
	if _, known := e.Status.Rank(); !known {
		return report{}, errors.New("unknown status")
	}
	r := report{chat: e.Chat, messageID: e.MessageID, eventID: eventID, status: e.Status}
	if e.Error != nil && *e.Error != (messages.DeliveryError{}) {
		cause := *e.Error
		r.err = &cause
	}
	for _, status := range messages.Statuses() { // in one order, whatever the map's
		if at, ok := e.At[status]; ok && at != "" {
			r.times = append(r.times, statusTime{status, at})
		}
	}
	return r, nil
}

const (
	findReceipt = `SELECT status FROM receipts WHERE chat = ? AND message_id = ?`
	addReceipt  = `INSERT INTO receipts (status, event_id, chat, message_id) VALUES (?, ?, ?, ?)`
	setReceipt  = `UPDATE receipts SET status = ?, event_id = ? WHERE chat = ? AND message_id = ?`
	setError    = `UPDATE receipts SET error_code = ?, error_reason = ?
		WHERE chat = ? AND message_id = ? AND error_code IS NULL`
	addTime = `INSERT INTO receipt_times (chat, message_id, status, at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`
)

func (r report) save(tx *tx) (reported, error) {
	chat, err := tx.chatNumber(r.chat, time.Now())
	if err != nil {
		return reported{}, fmt.Errorf("find chat: %w", err)
	}
	var stood messages.Status
	known, err := tx.scan(findReceipt, []any{chat, r.messageID}, (*string)(&stood))
	if err != nil {
		return reported{}, fmt.Errorf("find receipt: %w", err)
	}
	out := reported{state: stood}
	if rank(r.status) > rank(stood) {
		out = reported{state: r.status, raised: true}
		set := setReceipt
		if !known {
			set = addReceipt
		}
		if _, err := tx.exec(set, string(r.status), r.eventID, chat, r.messageID); err != nil {
			return reported{}, fmt.Errorf("set status: %w", err)
		}
	}
	if r.err != nil {
		if _, err := tx.exec(setError, r.err.Code, r.err.Reason, chat, r.messageID); err != nil {
			return reported{}, fmt.Errorf("set error: %w", err)
		}
	}
	for _, t := range r.times {
		if _, err := tx.exec(addTime, chat, r.messageID, string(t.status), t.at); err != nil {
			return reported{}, fmt.Errorf("add time: %w", err)
		}
	}
	return out, nil
}

func rank(s messages.Status) int {
	n, _ := s.Rank()
	return n
}

// Receipt returns what is known about the delivery of a message, or store.ErrUnknownReceipt when nothing was reported.
func (s *Store) Receipt(ctx context.Context, chat messages.Chat, messageID string) (store.Receipt, error) {
	const query = `
		SELECT r.status, r.error_code, r.error_reason, t.status, t.at
		FROM chats c
		JOIN receipts r ON r.chat = c.id AND r.message_id = ?
		LEFT JOIN receipt_times t ON t.chat = r.chat AND t.message_id = r.message_id
		WHERE c.org = ? AND c.livechat = ? AND c.chat_id = ?`
	r := store.Receipt{At: map[messages.Status]string{}}
	args := []any{messageID, chat.Org, chat.LiveChat, chat.ChatID}
	err := s.reader.each(ctx, query, args, func(rows *sql.Rows) error {
		var code, reason, status, at sql.NullString
		if err := rows.Scan((*string)(&r.Status), &code, &reason, &status, &at); err != nil {
			return err
		}
		if code.Valid {
			r.Error = &messages.DeliveryError{Code: code.String, Reason: reason.String}
		}
		if at.Valid {
			r.At[messages.Status(status.String)] = at.String
		}
		return nil
	})
	if err == nil && r.Status == "" {
		err = store.ErrUnknownReceipt
	}
	if err != nil {
		return store.Receipt{}, failed("read receipt", err)
	}
	return r, nil
}
