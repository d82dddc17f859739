package postgres

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// connectTimeout bounds one attempt to connect: a few round trips and a fork on the server's side.
	connectTimeout = 5 * time.Second
	// pingTimeout bounds the look at a connection that was idle: one round trip. Behind a dead network it is what a call
	// waits before it tries another connection.
	pingTimeout = 2 * time.Second
	// idleTime is how long a connection of a burst is kept. A server has 100 connections by default, and a fork costs
	// milliseconds.
	idleTime = 5 * time.Minute
	// lifetimeJitter keeps connections that were made together from ending together.
	lifetimeJitter = 6 * time.Minute
)

// defaultConns is the size of the pool unless the DSN says. A write waits for the disk most of its time, and PostgreSQL
// flushes once for all that wait, so more connections than CPUs pay; above 16 they only queue in another place.
func defaultConns() int32 { return int32(min(16, max(4, 4*runtime.GOMAXPROCS(0)))) }

// errDSN quotes nothing: a DSN that cannot be read may hold its password anywhere.
var errDSN = errors.New("the PostgreSQL address cannot be read: " +
	"it must be postgres://USER:PASSWORD@HOST:PORT/DATABASE?SETTING=VALUE with special characters percent-encoded")

// parse reads a DSN and fills in what it leaves open.
func parse(dsn string) (*pgxpool.Config, error) {
	given, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, errDSN
	}
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, errDSN
	}
	conn := config.ConnConfig
	// A password with a bare @ or / in it would spill into what errors name.
	for _, named := range []string{conn.Host, conn.Database} {
		if strings.Contains(named, "@") {
			return nil, errDSN
		}
	}
	has := func(setting string) bool { _, ok := given.RuntimeParams[setting]; return ok }
	if !has("pool_max_conns") {
		config.MaxConns = defaultConns()
	}
	if !has("pool_max_conn_idle_time") {
		config.MaxConnIdleTime = idleTime
	}
	if !has("pool_max_conn_lifetime_jitter") {
		config.MaxConnLifetimeJitter = lifetimeJitter
	}
	if !has("pool_ping_timeout") {
		config.PingTimeout = pingTimeout
	}
	if !has("application_name") {
		conn.RuntimeParams["application_name"] = "livepipe"
	}
	if conn.ConnectTimeout == 0 {
		conn.ConnectTimeout = connectTimeout
	}
	settings := session(has)
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.PgConn().Exec(ctx, settings).ReadAll()
		return err
	}
	return config, nil
}

// session is the statement that each connection begins with. The settings go in a query and not with the connection's
// start, because poolers refuse what they do not know there.
func session(given func(setting string) bool) string {
	var b strings.Builder
	// A commit that is acknowledged is on disk, whatever the server's default, now or after a reload; what is stronger
	// than "on" stays.
	b.WriteString(`SELECT set_config('synchronous_commit',
		CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)`)
	for _, s := range []struct{ name, value string }{
		// Statements take milliseconds; above 10 s somebody holds a lock or the disk is gone.
		{"statement_timeout", "10s"},
		// A client that vanished in the middle of a call holds its chat's lock until its connection is given up: after
		// 15 + 3 x 5 s, where the system's own default is two hours.
		{"tcp_keepalives_idle", "15"},
		{"tcp_keepalives_interval", "5"},
		{"tcp_keepalives_count", "3"},
		// Every statement here walks an index for a few rows. Left to its statistics the planner sorts or scans a whole
		// chat whenever they are missing or old, as after a restore; so it is held to one plan, made once.
		{"plan_cache_mode", "force_generic_plan"},
		{"enable_seqscan", "off"},
		{"enable_sort", "off"},
		// Compiling such a statement takes 20 ms, running it less than one.
		{"jit", "off"},
	} {
		if !given(s.name) {
			b.WriteString(`, set_config('` + s.name + `', '` + s.value + `', false)`)
		}
	}
	return b.String()
}
