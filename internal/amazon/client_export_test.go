package amazon

import (
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// ClientOver is the HTTP client of LoadAWS over a transport whose connections a test can close.
func ClientOver(t *http.Transport) aws.HTTPClient {
	fitLongPolls(t)
	return replayClient{&http.Client{Transport: t}}
}
