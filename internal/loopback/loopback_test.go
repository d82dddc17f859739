package loopback_test

import (
	"testing"

	"github.com/livepipe/livepipe/internal/loopback"
)

func TestIs(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost":           true,
		"127.0.0.1":           true,
		"127.255.0.9":         true,
		"::1":                 true,
		"::ffff:127.0.0.1":    true,
		"":                    false,
		"0.0.0.0":             false,
		"::":                  false,
		"10.0.0.1":            false,
		"localhost.evil.test": false,
		"127.0.0.1.evil.test": false,
		"2130706433":          false,
	} {
		if got := loopback.Is(host); got != want {
			t.Errorf("Is(%q) = %v, want %v", host, got, want)
		}
	}
}
