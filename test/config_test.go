package test

import (
	"strings"
	"testing"
)

// TestConfigPrintsWhatIsInForce: also what nobody has set.
func TestConfigPrintsWhatIsInForce(t *testing.T) {
	out, errs, code := command(t, []string{"LIVEPIPE_DATA=/srv/pipe"}, "config")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for _, want := range []string{
		"LIVEPIPE_DATA=/srv/pipe", "LIVEPIPE_BUS=embedded", "LIVEPIPE_STORE=sqlite:/srv/pipe/livepipe.db",
		"LIVEPIPE_BLOBS=file:///srv/pipe/blobs", "LIVEPIPE_SECRET_KEY_FILE=/srv/pipe/secret.key",
		"LIVEPIPE_MEDIA_URL=http://127.0.0.1:8080/media", "LIVEPIPE_WORKERS=history,delivery,routing,dispatch,media",
		"LIVEPIPE_ACCESS=auto", "LIVEPIPE_GRACE=20s",
	} {
		if !strings.Contains(out, want+"\n") {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	out, _, _ = command(t, []string{"LIVEPIPE_ADDR=0.0.0.0:80", "LIVEPIPE_STORE=postgres://h/db?password=X", "LIVEPIPE_WORKERS=media,history"}, "config")
	for _, want := range []string{"LIVEPIPE_ACCESS=accounts", "LIVEPIPE_STORE=postgres://h/db?password=hidden", "LIVEPIPE_WORKERS=history,media"} {
		if !strings.Contains(out, want+"\n") {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
}

// TestErrorsQuoteNoAddress holds S14: an address that cannot be read may hold a password where nobody expects it.
func TestErrorsQuoteNoAddress(t *testing.T) {
	for _, setting := range []string{
		"LIVEPIPE_BUS=nats://u:SEK%RET@127.0.0.1:1", "LIVEPIPE_BUS=nats://127.0.0.1:1,nats://u:SEK/RET@127.0.0.1:1",
		"LIVEPIPE_BUS=nats://u:SEKRET@127.0.0.1:1",
		"LIVEPIPE_STORE=postgres://u:SEK%RET@127.0.0.1:1/db", "LIVEPIPE_STORE=postgres://127.0.0.1:1/db?user=u&password=SEKRET",
		"LIVEPIPE_BLOBS=foo://u:SEKRET@h", "LIVEPIPE_BLOBS=s3://u:SEKRET@h", "LIVEPIPE_BLOBS=foo://u:SEK%RET@h",
	} {
		out, errs, code := command(t, []string{"LIVEPIPE_DATA=" + t.TempDir(), "LIVEPIPE_ADDR=127.0.0.1:0", setting}, "serve")
		if code != 1 || strings.Contains(out+errs, "SEK") {
			t.Errorf("%s: exit %d, want 1 and no part of the password:\n%s%s", setting, code, out, errs)
		}
	}
}
