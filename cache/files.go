// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// PrivateDir makes dir (0700) with its parents, or checks one that is there: a
// folder, no symbolic link, owned by the effective user, closed to others. A
// folder of another user (sudo with the user's HOME) is refused untouched, and
// nothing is made below one.
func PrivateDir(dir string) error {
	info, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := ownParent(dir); err != nil {
			return err
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		info, err = os.Lstat(dir)
	}
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a folder", dir)
	case !ownedByUs(info):
		return fmt.Errorf("%s belongs to another user", dir)
	case !closed(info):
		return fmt.Errorf("%s is open to other users (mode %04o, want 0700)", dir, info.Mode().Perm())
	}
	return nil
}

// ownParent refuses to create anything below the nearest existing folder when
// that is another ordinary user's.
func ownParent(dir string) error {
	for parent := filepath.Dir(dir); ; parent = filepath.Dir(parent) {
		info, err := os.Stat(parent) // a link to a folder counts as that folder
		if err == nil {
			if !ownedByUs(info) && !shared(info) {
				return fmt.Errorf("%s belongs to another user", parent)
			}
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if parent == filepath.Dir(parent) {
			return nil
		}
	}
}

// shared reports whether everybody may create files in the folder (as in /tmp).
func shared(info fs.FileInfo) bool { return info.Mode().Perm()&0o002 != 0 }

// WriteFile writes content to path (0600): a temporary file in the same folder
// is synced and renamed over it, so that a reader, or the next start after a
// crash, sees the old content or the new.
func WriteFile(path string, content []byte) (err error) {
	temp, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temp.Name())
		}
	}()
	_, err = temp.Write(content)
	if err == nil {
		err = temp.Sync()
	}
	if closeErr := temp.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}

// readPrivate reads a regular file of ours that nobody else may read, of at
// most limit bytes, following no symbolic link.
func readPrivate(path string, limit int64) ([]byte, error) {
	before, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	file, err := os.Open(path) //nolint:gosec // the path is made from a hash
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, err
	case !os.SameFile(before, info):
		return nil, fmt.Errorf("%s changed while it was opened", path)
	case !ownedByUs(info) || !closed(info):
		return nil, fmt.Errorf("%s is not a private file of ours", path)
	case info.Size() > limit:
		return nil, fmt.Errorf("%s is too large", path)
	}
	return io.ReadAll(io.LimitReader(file, limit))
}

// keySize is the length of the cache's random key, in bytes.
const keySize = 32

// loadKey returns the cache's random key and makes it the first time. Of two
// processes that make it at once both use the one that was renamed last; the
// other's entries are misses.
func loadKey(path string) ([]byte, error) {
	key, err := readPrivate(path, keySize)
	if err == nil && len(key) == keySize {
		return key, nil
	}
	key = make([]byte, keySize)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	if err := WriteFile(path, key); err != nil {
		return nil, err
	}
	kept, err := readPrivate(path, keySize)
	if err != nil || len(kept) != keySize {
		return nil, errors.Join(errors.New("the cache's key cannot be kept"), err)
	}
	return bytes.Clone(kept), nil
}
