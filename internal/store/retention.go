package store

// Deleted is what one DeleteOlder has deleted.
type Deleted struct {
	Messages int
	// Files are the media ids of the uploads among the messages, decided or not, in no order. No row names them any more, so
	// nobody but the caller knows that their blobs have to go.
	Files []string
}

// Add counts what another call has deleted.
func (d *Deleted) Add(more Deleted) {
	d.Messages += more.Messages
	d.Files = append(d.Files, more.Files...)
}
