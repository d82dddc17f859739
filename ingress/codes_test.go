package ingress_test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/livepipe/livepipe/ingress"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(wholeTable{m}) }

// told holds the codes of the problems that the package's own requests were answered with.
var told sync.Map

var codeOfProblem = regexp.MustCompile(`"code":"([a-z_]+)"`)

func noteCode(body []byte) {
	if found := codeOfProblem.FindSubmatch(body); found != nil {
		told.Store(string(found[1]), nil)
	}
}

// wholeTable fails a run of all tests in which some code of the error table was never answered with.
type wholeTable struct{ m *testing.M }

// Run implements goleak.TestingM.
func (w wholeTable) Run() int {
	exit := w.m.Run()
	for _, narrowed := range []string{"test.run", "test.skip", "test.list", "test.fuzz"} {
		if flag.Lookup(narrowed).Value.String() != "" {
			return exit
		}
	}
	for _, code := range ingress.Codes() {
		if _, ok := told.Load(code); !ok {
			fmt.Fprintf(os.Stderr, "FAIL: no test is answered with the code %s\n", code)
			exit = max(exit, 1)
		}
	}
	return exit
}

// noting notes the codes of what goes over a connection.
type noting struct{ http.ResponseWriter }

// Write implements io.Writer.
func (n noting) Write(b []byte) (int, error) {
	noteCode(b)
	return n.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (n noting) Unwrap() http.ResponseWriter { return n.ResponseWriter }
