package settings

import (
	"net/url"
	"regexp"
	"strings"
)

const (
	hidden = "(hidden)"
	masked = "hidden" // inside a URL
)

// Hide keeps secrets out of what is shown: whole values that are secret, and inside URLs, or a list of them, the user, the
// password and what the query says. What it does not understand and could hold a secret is hidden as a whole.
func Hide(name, value string) string {
	switch {
	case value == "":
		return ""
	case strings.HasSuffix(name, "_TOKEN"), strings.HasSuffix(name, "_SECRET"):
		return hidden
	}
	shown := strings.Split(value, ",")
	for i, part := range shown {
		clean, ok := hideInURL(part)
		if !ok { // the comma may have stood inside a password, so that no part can be trusted
			return hidden
		}
		shown[i] = clean
	}
	return strings.Join(shown, ",")
}

// hideInURL masks one part of a list, or reports that it is not safe to show.
func hideInURL(part string) (string, bool) {
	address, query, asks := strings.Cut(part, "?")
	if strings.Contains(address, "://") {
		u, err := url.Parse(address)
		if err != nil || u.Fragment != "" || strings.Contains(u.Path, "@") { // an @ after the host: the password had a slash
			return "", false
		}
		if u.User != nil {
			u.User = url.User(masked)
		}
		address = u.String()
	} else if strings.ContainsAny(address, "@=#") {
		return "", false // an address without its scheme, or host=... password=...
	}
	if !asks {
		return address, true
	}
	query, ok := hideInQuery(query)
	return address + "?" + query, ok
}

// plain is a value that cannot hold a second one.
var plain = regexp.MustCompile(`^[A-Za-z0-9_-]*$`)

// hideInQuery masks every value except those of parameters that are known to be harmless.
func hideInQuery(query string) (string, bool) {
	if strings.ContainsAny(query, "@#?") { // what looks like a query is the rest of a password
		return "", false
	}
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return "", false
		}
		switch name {
		case "region", "sslmode", "connect_timeout", "target_session_attrs", "pool_max_conns", "pool_min_conns":
			if plain.MatchString(value) {
				continue
			}
		}
		pairs[i] = name + "=" + masked
	}
	return strings.Join(pairs, "&"), true
}
