package blobs_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/livepipe/livepipe/internal/conformance"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, conformance.ProxyLeftovers()...)
}
