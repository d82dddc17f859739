package ingress

import (
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/livepipe/livepipe/messages"
)

// scratch is a file that nobody else can open and that is gone when it is closed, or when the process dies.
type scratch struct {
	*os.File
	unlinked bool
}

// copyBuffers hold 64 KiB each while a file is streamed.
var copyBuffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

func newScratch(dir string) (*scratch, error) {
	f, err := os.CreateTemp(dir, "upload-*")
	if err != nil {
		return nil, messages.Unavailable(fmt.Errorf("make temporary file: %w", err))
	}
	// Where open files cannot be removed, close does it.
	return &scratch{File: f, unlinked: os.Remove(f.Name()) == nil}, nil
}

// fill copies r into the file. What the disk refuses is an outage; what r refuses is its own error.
func (s *scratch) fill(r io.Reader) (int64, error) {
	buffer := copyBuffers.Get().(*[64 << 10]byte)
	defer copyBuffers.Put(buffer)
	var total int64
	for {
		n, err := r.Read(buffer[:])
		if _, failed := s.Write(buffer[:n]); failed != nil {
			return total, messages.Unavailable(fmt.Errorf("write temporary file: %w", failed))
		}
		total += int64(n)
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

func (s *scratch) close() {
	_ = s.Close()
	if !s.unlinked {
		_ = os.Remove(s.Name())
	}
}
