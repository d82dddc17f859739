package livechat

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/livepipe/livepipe/channels"
)

// credentials reads the sender's claim from an untrusted body. It looks at the body's own members once, keeps nothing
// long, and stops as soon as all three are found (LiveChat writes them before the payload). Of a name that
// occurs twice the first counts. License_id (3.3 and older) stands for the organization_id that came after it.
func credentials(body []byte) channels.Credentials {
	c := secretOf(body)
	if c.Secret == "" {
		s := sniff(body)
		c.Unsigned = s == shapeLifecycle || s == shapeV2
	}
	return c
}

func secretOf(body []byte) channels.Credentials {
	var c channels.Credentials
	d := jsontext.NewDecoder(bytes.NewBuffer(body), tolerate)
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return c
	}
	for found := (credentialNames{}); !found.all() && d.PeekKind() == '"'; {
		t, err := d.ReadToken()
		if err != nil {
			return c
		}
		switch name := t.String(); {
		case name == "secret_key" && !found.secret:
			found.secret = true
			c.Secret = readText(d, maxName)
		case name == "webhook_id" && !found.webhook:
			found.webhook = true
			c.Webhook = readID(d)
		case name == "organization_id" && !found.organization:
			found.organization = true
			c.Organization, c.Former = readID(d), false
		case name == "license_id" && !found.organization && !c.Former:
			c.Organization, c.Former = readID(d), true
		default:
			if d.SkipValue() != nil {
				return c
			}
		}
	}
	return c
}

type credentialNames struct{ secret, webhook, organization bool }

func (n credentialNames) all() bool { return n.secret && n.webhook && n.organization }

// readText reads a text of at most bound bytes; anything else is empty. A broken body ends the loop at its next step.
func readText(d *jsontext.Decoder, bound int) string {
	v, err := d.ReadValue()
	if err != nil || v.Kind() != '"' || len(v) > 6*bound+2 { // JSON may escape one byte to six
		return ""
	}
	s, _ := jsontext.AppendUnquote(nil, v) // what is not UTF-8 becomes U+FFFD
	if len(s) > bound {
		return ""
	}
	return string(s)
}

// readID reads a text that keys may hold, or an integer as its decimal text.
func readID(d *jsontext.Decoder) string {
	var id string
	switch d.PeekKind() {
	case '"':
		id = readText(d, maxID)
	case '0':
		v, err := d.ReadValue()
		if err != nil || strings.Trim(string(v), "0123456789") != "" {
			return ""
		}
		id = string(v)
	default:
		_ = d.SkipValue() // a fault ends the loop at its next step
	}
	if !validID(id) {
		return ""
	}
	return id
}
