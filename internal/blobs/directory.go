package blobs

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
)

const (
	directoryMode = 0o700
	// staging is where blobs are written before they get their key: inside the store, because a rename is atomic only
	// within one file system, and in one place, so that what a crash left is found without walking the store.
	staging = "tmp"
	// strandedAfter is far longer than any upload takes: a staged file that old has lost its writer.
	strandedAfter = 24 * time.Hour
)

// directory adds to gocloud's fileblob what it lacks: fsync, and a create that is atomic between processes (fileblob's
// IfNotExist is a stat followed by a rename).
type directory struct {
	root   string
	bucket *blob.Bucket
	fsync  func(*os.File) error // a field, so that tests can count and fail it
	known  sync.Map             // directories whose own entry is on disk: at most one for each kind of blob
}

// directoryPath reports whether the URL names a directory, and which.
func directoryPath(raw string) (string, bool, error) {
	scheme, _, isURL := strings.Cut(raw, "://")
	switch {
	case !isURL && isDirectory(raw):
		return raw, true, nil
	case !isURL:
		return "", false, errNoPlace
	case scheme != fileblob.Scheme:
		return "", false, nil
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host != "" && u.Host != "localhost" || u.Path == "" || u.RawQuery != "" {
		return "", false, errors.New("a file URL has the form file:///directory")
	}
	return filepath.FromSlash(u.Path), true, nil
}

// isDirectory reports whether a path says that it is one.
func isDirectory(path string) bool {
	first, _, _ := strings.Cut(filepath.ToSlash(path), "/")
	return filepath.IsAbs(path) || first == "." || first == ".."
}

func openDirectory(root string) (*Store, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("open blob directory: %w", err)
	}
	d := &directory{root: root, fsync: (*os.File).Sync}
	if err := d.makeDurable(filepath.Join(root, staging)); err != nil {
		return nil, fmt.Errorf("open blob directory: %w", err)
	}
	d.bucket, err = fileblob.OpenBucket(root, &fileblob.Options{
		DirFileMode: directoryMode,
		NoTempDir:   true,
		Metadata:    fileblob.MetadataDontWrite,
	})
	if err != nil {
		return nil, fmt.Errorf("open blob directory: %w", err)
	}
	if err := d.sweep(time.Now().Add(-strandedAfter)); err != nil {
		return nil, fmt.Errorf("open blob directory: %w", err)
	}
	return &Store{bucket: d.bucket, writer: d}, nil
}

// put stages the blob, then renames it over its key.
func (d *directory) put(ctx context.Context, key string, r io.Reader, contentType string) error {
	staged, err := d.stage(ctx, r, contentType)
	if err != nil {
		return err
	}
	defer os.Remove(staged) // does nothing after the rename
	isNew := false
	err = d.enter(key, func(final string) error {
		_, err := os.Lstat(final)
		fresh := errors.Is(err, fs.ErrNotExist)
		err = os.Rename(staged, final)
		isNew = fresh && err == nil
		return err
	})
	if err != nil && isNew {
		os.Remove(d.path(key)) // a failed Put leaves nothing new to read, and takes nothing old away
	}
	return err
}

// create stages the blob, then links it to its key: link(2) fails if the name exists, whichever process made it. The
// loser syncs the directory too: the winner may not have come that far, and the loser's answer rests on its record.
// After a failed sync the record stays, because another caller may have answered with it by now.
func (d *directory) create(ctx context.Context, key string, value []byte) (created bool, err error) {
	staged, err := d.stage(ctx, bytes.NewReader(value), "")
	if err != nil {
		return false, err
	}
	defer os.Remove(staged)
	err = d.enter(key, func(final string) error {
		err := os.Link(staged, final)
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		created = err == nil
		return err
	})
	return created && err == nil, err
}

func (d *directory) remove(ctx context.Context, key string) error { return d.bucket.Delete(ctx, key) }

// enter gives a staged file its key by the given step and brings the new name to disk.
func (d *directory) enter(key string, step func(final string) error) error {
	final := d.path(key)
	err := d.makeDurable(filepath.Dir(final))
	if err == nil {
		err = step(final)
	}
	if err == nil {
		err = d.syncDirectory(filepath.Dir(final))
	}
	if err != nil {
		d.known.Clear() // somebody may have removed a directory under us: the next call makes it again
	}
	return err
}

// stage writes and fsyncs a file in the staging directory and returns its path.
func (d *directory) stage(ctx context.Context, r io.Reader, contentType string) (string, error) {
	key := path.Join(staging, rand.Text())
	var f *os.File
	opts := &blob.WriterOptions{
		ContentType: contentType,
		BeforeWrite: func(as func(any) bool) error {
			if !as(&f) {
				return errors.New("fileblob gives no file to fsync")
			}
			return nil
		},
	}
	err := writeThen(ctx, d.bucket, key, r, opts, func() error { return d.fsync(f) })
	if err != nil {
		return "", err
	}
	return d.path(key), nil
}

// makeDurable makes the directory and what leads to it; the entry of each is on disk when it returns. The root and what
// is above it are left alone if they exist: they belong to the operator.
func (d *directory) makeDurable(dir string) error {
	if _, ok := d.known.Load(dir); ok {
		return nil
	}
	if len(dir) <= len(d.root) {
		if _, err := os.Stat(dir); err == nil {
			return nil
		}
	}
	if err := d.makeDurable(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, directoryMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := d.syncDirectory(filepath.Dir(dir)); err != nil {
		return err
	}
	d.known.Store(dir, true)
	return nil
}

func (d *directory) syncDirectory(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return d.fsync(f)
}

// sweep removes what writers left behind that died before the given time.
func (d *directory) sweep(before time.Time) error {
	dir := filepath.Join(d.root, staging)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.ModTime().Before(before) {
			continue // gone meanwhile, or still being written
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (d *directory) path(key string) string { return filepath.Join(d.root, filepath.FromSlash(key)) }
