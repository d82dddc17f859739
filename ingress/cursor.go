package ingress

import (
	"encoding/base64"
	"encoding/binary"

	"github.com/livepipe/livepipe/internal/store"
)

// cursorVersion lets a later release change what stands in a cursor and refuse the old ones.
const cursorVersion = 1

// cursorText is a place in a chat, opaque to callers. It holds nothing that its reader has not been told, and a forged
// one only names another place in the same chat.
func cursorText(c store.Cursor) string {
	if c.IsZero() {
		return ""
	}
	var b [17]byte
	b[0] = cursorVersion
	binary.BigEndian.PutUint64(b[1:], uint64(c.CreatedAt))
	binary.BigEndian.PutUint64(b[9:], uint64(c.Arrival))
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func parseCursor(text string) (store.Cursor, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != 17 || b[0] != cursorVersion {
		return store.Cursor{}, false
	}
	c := store.Cursor{
		CreatedAt: int64(binary.BigEndian.Uint64(b[1:])),
		Arrival:   int64(binary.BigEndian.Uint64(b[9:])),
	}
	return c, !c.IsZero()
}
