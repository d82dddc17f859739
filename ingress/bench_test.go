package ingress_test

import (
	"bufio"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"

	"github.com/livepipe/livepipe/messages"
)

// discard is a response writer that costs nothing.
type discard struct{ header http.Header }

// Header implements http.ResponseWriter.
func (d *discard) Header() http.Header { return d.header }

// Write implements http.ResponseWriter.
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }

// WriteHeader implements http.ResponseWriter.
func (d *discard) WriteHeader(int) {}

// SetReadDeadline is what a connection has.
func (d *discard) SetReadDeadline(time.Time) error { return nil }

// replay is a body that can be read again.
type replay struct{ strings.Reader }

// Close implements io.Closer.
func (r *replay) Close() error { return nil }

// BenchmarkAccepted compares an accepted message with a bare Echo handler that reads and decodes the same body and
// answers: what everything else costs, the broker left out.
func BenchmarkAccepted(b *testing.B) {
	body := compact(b, spec(b, "message.request"))
	bare := echo.New()
	bare.POST("/livechat/:identifier", func(c echo.Context) error {
		var m struct {
			Event   string           `json:"event"`
			ChatID  string           `json:"chat_id"`
			Message messages.Message `json:"message"`
		}
		if err := json.UnmarshalRead(c.Request().Body, &m); err != nil {
			return err
		}
		return c.JSON(http.StatusOK, map[string]string{"status": "processed", "messageId": m.Message.ID})
	})
	w := newWorld(b, func(w *world) { w.deps.Logger = slog.New(slog.DiscardHandler) })
	w.bus.publish = func(string, []*message.Message) error { return nil }
	for name, handler := range map[string]http.Handler{"ingress": w, "bare": bare} {
		b.Run(name, func(b *testing.B) {
			r := request(http.MethodPost, livechatPath, body)
			rewind := &replay{}
			r.Body = rewind
			response := &discard{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				rewind.Reset(body)
				clear(response.header)
				handler.ServeHTTP(response, r)
			}
		})
		b.Run(name+"-over-http", func(b *testing.B) {
			server := httptest.NewServer(handler)
			defer server.Close()
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			raw := []byte("POST " + livechatPath + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
				strconv.Itoa(len(body)) + "\r\n\r\n" + body)
			answers := bufio.NewReader(conn)
			b.ReportAllocs()
			for b.Loop() { // by hand, so that only the server's allocations count
				_, _ = conn.Write(raw)
				for {
					line, err := answers.ReadSlice('\n')
					if err != nil {
						b.Fatal(err)
					}
					if line[0] == '{' {
						break
					}
				}
			}
		})
	}
}
