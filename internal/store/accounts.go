package store

import (
	"time"

	"github.com/livepipe/livepipe/messages"
)

// AccountColumns are the columns that ScanAccount reads: of an account a and each of its tokens t, in AccountOrder.
const (
	AccountColumns = `a.org, a.livechat, a.created_us, t.sha256`
	AccountOrder   = `a.org, a.livechat, t.added_us, t.sha256`
)

// ScanAccount adds one row of AccountColumns to the accounts that the rows before it have told.
func ScanAccount(scan func(dest ...any) error, to []Account) ([]Account, error) {
	var tenant messages.Tenant
	var createdUS int64
	var sum []byte
	if err := scan(&tenant.Org, &tenant.LiveChat, &createdUS, &sum); err != nil {
		return to, err
	}
	if n := len(to); n == 0 || to[n-1].Tenant != tenant {
		to = append(to, Account{Tenant: tenant, CreatedAt: time.UnixMicro(createdUS).UTC()})
	}
	last := &to[len(to)-1]
	last.Tokens = append(last.Tokens, [32]byte(sum)) // 32 bytes by the table's CHECK
	return to, nil
}
