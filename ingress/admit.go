package ingress

import (
	"net/http"
	"strings"

	"github.com/livepipe/livepipe/channels"
)

// admit finds out whose request it is and whether it may be made.
func (e *endpoint) admit(q *request, service channels.Service) error {
	if e.identified {
		identity, err := e.channel.Identify(strings.TrimPrefix(q.r.URL.Path, e.prefix))
		if err != nil {
			return err
		}
		q.identity = identity
	}
	open, err := e.access.admits(q.r)
	if err != nil {
		return err
	}
	if !open || !e.identified { // nobody but the credentials can say whose an unidentified request is
		if err := e.authenticate(q, service); err != nil {
			return err
		}
	}
	if q.r.Method != http.MethodPost {
		q.w.Header()["Allow"] = allowMethods
		return refuse(codeMethod)
	}
	return nil
}

// authenticate finds the account that a request speaks for and holds it to the account's limits.
func (e *endpoint) authenticate(q *request, service channels.Service) error {
	c := e.claimOf(q, service)
	if q.unsigned {
		return nil
	}
	a, err := e.guard.check(q.r.Context(), &c)
	if err != nil {
		return err
	}
	q.account, q.identity.Tenant = a, a.Tenant
	if err := a.checkPage(q.w.Header(), q.r); err != nil {
		return err
	}
	if err := e.rates.allow(a); err != nil {
		return err
	}
	if int64(len(q.body)) > lower(e.config.BodyLimit, a.Limits.BodyBytes) {
		return refuse(codeTooLarge)
	}
	return nil
}

// uploadLimit is how many bytes a file may have.
func (e *endpoint) uploadLimit(q *request) int64 {
	if q.account == nil {
		return e.config.UploadLimit
	}
	return lower(e.config.UploadLimit, q.account.Limits.UploadBytes)
}
