package webapi

import (
	"encoding/base64"
	"errors"
	"regexp"
	"strings"
)

// authorization is what a token becomes.
type authorization struct {
	header  string
	region  string   // where the token belongs, when it says so
	secrets []string // every form of it that must not be shown
}

// account is the id in front of a personal access token.
var account = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// home is the data centre in front of a token.
var home = regexp.MustCompile(`^([a-z]{2,4}[a-z0-9-]{0,20}):.`)

// authorize tells the kinds of tokens apart (Authorization, "Personal access tokens" and "OAuth authorization"):
// OAuth tokens travel as Bearer, personal ones as Basic with the account id before them.
func authorize(token string) (authorization, error) {
	token = strings.TrimSpace(token)
	if token == "" {
		return authorization{}, errors.New("there is no LiveChat token: set LIVEPIPE_LIVECHAT_TOKEN or --token-file")
	}
	scheme, value, ok := strings.Cut(token, " ")
	if !ok {
		scheme, value = "", token
	}
	for _, r := range value {
		if r <= ' ' || r > '~' {
			return authorization{}, errors.New("the LiveChat token is not one line of printable characters")
		}
	}
	pair := value // ACCOUNT_ID:TOKEN
	if plain, err := base64.StdEncoding.DecodeString(value); err == nil {
		pair = string(plain)
	}
	id, secret, _ := strings.Cut(pair, ":")
	switch {
	case strings.EqualFold(scheme, "bearer"), scheme == "" && !account.MatchString(id):
		return authorization{"Bearer " + value, homeOf(value), []string{value}}, nil
	case scheme != "" && !strings.EqualFold(scheme, "basic"):
		return authorization{}, errors.New("the LiveChat token begins with neither Bearer nor Basic")
	case secret == "":
		return authorization{}, errors.New("a personal access token must be ACCOUNT_ID:TOKEN, or the base64 of that")
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(pair))
	return authorization{"Basic " + encoded, homeOf(secret), []string{encoded, pair, secret}}, nil
}

func homeOf(secret string) string {
	if found := home.FindStringSubmatch(secret); found != nil && found[1] != "dal" { // dal is the default
		return found[1]
	}
	return ""
}
