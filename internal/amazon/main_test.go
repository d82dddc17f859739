package amazon_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/livepipe/livepipe/internal/conformance"
)

// The test binary is also the command that restarts the broker, as far as its clients can see.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "cut-connections" {
		if err := cutConnections(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m, append(conformance.ProxyLeftovers(),
		// The suite's own collector of published messages waits for a channel that nobody closes.
		goleak.IgnoreAnyFunction("github.com/ThreeDotsLabs/watermill/pubsub/tests.TestReconnect.func2"))...)
}

// cutConnections asks the process at url to cut what it proxies, and returns when that is over.
func cutConnections(url string) error {
	answer, err := http.Post(url, "", nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the proxy answers %s", answer.Status)
	}
	return nil
}

func testLogger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}
