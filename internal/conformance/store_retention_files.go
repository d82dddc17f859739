package conformance

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/livepipe/livepipe/messages"
)

// retentionFiles: each call returns the uploads of the messages that it deleted and no other's: neither newer ones, nor
// another tenant's, nor one that a message only names and that is another chat's.
func retentionFiles(t *testing.T, s S) {
	second, other := likeChat1()[2], likeChat1()[0] // the other is another tenant's
	for _, u := range []struct {
		chat         messages.Chat
		id, at, file string
		decided      bool
	}{
		{chat1, "msg1", "2024-01-10T00:00:00Z", "media_1", true},
		{chat1, "msg2", "2024-01-11T00:00:00Z", "media_2", false}, // its pending file has to go as well
		{chat1, "msg3", "2024-01-12T00:00:00Z", "", false},
		{chat1, "msg4", "2024-01-13T00:00:00Z", "media_4", true},
		{chat1, "msg5", "2024-01-20T00:00:00Z", "media_newer", true},
		{other, "msg1", "2024-01-10T00:00:00Z", "media_other", true},
		{second, "msg1", "2024-01-14T00:00:00Z", "media_second", true},
		{second, "msg2", "2024-01-14T00:00:00Z", "media_newer", false},
		{second, "msg3", "2024-01-14T00:00:00Z", "media_other", false},
	} {
		e := received(u.chat, u.id, u.at)
		if u.file != "" {
			e.Message.Type, e.Message.Text, e.Message.File = messages.MessageFile, nil, &messages.File{ID: u.file}
		}
		mustSave(t, s, e)
		if !u.decided {
			continue
		}
		if ok, err := s.DecideMedia(t.Context(), decidedMedia(u.chat, u.file)); err != nil || !ok {
			t.Fatalf("DecideMedia = %v, %v", ok, err)
		}
	}
	for _, step := range []struct {
		limit, messages int
		files           []string
	}{
		{2, 2, []string{"media_1", "media_2"}},
		{2, 2, []string{"media_4"}},
		{10, 3, []string{"media_second"}},
		{10, 0, nil},
	} {
		got, err := s.DeleteOlder(t.Context(), chat1.Tenant, january(2024, 16), step.limit)
		slices.Sort(got.Files)
		if err != nil || got.Messages != step.messages || !slices.Equal(step.files, got.Files) {
			t.Fatalf("DeleteOlder = %+v, %v, want %+v", got, err, step)
		}
	}
	for id, of := range map[string]messages.Chat{"media_newer": chat1, "media_other": other} {
		m, err := s.Media(t.Context(), id)
		if diff := cmp.Diff(decidedMedia(of, id), m); diff != "" || err != nil {
			t.Errorf("%s: %v %s", id, err, diff)
		}
	}
}
