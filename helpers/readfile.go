// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// maxFile bounds what is read of any file, in bytes: none that says who
// somebody is comes near.
const maxFile = 4 << 20

// ErrPipe says that a path names a pipe or socket. Libraries that read files
// themselves wait there for ever, so that they must not be started.
var ErrPipe = errors.New("is a pipe, not a file")

// errNotRegular says that a path names a device or a folder, which may never
// end.
var errNotRegular = errors.New("is no regular file")

// readFile reads a regular file whole. It neither waits for whoever might write
// into a pipe nor believes the size that the system tells, which is none for
// what the kernel makes up.
func readFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|nonblock, 0) //nolint:gosec // paths are the user's own
	if err != nil {
		return nil, err //nolint:wrapcheck // as os.ReadFile has it
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err //nolint:wrapcheck // a PathError as well
	}
	if info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) != 0 {
		return nil, &fs.PathError{Op: "read", Path: path, Err: ErrPipe}
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errNotRegular}
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err //nolint:wrapcheck // a PathError as well
	}
	if len(text) > maxFile {
		return nil, &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("has more than %d bytes", maxFile)}
	}
	return text, nil
}
