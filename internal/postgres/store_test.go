package postgres

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/livepipe/livepipe/internal/conformance"
	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	database := newDatabase(t)
	conformance.RemoteStore(t, func(t *testing.T) conformance.S { // a schema is made sooner than a database
		name := "s_" + strings.ToLower(rand.Text())
		execute(t, database, "CREATE SCHEMA "+name)
		dsn := with(t, database, "search_path", name)
		if err := Migrate(t.Context(), dsn); err != nil {
			t.Fatal(err)
		}
		return openAt(t, dsn)
	})
}

// serverDSN is the server to test with. Databases are made and dropped on it.
func serverDSN(t testing.TB) string {
	t.Helper()
	dsn := os.Getenv("LIVEPIPE_TEST_POSTGRES")
	if dsn == "" && os.Getenv("LIVEPIPE_TEST_AWS") == "1" {
		t.Fatal("LIVEPIPE_TEST_POSTGRES names no server")
	}
	if dsn == "" {
		t.Skip("needs a PostgreSQL server in LIVEPIPE_TEST_POSTGRES: run make test-aws")
	}
	return dsn
}

// newDatabase makes an empty database on the server and drops it when the test ends. options are those of CREATE DATABASE.
func newDatabase(t testing.TB, options ...string) (dsn string) {
	t.Helper()
	return newDatabaseAt(t, serverDSN(t), options...)
}

func newDatabaseAt(t testing.TB, server string, options ...string) (dsn string) {
	t.Helper()
	name := "livepipe_test_" + strings.ToLower(rand.Text())
	execute(t, server, "CREATE DATABASE "+name+" "+strings.Join(options, " "))
	t.Cleanup(func() { execute(t, server, "DROP DATABASE "+name+" WITH (FORCE)") })
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal("LIVEPIPE_TEST_POSTGRES is no URL") // without the reason, which may quote its password
	}
	u.Path = "/" + name
	return u.String()
}

// with is the DSN with one more setting.
func with(t testing.TB, dsn, setting, value string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(setting, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// execute runs statements past any store.
func execute(t testing.TB, dsn string, statements ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute) // the test's own context has ended in a cleanup
	defer cancel()
	config, err := parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func migrated(t testing.TB) (dsn string) {
	t.Helper()
	dsn = newDatabase(t)
	if err := Migrate(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	return dsn
}

// openNew opens an empty store in a database of its own and closes it when the test ends.
func openNew(t testing.TB) *Store {
	t.Helper()
	return openAt(t, migrated(t))
}

func openAt(t testing.TB, dsn string) *Store {
	t.Helper()
	s, err := Open(t.Context(), dsn, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// What the suite begins with.
var (
	chat1    = conformance.Chat1
	received = conformance.Received
	save     = conformance.Save
	count    = conformance.Count
)

// ask reads one value through a connection of the store's own pool.
func ask(t testing.TB, s *Store, query string) (value string) {
	t.Helper()
	if err := s.pool.QueryRow(t.Context(), query).Scan(&value); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return value
}

// Each way that pgx can talk to a server, as poolers of different abilities want it.
func TestEveryQueryMode(t *testing.T) {
	dsn := migrated(t)
	for i, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
		t.Run(mode, func(t *testing.T) {
			s := openAt(t, with(t, dsn, "default_query_exec_mode", mode))
			e := received(fmt.Sprint("msg", i))
			e.Visitor = &messages.Visitor{ID: "visitor1", Name: mode}
			file := messages.File{ID: fmt.Sprint("media_", i), Size: 1 << 40}
			e.Message.File = &file
			if saved, err := s.SaveMessage(t.Context(), "evt_"+e.Message.ID, e); !saved || err != nil {
				t.Errorf("SaveMessage = %v, %v", saved, err)
			}
			if decided, err := s.DecideMedia(t.Context(), store.Media{Chat: chat1, File: file, State: store.MediaReleased, HasThumbnail: true}); !decided || err != nil {
				t.Errorf("DecideMedia = %v, %v", decided, err)
			}
			report := messages.DeliveryUpdated{
				Origin: e.Origin, MessageID: e.Message.ID, Status: messages.Failed,
				At:    map[messages.Status]string{messages.Failed: "now", messages.Sent: "then, 'x' \x00"},
				Error: &messages.DeliveryError{Code: "1", Reason: "NUL \x00"},
			}
			if state, changed, err := s.SaveReceipt(t.Context(), "evt_r", report); state != messages.Failed || !changed || err != nil {
				t.Errorf("SaveReceipt = %v, %v, %v", state, changed, err)
			}
			everyChange(t, s, e)
			receipt, err := s.Receipt(t.Context(), chat1, e.Message.ID)
			if err != nil || receipt.At[messages.Sent] != report.At[messages.Sent] || *receipt.Error != *report.Error {
				t.Errorf("Receipt = %+v, %v", receipt, err)
			}
			if err := s.SaveAccount(t.Context(), tokenAccount(i)); err != nil {
				t.Error(err)
			}
			if all, err := s.Accounts(t.Context()); err != nil || len(all) != 1 || len(all[0].Credentials) != i+1 {
				t.Errorf("Accounts = %v, %v", all, err)
			}
			if err := s.MarkDispatched(t.Context(), "evt_"+mode, "crm", time.Now()); err != nil {
				t.Error(err)
			}
			if err := s.Health(t.Context()); err != nil {
				t.Error(err)
			}
			page, err := s.Page(t.Context(), store.Query{Chat: chat1, Limit: 1, From: time.Unix(0, 0), To: time.Now()})
			if err != nil || page.Total != int64(i+1) || len(page.Entries) != 1 || page.Entries[0].Status != messages.Failed || page.Entries[0].Media == nil {
				t.Errorf("Page = %+v, %v", page, err)
			}
		})
	}
}

// everyChange makes each call about a conversation that there is, on a chat of its own.
func everyChange(t *testing.T, s *Store, e messages.MessageReceived) {
	t.Helper()
	e.ChatID, e.Message.Content = "chat of "+e.Message.ID, &messages.Content{FormID: "form1"}
	at := "2024-01-15T10:40:00Z"
	if _, err := s.SaveMessage(t.Context(), "evt_there_"+e.Message.ID, e); err != nil {
		t.Error(err)
	}
	edit := messages.MessageUpdated{Origin: e.Origin, Message: e.Message, EditedAt: at}
	if changed, err := s.SaveEdit(t.Context(), "evt_e", edit); !changed || err != nil {
		t.Errorf("SaveEdit = %v, %v", changed, err)
	}
	if changed, err := s.SaveDeletion(t.Context(), "evt_d", messages.MessageDeleted{Origin: e.Origin, MessageID: e.Message.ID, DeletedAt: at}); !changed || err != nil {
		t.Errorf("SaveDeletion = %v, %v", changed, err)
	}
	if changed, err := s.SaveSeen(t.Context(), "evt_s", messages.MessagesSeen{Origin: e.Origin, By: "a", UpTo: at}); !changed || err != nil {
		t.Errorf("SaveSeen = %v, %v", changed, err)
	}
	people := []messages.Person{{ID: "a", Type: "agent", Name: "NUL \x00"}, {ID: "b", Type: "visitor", Email: "b@example.com"}}
	opened := messages.ConversationUpdated{Origin: e.Origin, Change: messages.ChatOpened, At: at, People: people}
	if saved, err := s.SaveConversation(t.Context(), "evt_c_"+e.Message.ID, opened); !saved || err != nil {
		t.Errorf("SaveConversation = %v, %v", saved, err)
	}
	if c, err := s.Conversation(t.Context(), e.Chat); err != nil || len(c.People) != 2 || c.People[0] != people[0] || len(c.Changes) != 1 {
		t.Errorf("Conversation = %+v, %v", c, err)
	}
	if differs, err := s.Differs(t.Context(), e); differs || err != nil {
		t.Errorf("Differs = %v, %v", differs, err)
	}
	page, err := s.Page(t.Context(), store.Query{Chat: e.Chat, Limit: 1})
	if err != nil || page.Total != 1 || page.Entries[0].EditedAt != at || page.Entries[0].DeletedAt != at || page.Entries[0].Status != messages.Read {
		t.Errorf("Page = %+v, %v", page, err)
	}
	there := e.Tenant
	there.LiveChat = "lc2"
	e.LiveChat = there.LiveChat
	if _, err := s.SaveMessage(t.Context(), "evt_old_"+e.Message.ID, e); err != nil {
		t.Error(err)
	}
	if d, err := s.DeleteOlder(t.Context(), there, time.Now(), 10); d.Messages != 1 || err != nil {
		t.Errorf("DeleteOlder = %+v, %v", d, err)
	}
}

func tokenAccount(i int) store.Account {
	return store.Account{Tenant: chat1.Tenant, CreatedAt: time.Now(), Credentials: []store.Credential{{
		ID: fmt.Sprint("cred_", i), Kind: store.BearerToken, SHA256: [32]byte{byte(i)}, AddedAt: time.Now(),
	}}}
}
