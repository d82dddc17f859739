package account

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/livepipe/livepipe/internal/store"
)

// TestImportNamesEveryFault: line and field, in words, and nothing of the values, which may be secrets.
func TestImportNamesEveryFault(t *testing.T) {
	const head = `{"org":"o","livechat":"l",`
	signing := func(n int) string {
		return head + `"signing_secrets":[{"secret":"whsec_` + base64.StdEncoding.EncodeToString(make([]byte, n)) + `"}]}`
	}
	for name, c := range map[string]struct {
		file string
		want string // line by line; empty: none
	}{
		"least":                  {`{"org":"o","livechat":"l"}`, ""},
		"one after the other":    {"{\"org\":\"o\",\"livechat\":\"l\"}\n{\"org\":\"o\",\"livechat\":\"m\"}", ""},
		"an array":               {"\xef\xbb\xbf[\n{\"org\":\"o\",\"livechat\":\"l\"},\n{\"org\":\"o\",\"livechat\":\"m\"}]\n", ""},
		"a hash":                 {head + `"tokens":[{"sha256":"` + strings.Repeat("aB", 32) + `"}]}`, ""},
		"one secret, two hooks":  {head + `"secret_keys":[{"secret":"hunter2","webhook_id":"a"},{"secret":"hunter2","webhook_id":"b"}]}`, ""},
		"24 bytes to sign with":  {signing(24), ""},
		"64 bytes to sign with":  {signing(64), ""},
		"all limits":             {head + `"limits":{"requests_per_second":0.5,"max_body":0,"max_upload":1,"origins":["*","http://a:1"],"retention_days":36500}}`, ""},
		"no limits":              {head + `"limits":{"origins":[]}}`, ""},
		"no names":               {"\n\n{}", "line 3: org must be 1 to 256 bytes of UTF-8 without a colon or a control character\nline 3: livechat must be 1 to 256 bytes of UTF-8 without a colon or a control character"},
		"a colon":                {`{"org":"o:hunter2","livechat":"l"}`, "line 1: org must be 1 to 256 bytes of UTF-8 without a colon or a control character"},
		"a NUL":                  {`{"org":"o\u0000hunter2","livechat":"l"}`, "line 1: org must be 1 to 256 bytes of UTF-8 without a colon or a control character"},
		"a long name":            {`{"org":"` + strings.Repeat("o", 257) + `","livechat":"l"}`, "line 1: org must be 1 to 256 bytes of UTF-8 without a colon or a control character"},
		"a number for a name":    {`{"org":11223344,"livechat":"l"}`, "line 1: org must be text"},
		"text for a list":        {head + `"tokens":"hunter2"}`, "line 1: tokens must be a list"},
		"text for a number":      {head + `"limits":{"max_body":"hunter2"}}`, "line 1: limits.max_body must be a whole number"},
		"text for a token":       {head + `"tokens":[{"name":"a","sha256":"` + strings.Repeat("a", 64) + `"},"hunter2"]}`, "line 1: tokens[1] must be an object"},
		"a field of no meaning":  {head + `"token":"hunter2"}`, "line 1: token is no field of an account"},
		"no token":               {head + `"tokens":[{"name":"a"}]}`, "line 1: tokens[0] must have token or sha256, one of them"},
		"a token and its hash":   {head + `"tokens":[{"token":"hunter2","sha256":"hunter2"}]}`, "line 1: tokens[0] must have token or sha256, one of them"},
		"a short token":          {head + `"tokens":[{"token":"hunter2"}]}`, "line 1: tokens[0].token must be 16 to 512 visible ASCII characters"},
		"a token with a space":   {head + `"tokens":[{"token":"hunter2 hunter2 hunter2"}]}`, "line 1: tokens[0].token must be 16 to 512 visible ASCII characters"},
		"a hash of 63 digits":    {head + `"tokens":[{"sha256":"` + strings.Repeat("a", 63) + `"}]}`, "line 1: tokens[0].sha256 must be the 64 hexadecimal digits of a SHA-256"},
		"a bad name":             {head + `"tokens":[{"name":"my token","token":"hunter2hunter2hunter2"}]}`, "line 1: tokens[0].name must be 1 to 64 of letters, digits, dot, - and _, and start with a letter or digit"},
		"a name twice":           {head + `"tokens":[{"token":"hunter2hunter2hunter2"},{"token":"hunter2hunter2hunter3"}]}`, "line 1: tokens[1].name is the name of tokens[0] too: a name finds one credential of a kind"},
		"a token twice":          {head + `"tokens":[{"token":"hunter2hunter2hunter2"},{"name":"b","token":"hunter2hunter2hunter2"}]}`, "line 1: tokens[1] is the same as tokens[0]"},
		"a secret twice":         {head + `"secret_keys":[{"secret":"hunter2"},{"name":"b","secret":"hunter2"}]}`, "line 1: secret_keys[1] is the same as secret_keys[0]"},
		"no secret":              {head + `"secret_keys":[{}]}`, "line 1: secret_keys[0].secret must be one line of 1 to 1024 bytes"},
		"a secret of two lines":  {head + `"secret_keys":[{"secret":"hunter2\nhunter2"}]}`, "line 1: secret_keys[0].secret must be one line of 1 to 1024 bytes"},
		"an odd webhook":         {head + `"secret_keys":[{"secret":"hunter2","webhook_id":"a b"}]}`, "line 1: secret_keys[0].webhook_id must be at most 128 visible ASCII characters"},
		"23 bytes to sign with":  {signing(23), "line 1: signing_secrets[0].secret must be whsec_ and the base64 of 24 to 64 random bytes"},
		"65 bytes to sign with":  {signing(65), "line 1: signing_secrets[0].secret must be whsec_ and the base64 of 24 to 64 random bytes"},
		"not whsec_":             {head + `"signing_secrets":[{"secret":"aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMmh1bnRlcjI="}]}`, "line 1: signing_secrets[0].secret must be whsec_ and the base64 of 24 to 64 random bytes"},
		"a webhook that signs":   {strings.Replace(signing(32), `"secret"`, `"webhook_id":"a","secret"`, 1), "line 1: signing_secrets[0].webhook_id belongs to secret_keys"},
		"an odd organisation":    {head + `"organization_id":"a b"}`, "line 1: organization_id must be 1 to 128 visible ASCII characters, such as 0d9b6c1e-6c1f-4a52-9c7e-2f8f7a1b5d11"},
		"a limit below zero":     {head + `"limits":{"requests_per_second":-1,"max_body":-1}}`, "line 1: limits.requests_per_second must be a number from 0 on\nline 1: limits.max_body must be a number of bytes from 0 on"},
		"a page for an origin":   {head + `"limits":{"origins":["*","https://hunter2/page"]}}`, "line 1: limits.origins[1] must be * or an origin such as https://app.example.com, without a path"},
		"a long retention":       {head + `"limits":{"retention_days":36501}}`, "line 1: limits.retention_days must be from 0 to 36500"},
		"faults on two lines":    {"{\"livechat\":\"l\"}\n{\"org\":\"o\"}\n", "line 1: org must be 1 to 256 bytes of UTF-8 without a colon or a control character\nline 2: livechat must be 1 to 256 bytes of UTF-8 without a colon or a control character"},
		"an account twice":       {"[{\"org\":\"o\",\"livechat\":\"l\"},\n\n{\"org\":\"o\",\"livechat\":\"l\"}]", "line 3: is the account of line 1 again: write it once"},
		"a field twice":          {"\n" + head + "\"org\":\"hunter2\"}", "line 2: the same field stands twice in one object"},
		"no JSON":                {"{\"org\":\"o\",\"livechat\":\"l\"}\nhunter2", "line 2: is no JSON from here on"},
		"cut in a record":        {head + `"tokens":[{"token":"hunter2`, "line 1: the file ends in the middle"},
		"cut in the array":       {`[{"org":"o","livechat":"l"},`, "line 1: the file ends in the middle"},
		"an array without end":   {`[{"org":"o","livechat":"l"}`, "line 1: the file ends in the middle"},
		"text after the array":   {"[{\"org\":\"o\",\"livechat\":\"l\"}]\n{}", "line 2: stands after the array: write one array, or one object after the other"},
		"a list in the list":     {"[[]]", "line 1: the record must be an object"},
		"null":                   {"null", "line 1: org must be 1 to 256 bytes of UTF-8 without a colon or a control character\nline 1: livechat must be 1 to 256 bytes of UTF-8 without a colon or a control character"},
		"a number beyond its 64": {head + `"limits":{"max_body":99999999999999999999}}`, "line 1: limits.max_body must be a whole number"},
	} {
		t.Run(name, func(t *testing.T) {
			_, found := readRecords([]byte(c.file))
			if got := strings.Join(found, "\n"); got != c.want {
				t.Errorf("faults:\n%s\nwant:\n%s", got, c.want)
			}
			if strings.Contains(strings.Join(found, ""), "hunter2") {
				t.Error("a fault quotes a value")
			}
		})
	}
}

// TestImportReadsWhatItSays holds the example of --help.
func TestImportReadsWhatItSays(t *testing.T) {
	_, example, _ := strings.Cut(importCmd{}.Help(), "\n\n")
	example, _, _ = strings.Cut(example, "\n\nOnly")
	secret := base64.StdEncoding.EncodeToString(make([]byte, 32))
	example = strings.NewReplacer(`"token": "..."`, `"token": "hunter2hunter2hunter2"`, `"sha256": "..."`, `"sha256": "`+strings.Repeat("0f", 32)+`"`,
		`"secret": "..."`, `"secret": "hunter2"`, `whsec_...`, "whsec_"+secret).Replace(example)
	records, found := readRecords([]byte(example))
	if len(found) > 0 || len(records) != 1 {
		t.Fatalf("%d records, faults: %v", len(records), found)
	}
	r := records[0]
	var limits store.Limits
	r.Limits.set(&limits)
	if limits.RequestsPerSecond != 50 || limits.BodyBytes != 65536 || limits.UploadBytes != 1<<20 || len(limits.Origins) != 1 || limits.RetentionDays != 90 {
		t.Errorf("limits %+v", limits)
	}
	var got []string
	for _, p := range r.credentials {
		got = append(got, string(p.kind)+" "+p.name+" "+p.webhookID)
	}
	if want := "token default ;token ci ;secret default 5f0c...;signing default "; strings.Join(got, ";") != want {
		t.Errorf("credentials %q, want %q", got, want)
	}
	if r.credentials[1].sha256 != [32]byte([]byte(strings.Repeat("\x0f", 32))) {
		t.Error("the hash is another one")
	}
}

// TestImportStandsAFileThatIsCut: at every byte there is a fault, or the accounts before it and nothing of the rest.
func TestImportStandsAFileThatIsCut(t *testing.T) {
	const one, two = `{"org":"o","livechat":"l","tokens":[{"token":"hunter2hunter2hunter2"}]}`, `{"org":"o","livechat":"m","limits":{"origins":["*"]}}`
	for name, file := range map[string]string{"lines": one + "\n" + two, "array": "[" + one + ",\n" + two + "]"} {
		for cut := range len(file) {
			records, found := readRecords([]byte(file[:cut]))
			whole := cut == 0 || name == "lines" && (cut == len(one) || cut == len(one)+1)
			if (len(found) == 0) != whole || len(records) > 1 && len(found) == 0 {
				t.Errorf("%s cut at %d: %d records, faults %v", name, cut, len(records), found)
			}
		}
	}
}
