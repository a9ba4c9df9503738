// SPDX-License-Identifier: Apache-2.0

package static

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"
	"github.com/rogpeppe/go-internal/robustio"
)

// maxFile bounds a file of ours, in bytes.
const maxFile = 16 << 20

// fileError says what is wrong with a file or folder of ours.
type fileError struct {
	Path string
	Why  string // follows the path in a sentence
	Next string // the command that mends it, if there is one
	Err  error  // from the system, or nil
}

// Error begins with the path, and leaves out Next.
func (e *fileError) Error() string {
	if e.Err != nil {
		return e.Path + " " + e.Why + ": " + e.Err.Error()
	}
	return e.Path + " " + e.Why
}

// Unwrap returns the system's error.
func (e *fileError) Unwrap() error { return e.Err }

// checkDir accepts only a folder of our own that is closed to others: in any
// other, somebody else could put a file in place of ours. The error wraps
// fs.ErrNotExist when there is none.
func checkDir(dir string) error {
	info, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return err
	case err != nil:
		return &fileError{Path: dir, Why: "cannot be examined", Err: err}
	case !info.IsDir():
		return &fileError{Path: dir, Why: "is not a folder, or is a symbolic link, which is not followed"}
	}
	return checkOwner(dir, info, "0700")
}

// checkOwner refuses what belongs to another user or is open to others.
func checkOwner(path string, info fs.FileInfo, want string) error {
	switch {
	case !ownedByUs(info):
		return &fileError{
			Path: path, Why: "belongs to another user",
			Next: `sudo chown "$(id -un)" ` + path,
		}
	case !closed(info):
		return &fileError{
			Path: path, Why: fmt.Sprintf("is open to other users (mode %04o, want %s)", info.Mode().Perm(), want),
			Next: "chmod " + want + " " + path,
		}
	}
	return nil
}

// makeDir makes dir (0700) with its parents, or checks the one that is there.
// Below another user's folder (sudo with the user's HOME) nothing is made: its
// owner could not use it afterwards.
func makeDir(dir string) error {
	err := checkDir(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for parent := filepath.Dir(dir); ; parent = filepath.Dir(parent) {
		info, err := os.Stat(parent)
		if err == nil && !ownedByUs(info) && info.Mode().Perm()&0o002 == 0 {
			return &fileError{Path: parent, Why: "belongs to another user, so nothing is kept below it"}
		}
		if err == nil || parent == filepath.Dir(parent) {
			break
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return &fileError{Path: dir, Why: "cannot be made", Err: err}
	}
	return checkDir(dir)
}

// readPrivate reads a regular file of ours that nobody else may read, following
// no symbolic link. The error wraps fs.ErrNotExist when there is none.
func readPrivate(path string) ([]byte, error) {
	const tries = 20 // of 10 ms: a system may refuse a file that is just being replaced
	for try := 1; ; try++ {
		text, err := readOnce(path)
		if err == nil || errors.Is(err, fs.ErrNotExist) || try == tries || !robustio.IsEphemeralError(err) {
			return text, err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func readOnce(path string) ([]byte, error) {
	before, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, err
	case err != nil:
		return nil, &fileError{Path: path, Why: "cannot be examined", Err: err}
	case !before.Mode().IsRegular():
		return nil, &fileError{Path: path, Why: "is no regular file; symbolic links are not followed"}
	}
	file, err := os.Open(path) //nolint:gosec // a fixed name in our own folder
	if err != nil {
		return nil, &fileError{Path: path, Why: "cannot be opened", Err: err}
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, &fileError{Path: path, Why: "cannot be examined", Err: err}
	}
	if err := checkOwner(path, info, "0600"); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = errors.New("it is too large")
	}
	if err != nil {
		return nil, &fileError{Path: path, Why: "cannot be read", Err: err}
	}
	return text, nil
}

// tempMark stands in the names of temporary files; see [sweep].
const tempMark = ".tmp-"

// writePrivate writes content to path (0600): a temporary file in the same
// folder is synced and renamed over it, so that a reader, or the next start
// after a crash, sees the old content or the new.
func writePrivate(path string, content []byte) (err error) {
	defer func() {
		if err != nil {
			err = &fileError{Path: path, Why: "cannot be written", Err: err}
		}
	}()
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+tempMark+"*")
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
	if err := robustio.Rename(temp.Name(), path); err != nil {
		return err
	}
	syncDir(filepath.Dir(path))
	return nil
}

// sweep removes the temporary files that killed writers of path left behind.
// They may hold secrets. The caller holds the lock, so that none is in use.
func sweep(path string) {
	dir, base := filepath.Split(path)
	names, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, entry := range names {
		if strings.HasPrefix(entry.Name(), base+tempMark) {
			_ = os.Remove(filepath.Join(dir, entry.Name()))
		}
	}
}

// lock takes the lock file at path, across processes, and returns what lets go
// of it. The system lets go when the process ends, however it ends. A context
// that is over before it begins is no other process's fault.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, &fileError{Path: path, Why: "was not locked, as no time was left", Err: err}
	}
	type answer struct {
		file *lockedfile.File
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		file, err := lockedfile.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		answers <- answer{file, err}
	}()
	select {
	case got := <-answers:
		if got.err != nil {
			return nil, &fileError{Path: path, Why: "cannot be locked", Err: got.err}
		}
		return func() { _ = got.file.Close() }, nil
	case <-ctx.Done():
		go func() {
			if got := <-answers; got.err == nil {
				_ = got.file.Close()
			}
		}()
		return nil, &fileError{Path: path, Why: "is locked by another process", Err: ctx.Err()}
	}
}
