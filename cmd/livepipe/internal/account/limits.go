package account

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"reflect"
	"strings"

	"github.com/livepipe/livepipe/internal/store"
)

// limitFlags are the limits to set, as flags and as the "limits" of a file. What is not given stays.
type limitFlags struct {
	RequestsPerSecond *float64 `json:"requests_per_second" placeholder:"N" help:"Requests a second that the account may send; 0: no limit of its own."`
	MaxBody           *int64   `json:"max_body" placeholder:"BYTES" help:"Largest JSON body; 0: what the process is set to, which is the ceiling as well."`
	MaxUpload         *int64   `json:"max_upload" placeholder:"BYTES" help:"Largest file; 0: what the process is set to, which is the ceiling as well."`
	Origins           []string `json:"origins" placeholder:"ORIGIN" help:"Origins of browser apps that may call, in place of LIVEPIPE_CORS_ORIGINS; 'default' for those again."`
	RetentionDays     *int     `json:"retention_days" placeholder:"DAYS" help:"Delete messages that are older; 0: keep them."`
}

func (f limitFlags) given() bool {
	return f.RequestsPerSecond != nil || f.MaxBody != nil || f.MaxUpload != nil || f.Origins != nil || f.RetentionDays != nil
}

// limitFault is one limit that cannot hold.
type limitFault struct {
	field string // as it stands in a file
	says  string
}

const maxRetention = 36_500 // days: a hundred years; more is a slip

// check returns every fault.
func (f limitFlags) check() (faults []limitFault) {
	fault := func(is bool, field, says string) {
		if is {
			faults = append(faults, limitFault{field, says})
		}
	}
	if r := f.RequestsPerSecond; r != nil {
		fault(math.IsNaN(*r) || math.IsInf(*r, 0) || *r < 0, "requests_per_second", "must be a number from 0 on")
	}
	fault(f.MaxBody != nil && *f.MaxBody < 0, "max_body", "must be a number of bytes from 0 on")
	fault(f.MaxUpload != nil && *f.MaxUpload < 0, "max_upload", "must be a number of bytes from 0 on")
	fault(f.RetentionDays != nil && (*f.RetentionDays < 0 || *f.RetentionDays > maxRetention),
		"retention_days", fmt.Sprintf("must be from 0 to %d", maxRetention))
	for i, origin := range f.origins() {
		fault(!isOrigin(origin), fmt.Sprintf("origins[%d]", i), "must be * or an origin such as https://app.example.com, without a path")
	}
	return faults
}

// flagError is check for the command line, in one line.
func (f limitFlags) flagError() error {
	var says []string
	for _, fault := range f.check() {
		says = append(says, "--"+strings.ReplaceAll(fault.field, "_", "-")+" "+fault.says)
	}
	if says == nil {
		return nil
	}
	return errors.New(strings.Join(says, "; "))
}

func (f limitFlags) origins() []string {
	if len(f.Origins) == 0 || len(f.Origins) == 1 && f.Origins[0] == "default" {
		return nil
	}
	return f.Origins
}

// isOrigin accepts what a browser sends as Origin (RFC 6454, section 6.2), and * for any.
func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return s == "*" || err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && s == u.Scheme+"://"+u.Host
}

// set changes what is given and reports whether anything is different now.
func (f limitFlags) set(l *store.Limits) bool {
	before := *l
	if f.RequestsPerSecond != nil {
		l.RequestsPerSecond = *f.RequestsPerSecond
	}
	if f.MaxBody != nil {
		l.BodyBytes = *f.MaxBody
	}
	if f.MaxUpload != nil {
		l.UploadBytes = *f.MaxUpload
	}
	if f.Origins != nil {
		l.Origins = f.origins()
	}
	if f.RetentionDays != nil {
		l.RetentionDays = *f.RetentionDays
	}
	return !reflect.DeepEqual(before, *l)
}
