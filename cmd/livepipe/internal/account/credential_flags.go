package account

import (
	"errors"
	"fmt"

	"github.com/livepipe/livepipe/internal/store"
)

// credentialFlags choose the kind of a new credential.
type credentialFlags struct {
	SecretFile  string `name:"secret-key-file" placeholder:"FILE" help:"Add a secret_key of LiveChat's webhooks, read from FILE (- is the standard input)."`
	WebhookID   string `name:"webhook-id" placeholder:"ID" help:"LiveChat's id of the webhook that sends the secret_key; without it any of the organisation's may."`
	Signing     bool   `help:"Add a new signing secret (Standard Webhooks) and print it once."`
	SigningFile string `placeholder:"FILE" help:"Add the signing secret in FILE (- is the standard input)."`
}

// chosen is the kind that the flags ask for, or empty when none does.
func (f credentialFlags) chosen() (store.CredentialKind, error) {
	var kinds []store.CredentialKind
	if f.SecretFile != "" {
		kinds = append(kinds, store.LiveChatKey)
	}
	if f.Signing {
		kinds = append(kinds, store.SigningSecret)
	}
	if f.SigningFile != "" {
		kinds = append(kinds, store.SigningSecret)
	}
	switch {
	case len(kinds) > 1:
		return "", errors.New("one credential at a time: --secret-key-file, --signing or --signing-file")
	case f.WebhookID != "" && f.SecretFile == "":
		return "", errors.New("--webhook-id belongs to --secret-key-file")
	case len(kinds) == 0:
		return "", nil
	}
	return kinds[0], nil
}

// obtain reads or makes the credential. The text to print once is empty for what came from a file.
func (f credentialFlags) obtain(kind store.CredentialKind, name string) (n newCredential, once string, err error) {
	if !credentialName.MatchString(name) {
		return n, "", fmt.Errorf("--name %w", errName)
	}
	n = newCredential{kind: kind, name: name, webhookID: f.WebhookID}
	flag := "--secret-key-file"
	switch {
	case kind == store.BearerToken:
		once = newToken()
		return tokenCredential(name, once), once, nil
	case kind == store.LiveChatKey && !webhookIDForm.MatchString(f.WebhookID):
		return n, "", fmt.Errorf("--webhook-id %w", errWebhookID)
	case kind == store.LiveChatKey:
		n.text, err = ReadSecret(flag, f.SecretFile)
	case f.SigningFile != "":
		flag = "--signing-file"
		n.text, err = ReadSecret(flag, f.SigningFile)
	default:
		once = newSigningSecret()
		n.text = once
	}
	if fault := n.check(); err == nil && fault != nil {
		err = fmt.Errorf("%s: the secret %w", flag, fault)
	}
	return n, once, err
}
