package sqlite

import (
	"context"
	"database/sql"
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
	r, err := store.NewReport(eventID, e)
	if err != nil {
		return "", false, messages.Permanent(messages.ReasonUndecodable, fmt.Errorf("save receipt: %w", err))
	}
	saved, err := write(ctx, s.writer, report(r).save)
	return saved.state, saved.raised, failed("save receipt", err)
}

type report store.Report

type reported struct {
	state  messages.Status
	raised bool
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
	chat, err := tx.chatNumber(r.Chat, time.Now())
	if err != nil {
		return reported{}, fmt.Errorf("find chat: %w", err)
	}
	var stood messages.Status
	known, err := tx.scan(findReceipt, []any{chat, r.MessageID}, (*string)(&stood))
	if err != nil {
		return reported{}, fmt.Errorf("find receipt: %w", err)
	}
	out := reported{state: stood}
	if store.Report(r).Raises(stood) {
		out = reported{state: r.Status, raised: true}
		set := setReceipt
		if !known {
			set = addReceipt
		}
		if _, err := tx.exec(set, string(r.Status), r.EventID, chat, r.MessageID); err != nil {
			return reported{}, fmt.Errorf("set status: %w", err)
		}
	}
	if r.Error != nil {
		if _, err := tx.exec(setError, r.Error.Code, r.Error.Reason, chat, r.MessageID); err != nil {
			return reported{}, fmt.Errorf("set error: %w", err)
		}
	}
	for _, t := range r.Times {
		if _, err := tx.exec(addTime, chat, r.MessageID, string(t.Status), t.At); err != nil {
			return reported{}, fmt.Errorf("add time: %w", err)
		}
	}
	return out, nil
}

// Receipt returns what is known about the delivery of a message, or store.ErrUnknownReceipt when nothing was reported.
func (s *Store) Receipt(ctx context.Context, chat messages.Chat, messageID string) (store.Receipt, error) {
	const query = `
		SELECT ` + store.ReceiptColumns + `
		FROM chats c
		JOIN receipts r ON r.chat = c.id AND r.message_id = ?
		LEFT JOIN receipt_times t ON t.chat = r.chat AND t.message_id = r.message_id
		WHERE c.org = ? AND c.livechat = ? AND c.chat_id = ?`
	var r store.Receipt
	args := []any{messageID, chat.Org, chat.LiveChat, chat.ChatID}
	err := s.reader.each(ctx, query, args, func(rows *sql.Rows) error { return store.ScanReceipt(rows.Scan, &r) })
	if err == nil && r.Status == "" {
		err = store.ErrUnknownReceipt
	}
	if err != nil {
		return store.Receipt{}, failed("read receipt", err)
	}
	return r, nil
}
