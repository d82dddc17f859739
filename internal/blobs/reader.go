package blobs

import (
	"context"
	"errors"
	"io"
	"time"

	"gocloud.dev/blob"
)

// Reader reads one blob. With ModTime it is what http.ServeContent needs. It must be closed and is not for use by
// several goroutines. (gocloud's own reader is not embedded: its WriteTo takes 1 MiB for each copy.)
type Reader struct {
	ctx context.Context // the one given to Get: only that context ends the reading
	key string
	r   *blob.Reader
	at  int64
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	if r.at >= r.Size() {
		return 0, io.EOF
	}
	n, err := r.r.Read(p)
	r.at += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		err = failed(r.ctx, "read", r.key, err)
	}
	return n, err
}

// Seek implements io.Seeker. Places after the end are allowed and read as the end.
func (r *Reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.Size()
	default:
		return 0, errors.New("seek blob: unknown whence")
	}
	if offset < 0 {
		return 0, errors.New("seek blob: place before the start")
	}
	if offset < r.Size() { // gocloud logs the key when asked for more
		if _, err := r.r.Seek(offset, io.SeekStart); err != nil {
			return 0, failed(r.ctx, "seek", r.key, err)
		}
	}
	r.at = offset
	return offset, nil
}

// Close implements io.Closer.
func (r *Reader) Close() error { return failed(r.ctx, "close", r.key, r.r.Close()) }

// Size is the length of the whole blob in bytes.
func (r *Reader) Size() int64 { return r.r.Size() }

// ModTime is when the blob was put.
func (r *Reader) ModTime() time.Time { return r.r.ModTime() }
