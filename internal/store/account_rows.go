package store

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
)

// AccountColumns are the columns that ScanAccount reads: of an account a and each of its credentials c, which may be
// absent, in AccountOrder. AddedUS and the like are Unix microseconds.
const (
	AccountColumns = `a.org, a.livechat, a.organization_id, a.created_us, a.limits,
		c.id, c.kind, c.name, c.webhook_id, c.sha256, c.sealed, c.added_us, c.rotated_us, c.expires_us`
	AccountOrder = `a.org, a.livechat, c.added_us, c.id`
)

// LimitsText is how limits stand in their column: JSON, so that a new limit needs no migration.
func LimitsText(l Limits) (string, error) {
	text, err := json.Marshal(l)
	return string(text), err
}

// ScanAccount adds one row of AccountColumns to the accounts that the rows before it have told.
func ScanAccount(scan func(dest ...any) error, to []Account) ([]Account, error) {
	var (
		a                             Account
		createdUS                     int64
		limits                        string
		id, kind, name, webhook       sql.NullString
		organization                  sql.NullString
		sum, sealed                   []byte
		addedUS, rotatedUS, expiresUS sql.NullInt64
	)
	err := scan(&a.Org, &a.LiveChat, &organization, &createdUS, &limits,
		&id, &kind, &name, &webhook, &sum, &sealed, &addedUS, &rotatedUS, &expiresUS)
	if err != nil {
		return to, err
	}
	if n := len(to); n == 0 || to[n-1].Tenant != a.Tenant {
		a.OrganizationID, a.CreatedAt = organization.String, time.UnixMicro(createdUS).UTC()
		if err := json.Unmarshal([]byte(limits), &a.Limits); err != nil {
			return to, fmt.Errorf("read limits: %w", err)
		}
		to = append(to, a)
	}
	if !id.Valid {
		return to, nil
	}
	c := Credential{
		ID: id.String, Kind: CredentialKind(kind.String), Name: name.String, WebhookID: webhook.String, Sealed: sealed,
		AddedAt: instant(addedUS), RotatedAt: instant(rotatedUS), ExpiresAt: instant(expiresUS),
	}
	copy(c.SHA256[:], sum) // 32 bytes or none, by the table's CHECK
	last := &to[len(to)-1]
	last.Credentials = append(last.Credentials, c)
	return to, nil
}

func instant(us sql.NullInt64) time.Time {
	if !us.Valid {
		return time.Time{}
	}
	return time.UnixMicro(us.Int64).UTC()
}

// CredentialColumns are the columns of a credential besides its account's names, in the order of CredentialValues.
const CredentialColumns = `id, kind, name, webhook_id, sha256, sealed, added_us, rotated_us, expires_us`

// CredentialValues are the values of the CredentialColumns.
func CredentialValues(c Credential) []any {
	var sum, sealed any
	if c.Kind == BearerToken {
		sum = c.SHA256[:]
	} else {
		sealed = c.Sealed
	}
	return []any{c.ID, string(c.Kind), c.Name, c.WebhookID, sum, sealed, c.AddedAt.UnixMicro(), orNull(c.RotatedAt), orNull(c.ExpiresAt)}
}

func orNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}
