package secrets

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"
)

// Load reads the key from a file, and makes one of 256 random bits, readable by its owner only, when there is none. A
// file that anybody else may read is refused: whoever reads it and the store has every secret. Errors name the file and
// quote nothing of it.
func Load(path string) (*Key, error) {
	text, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(path); err != nil {
			return nil, fmt.Errorf("make secret key (LIVEPIPE_SECRET_KEY_FILE): %w", err)
		}
		text, err = read(path) // of whoever was first
	}
	if err != nil {
		return nil, fmt.Errorf("read secret key (LIVEPIPE_SECRET_KEY_FILE): %w", err)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(key) != chacha20poly1305.KeySize {
		return nil, fmt.Errorf("read secret key (LIVEPIPE_SECRET_KEY_FILE): %s must hold the base64 of 32 random bytes", path)
	}
	return newKey(key)
}

// maxFile is more than the 44 characters of a key, and bounds what is read of a wrong file.
const maxFile = 1024

func read(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	if mode := info.Mode(); !mode.IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", path)
	} else if open := mode.Perm() & 0o077; open != 0 && runtime.GOOS != "windows" { // Windows has no such bits
		return "", fmt.Errorf("%s has mode %#o, so that others can read it: chmod 600 it", path, mode.Perm())
	}
	text, err := io.ReadAll(io.LimitReader(file, maxFile))
	return string(text), err
}

// create writes a new key whole or not at all: a link is made only when there is no such name, so that of two processes
// that start together one makes the key and both read it.
func create(path string) error {
	key := make([]byte, chacha20poly1305.KeySize)
	rand.Read(key) // never fails: crypto/rand ends the process instead
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	temporary, err := os.CreateTemp(dir, ".secret-key-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.WriteString(base64.StdEncoding.EncodeToString(key) + "\n")
	if err := errors.Join(err, temporary.Sync(), temporary.Close()); err != nil {
		return err
	}
	if err := os.Link(temporary.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(dir)
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync() // the new name must survive a power cut as its content does
}
