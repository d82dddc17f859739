package postgres

import (
	"context"
	"fmt"

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
	key := func(more ...any) []any {
		return append([]any{r.Chat.Org, r.Chat.LiveChat, r.Chat.ChatID, r.MessageID}, more...)
	}
	var raised int64
	err = s.write(ctx, "save receipt", func(c *call) {
		c.addChat(r.Chat)
		c.count(&raised, raiseStatus, key(string(r.Status), r.EventID, notBelow(r))...)
		if r.Error != nil {
			c.exec(setError, key(r.Error.Code, r.Error.Reason)...)
		}
		if len(r.Times) > 0 {
			statuses, times := columns(r.Times)
			c.exec(addTimes, key(statuses, times)...)
		}
		c.each(findStatus, key(), into((*string)(&state)))
	})
	if err != nil {
		return "", false, err
	}
	return state, raised == 1, nil
}

// notBelow lists the states that the report does not raise.
func notBelow(r store.Report) []string {
	var stay []string
	for _, state := range messages.Statuses() {
		if !r.Raises(state) {
			stay = append(stay, string(state))
		}
	}
	return stay
}

func columns(all []store.StatusTime) (statuses, times []string) {
	for _, t := range all {
		statuses, times = append(statuses, string(t.Status)), append(times, t.At)
	}
	return statuses, times
}

// Each begins with the receipt's key, found through the names of its chat. raiseStatus locks the receipt, also when it
// changes nothing, so the statements behind it see its final state.
const (
	raiseStatus = `
		INSERT INTO receipts AS r (chat, message_id, status, event_id)
		SELECT id, $4::text, $5::text, $6::text FROM chats WHERE org = $1 AND livechat = $2 AND chat_id = $3
		ON CONFLICT (chat, message_id) DO UPDATE SET status = excluded.status, event_id = excluded.event_id
		WHERE r.status <> ALL ($7::text[])`

	ofMessage = ` WHERE chat = (SELECT id FROM chats WHERE org = $1 AND livechat = $2 AND chat_id = $3) AND message_id = $4`

	setError   = `UPDATE receipts SET error_code = $5, error_reason = $6` + ofMessage + ` AND error_code IS NULL`
	findStatus = `SELECT status FROM receipts` + ofMessage

	addTimes = `
		INSERT INTO receipt_times (chat, message_id, status, at)
		SELECT id, $4::text, t.status, t.at
		FROM chats, unnest($5::text[], $6::text[]) AS t (status, at)
		WHERE org = $1 AND livechat = $2 AND chat_id = $3
		ON CONFLICT DO NOTHING`

	readReceipt = `
		SELECT ` + store.ReceiptColumns + `
		FROM (SELECT * FROM receipts` + ofMessage + ` LIMIT 1) r
		LEFT JOIN receipt_times t ON t.chat = r.chat AND t.message_id = r.message_id`
)

// Receipt returns what is known about the delivery of a message, or store.ErrUnknownReceipt when nothing was reported.
func (s *Store) Receipt(ctx context.Context, chat messages.Chat, messageID string) (store.Receipt, error) {
	var r store.Receipt
	err := s.read(ctx, "read receipt", func(c *call) {
		r = store.Receipt{}
		c.each(readReceipt, []any{chat.Org, chat.LiveChat, chat.ChatID, messageID}, func(scan func(...any) error) error {
			return store.ScanReceipt(scan, &r)
		})
	})
	return known(r, r.Status != "", "read receipt", err, store.ErrUnknownReceipt)
}
