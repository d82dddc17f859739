package account

import (
	"encoding/hex"
	"fmt"

	"github.com/livepipe/livepipe/channels/livechat"
	"github.com/livepipe/livepipe/internal/store"
)

// check holds a record's values, and gathers its credentials.
func (r *accountRecord) check(found *faults) {
	fault := func(field, says string) { found.add(r.line, field, says) }
	for _, part := range []struct{ field, value string }{{"org", r.Org}, {"livechat", r.LiveChat}} {
		if !livechat.ValidPart(part.value) {
			fault(part.field, errPart.Error())
		}
	}
	if r.OrganizationID != "" && !isOrganizationID(r.OrganizationID) {
		fault("organization_id", errOrganizationID.Error())
	}
	for _, f := range r.Limits.check() {
		fault("limits."+f.field, f.says)
	}
	for i, t := range r.Tokens {
		r.checkToken(fmt.Sprintf("tokens[%d]", i), t, fault)
	}
	for i, s := range r.SecretKeys {
		r.checkSecret(fmt.Sprintf("secret_keys[%d]", i), store.LiveChatKey, s, fault)
	}
	for i, s := range r.SigningSecrets {
		r.checkSecret(fmt.Sprintf("signing_secrets[%d]", i), store.SigningSecret, s, fault)
	}
	for i, n := range r.credentials {
		for _, before := range r.credentials[:i] {
			switch sameName := n.name == before.name; {
			case n.kind != before.kind:
			case n.sha256 == before.sha256 && n.text == before.text && n.webhookID == before.webhookID:
				fault(n.field, "is the same as "+before.field)
			case sameName && n.kind != store.LiveChatKey:
				fault(n.field+".name", "is the name of "+before.field+" too: a name finds one credential of a kind")
			}
		}
	}
}

func (r *accountRecord) checkToken(field string, t recordToken, fault func(field, says string)) {
	n := tokenCredential(t.Name, t.Token)
	switch {
	case (t.Token == "") == (t.SHA256 == ""):
		fault(field, "must have token or sha256, one of them")
	case t.SHA256 != "" && !hashForm.MatchString(t.SHA256):
		fault(field+".sha256", errHash.Error())
	case t.SHA256 != "":
		hex.Decode(n.sha256[:], []byte(t.SHA256)) //nolint:errcheck // its form has just been held
	case !tokenForm.MatchString(t.Token):
		fault(field+".token", errToken.Error())
	}
	r.keep(field, n, fault)
}

func (r *accountRecord) checkSecret(field string, kind store.CredentialKind, s recordSecret, fault func(field, says string)) {
	n := newCredential{kind: kind, name: s.Name, webhookID: s.WebhookID, text: s.Secret}
	if err := n.check(); err != nil {
		fault(field+".secret", err.Error())
	}
	switch {
	case kind != store.LiveChatKey && s.WebhookID != "":
		fault(field+".webhook_id", "belongs to secret_keys")
	case !webhookIDForm.MatchString(s.WebhookID):
		fault(field+".webhook_id", errWebhookID.Error())
	}
	r.keep(field, n, fault)
}

func (r *accountRecord) keep(field string, n newCredential, fault func(field, says string)) {
	if n.name == "" {
		n.name = defaultName
	}
	if !credentialName.MatchString(n.name) {
		fault(field+".name", errName.Error())
	}
	r.credentials = append(r.credentials, recordCredential{newCredential: n, field: field})
}
