package postgres

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/livepipe/livepipe/internal/conformance"
)

func TestSettingsLeftOpen(t *testing.T) {
	t.Setenv("PGAPPNAME", "")
	c, err := parse("postgres://user:secret@db.example.com/livepipe")
	if err != nil {
		t.Fatal(err)
	}
	if n := c.MaxConns; n != defaultConns() || n < 4 || n > 16 {
		t.Errorf("%d connections at most, want 4 to 16", n)
	}
	if got := c.ConnConfig.ConnectTimeout; got != 5*time.Second {
		t.Errorf("connect timeout %v", got)
	}
	if got := c.ConnConfig.RuntimeParams; len(got) != 1 || got["application_name"] != "livepipe" {
		t.Errorf("the connection starts with %v: a pooler refuses what it does not know", got)
	}
}

func TestSettingsGiven(t *testing.T) {
	c, err := parse("postgres://db.example.com/livepipe?pool_max_conns=99&pool_max_conn_idle_time=1h&connect_timeout=1" +
		"&application_name=mine&statement_timeout=1s&pool_ping_timeout=7s&pool_max_conn_lifetime_jitter=3s")
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(c.MaxConns, c.MaxConnIdleTime, c.ConnConfig.ConnectTimeout, c.PingTimeout, c.MaxConnLifetimeJitter, c.ConnConfig.RuntimeParams)
	if want := "99 1h0m0s 1s 7s 3s map[application_name:mine statement_timeout:1s]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// A DSN that cannot be read may be anything; whatever is wrong with it, its password is not shown.
func TestUnreadableDSNTellsNoPassword(t *testing.T) {
	for _, dsn := range []string{
		"postgres://user:hunter2%zz@127.0.0.1:1/db",
		"postgres://user:hun/hunter2@127.0.0.1:1/db",
		"postgres://user:5432/hunter2@127.0.0.1:1/db",
		"postgres://user:hun@hunter2@127.0.0.1:1/db",
		"postgres://user:hun?hunter2@127.0.0.1:1/db",
		"postgres://user:hun#hunter2@127.0.0.1:1/db",
		"postgres://user:hunter2@127.0.0.1:port/db",
		"postgres://user:hunter2@127.0.0.1:1/db?pool_max_conns=many",
		"postgres://user:hunter2@127.0.0.1:1/db?pool_max_conns=0",
		"postgres://user:hunter2@127.0.0.1:1/db?sslmode=perhaps",
		"postgres://user:hunter2@127.0.0.1:1/db?default_query_exec_mode=fast",
		"host=127.0.0.1 port=1 user=user password=hun hunter2 dbname=db",
		"host=127.0.0.1 port=1 user=user password='hunter2 dbname=db",
		"hunter2",
	} {
		_, opened := Open(t.Context(), dsn, Options{})
		for _, err := range []error{opened, Migrate(t.Context(), dsn)} {
			if err == nil || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), "hunter2") {
				t.Errorf("%s: %v", dsn, err)
			}
		}
	}
}

// synchronous_commit=off on the server acknowledges before anything is on disk. It does not reach the store's sessions,
// neither when they begin nor when it is set later; what is safer than the store's own choice stays.
func TestCommitsWaitForTheDiskWhateverTheServerSays(t *testing.T) {
	for server, want := range map[string]string{"off": "on", "on": "on", "local": "local", "remote_apply": "remote_apply"} {
		dsn := migrated(t)
		u := dsn[strings.LastIndex(dsn, "livepipe_test_"):]
		name, _, _ := strings.Cut(u, "?")
		execute(t, dsn, "ALTER DATABASE "+name+" SET synchronous_commit = "+server)
		if got := ask(t, openAt(t, dsn), `SHOW synchronous_commit`); got != want {
			t.Errorf("server says %s: session has %s, want %s", server, got, want)
		}
		if got := ask(t, openAt(t, with(t, dsn, "synchronous_commit", "off")), `SHOW synchronous_commit`); got != "on" {
			t.Errorf("the DSN says off: session has %s", got)
		}
	}
}

func TestSessionSettings(t *testing.T) {
	dsn := migrated(t)
	s := openAt(t, dsn)
	for name, want := range map[string]string{
		"statement_timeout": "10s", "plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "jit": "off", "application_name": "livepipe",
	} {
		if got := ask(t, s, "SHOW "+name); got != want {
			t.Errorf("%s = %s, want %s", name, got, want)
		}
	}
	if got := ask(t, openAt(t, with(t, dsn, "statement_timeout", "1min")), "SHOW statement_timeout"); got != "1min" {
		t.Errorf("statement_timeout of the DSN became %s", got)
	}
}

func TestServerWithoutFsyncIsWarnedOf(t *testing.T) {
	dsn := newDatabaseAt(t, startServer(t, "fsync=off").dsn)
	migratedAs(t, dsn)
	var log conformance.Journal
	s, err := Open(t.Context(), dsn, Options{Logger: log.Logger()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !strings.Contains(log.String(), "power cut") {
		t.Errorf("log %q says nothing", log.String())
	}
}
