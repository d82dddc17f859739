package amazon_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
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
	goleak.VerifyTestMain(m,
		// The suite's own collector of published messages waits for a channel that nobody closes.
		goleak.IgnoreAnyFunction("github.com/ThreeDotsLabs/watermill/pubsub/tests.TestReconnect.func2"),
	)
}

// outage is how long a cut lasts.
const outage = time.Second

// cutConnections makes a toxiproxy refuse its clients for a while; url is that of the proxy in toxiproxy's API.
func cutConnections(url string) error {
	for _, state := range []string{`{"enabled":false}`, `{"enabled":true}`} {
		answer, err := http.Post(url, "application/json", bytes.NewReader([]byte(state)))
		if err != nil {
			return err
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("toxiproxy answers %s", answer.Status)
		}
		if state == `{"enabled":false}` {
			<-time.After(outage)
		}
	}
	return nil
}

func testLogger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}
