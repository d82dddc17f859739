package amazon_test

import (
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/livepipe/livepipe/internal/amazon"
)

// Behind a proxy that looks into TLS everybody sets AWS_CA_BUNDLE.
func TestCertificatesOfTheEnvironmentAreTrusted(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Account>123456789012</Account>`+
			`</GetCallerIdentityResult></GetCallerIdentityResponse>`)
	}))
	defer server.Close()
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(bundle, cert, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"AWS_CA_BUNDLE": bundle, "AWS_ENDPOINT_URL": server.URL, "AWS_REGION": "eu-west-1",
		"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
	} {
		t.Setenv(name, value)
	}
	settings, err := amazon.LoadAWS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	who, err := sts.NewFromConfig(settings).GetCallerIdentity(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if *who.Account != "123456789012" {
		t.Errorf("account %s", *who.Account)
	}
}

// The head of a reply may come while the body of the call is still being sent. The rest of the reply must arrive too: the
// messages of a receive would stay hidden.
func TestReplyBeforeTheEndOfTheBodyArrives(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		control := http.NewResponseController(w)
		if err := errors.Join(control.EnableFullDuplex(), control.Flush()); err != nil {
			t.Error(err)
		}
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, `{"MessageId":"early"}`)
	}))
	defer server.Close()
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
	} {
		t.Setenv(name, value)
	}
	settings, err := amazon.LoadAWS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	settings.RetryMaxAttempts = 1
	body := strings.Repeat("a", 16<<20) // more than the buffers of a connection hold
	client := sqs.NewFromConfig(settings, func(o *sqs.Options) { o.DisableMessageChecksumValidation = true })
	sent, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &server.URL, MessageBody: &body})
	if err != nil || *sent.MessageId != "early" {
		t.Errorf("%v, %v", sent, err)
	}
}
