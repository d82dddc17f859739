package messages_test

import (
	"testing"

	"github.com/livepipe/livepipe/messages"
)

func TestEventIDDependsOnWhatTheProviderCallsTheEvent(t *testing.T) {
	base := origin()
	id := func(o messages.Origin, typ messages.Type, parts ...string) string {
		return messages.EventID(o, typ, parts...)
	}
	first := id(base, messages.TypeMessageReceived, "chat", "msg")
	if want := "evt_"; len(first) != len(want)+32 || first[:4] != want {
		t.Fatalf("id %q, want evt_ and 32 characters (160 bits)", first)
	}

	otherUser := base
	otherUser.User = "somebody else"
	if id(otherUser, messages.TypeMessageReceived, "chat", "msg") != first {
		t.Error("the user of the identifier is part of the key")
	}

	otherOrg, otherLiveChat, otherChannel := base, base, base
	otherOrg.Org, otherLiveChat.LiveChat, otherChannel.Channel = "org124", "lc-780", "whatsapp"
	for what, got := range map[string]string{
		"org":         id(otherOrg, messages.TypeMessageReceived, "chat", "msg"),
		"livechat":    id(otherLiveChat, messages.TypeMessageReceived, "chat", "msg"),
		"channel":     id(otherChannel, messages.TypeMessageReceived, "chat", "msg"),
		"type":        id(base, messages.TypeDeliveryUpdated, "chat", "msg"),
		"parts":       id(base, messages.TypeMessageReceived, "chat", "msg2"),
		"part limits": id(base, messages.TypeMessageReceived, "chatm", "sg"),
	} {
		if got == first {
			t.Errorf("%s is not part of the key", what)
		}
	}
}

func TestLaneIsTheConversation(t *testing.T) {
	a, b := origin(), origin()
	b.ChatID = "chat_other"
	if a.Lane() == b.Lane() {
		t.Error("two chats share a lane")
	}
	b = origin()
	b.User = "somebody else"
	if a.Lane() != b.Lane() {
		t.Error("one chat has two lanes")
	}
	if a.Lane() == a.Lane("crm") || a.Lane("crm") == a.Lane("audit") {
		t.Error("destinations share a lane")
	}
}

func TestMediaID(t *testing.T) {
	a, b := messages.NewMediaID(), messages.NewMediaID()
	if a == b || !messages.IsMediaID(a) {
		t.Fatalf("got %q and %q", a, b)
	}
	for _, bad := range []string{"", "media_", "media_abc", a + "a", "../" + a, a[:len(a)-1] + "/", "MEDIA_" + a[6:], a[:len(a)-1] + "1"} {
		if messages.IsMediaID(bad) {
			t.Errorf("%q passes as a media id", bad)
		}
	}
}

func TestRanks(t *testing.T) {
	last := 0
	for _, s := range messages.Statuses() {
		rank, ok := s.Rank()
		if !ok || rank <= last {
			t.Errorf("%s: rank %d after %d", s, rank, last)
		}
		last = rank
	}
	if _, ok := messages.Status("seen").Rank(); ok {
		t.Error("an unknown status has a rank")
	}
}

func TestParseTimeIsRFC3339ToTheLetter(t *testing.T) {
	for s, ok := range map[string]bool{
		"2024-01-15T10:30:00Z":             true,
		"2024-01-15T10:30:00.123456+01:00": true,
		"2024-01-15T10:30:00":              false,
		"2024-01-15 10:30:00Z":             false,
		"2024-01-15T10:30:00,5Z":           false,
		"2024-01-15T10:30:00-00:00":        true,
		"2024-01-15T10:30:00+23:59":        true,
		"2024-01-15T10:30:00+24:00":        false,
		"2024-01-15T10:30:00-24:00":        false,
		"2024-01-15T10:30:00+99:00":        false,
		"2024-01-15T10:30:00+01:60":        false,
		"2024-01-15T10:30:00.5+00:60":      false,
		"2024-01-15T10:30:00+0100":         false,
		"2024-01-15T1:30:00Z":              false,
		"2024-01-15T1:30:00.5Z":            false,
		"2024-01-15T24:00:00Z":             false,
		"2024-01-15T10:30Z":                false,
		"2024-01-15t10:30:00Z":             false, // RFC 3339 leaves small letters to applications: readers get the time as
		"2024-01-15T10:30:00z":             false, // it was sent, and not every reader takes them
		"2016-12-31T23:59:60Z":             false, // a leap second: no clock here can name it
		"2024-02-30T10:30:00Z":             false,
		"1705314600":                       false,
		"":                                 false,
	} {
		if _, err := messages.ParseTime(s); (err == nil) != ok {
			t.Errorf("%q: %v", s, err)
		}
	}
}
