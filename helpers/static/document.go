// SPDX-License-Identifier: Apache-2.0

package static

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// formatVersion is the version of the files' format that this program writes,
// and the highest that it reads.
const formatVersion = 1

// errNoFolder says that the environment names no place for files of ours.
var errNoFolder = &fileError{
	Path: "the data folder", Why: "is nowhere: neither HOME nor XDG_DATA_HOME is set",
	Next: "set HOME, or set REGAUTH_STORE to a keychain",
}

// corruptError says that a file is not what we wrote. It is not touched before
// the next login is stored, which moves it aside.
type corruptError struct {
	Path string
	Why  string
}

// Error returns the path and what is damaged, without the content.
func (e *corruptError) Error() string { return e.Path + " is damaged: " + e.Why }

// document is a private JSON file of ours: an object with a version and one
// member that holds entries by key. Members and entries that this version does
// not know are kept as they are.
type document struct {
	dir   string // "" where there is no place for files
	name  string // of the file
	field string // the member that holds the entries
}

// content is what is in a document.
type content struct {
	members map[string]json.RawMessage
	entries map[string]json.RawMessage
}

func emptyContent() content {
	return content{members: map[string]json.RawMessage{}, entries: map[string]json.RawMessage{}}
}

func (d document) path() string { return filepath.Join(d.dir, d.name) }

// read returns the entries, none when there is no file. It needs no lock: the
// file is only ever replaced whole.
func (d document) read() (content, error) {
	if d.dir == "" {
		return emptyContent(), nil
	}
	err := checkDir(d.dir)
	var text []byte
	if err == nil {
		text, err = readPrivate(d.path())
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return emptyContent(), nil
	case err != nil:
		return content{}, err
	}
	return d.parse(text)
}

// parse checks a file's content. The JSON decoder's own words are not passed
// on: they may quote a secret.
func (d document) parse(text []byte) (content, error) {
	c := emptyContent()
	damaged := func(why string) (content, error) {
		return content{}, &corruptError{Path: d.path(), Why: why}
	}
	if json.Unmarshal(text, &c.members) != nil || c.members == nil {
		return damaged("it is not a JSON object")
	}
	var version int
	if json.Unmarshal(c.members["version"], &version) != nil || version < 1 {
		return damaged("it has no version")
	}
	if version > formatVersion {
		return content{}, &fileError{
			Path: d.path(), Why: "was written by a newer version of regauth", Next: "update this one",
		}
	}
	if entries, ok := c.members[d.field]; ok {
		if json.Unmarshal(entries, &c.entries) != nil {
			return damaged("its " + d.field + " are not a JSON object")
		}
	}
	if c.entries == nil {
		c.entries = map[string]json.RawMessage{}
	}
	return c, nil
}

// update lets change edit the entries, alone among all processes, and writes
// them if it reports a change. A damaged file is moved aside when aside is set,
// else it is an error.
func (d document) update(ctx context.Context, aside bool, change func(map[string]json.RawMessage) (bool, error)) error {
	if d.dir == "" {
		return errNoFolder
	}
	if err := makeDir(d.dir); err != nil {
		return err
	}
	unlock, err := lock(ctx, d.path()+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	sweep(d.path())
	c, err := d.read()
	var corrupt *corruptError
	if aside && errors.As(err, &corrupt) {
		c, err = emptyContent(), d.moveAside()
	}
	if err != nil {
		return err
	}
	if changed, err := change(c.entries); err != nil || !changed {
		return err
	}
	return d.write(c)
}

func (d document) write(c content) error {
	entries, err := encode(c.entries)
	if err != nil {
		return err
	}
	c.members["version"] = json.RawMessage(fmt.Sprint(formatVersion))
	c.members[d.field] = entries
	text, err := encode(c.members)
	if err != nil {
		return err
	}
	return writePrivate(d.path(), text)
}

// maxAside bounds how many damaged files are kept beside the good one.
const maxAside = 1000

// moveAside renames the damaged file to the first free NAME.corrupt-N.
func (d document) moveAside() error {
	for n := 1; n <= maxAside; n++ {
		free := fmt.Sprintf("%s.corrupt-%d", d.path(), n)
		if _, err := os.Lstat(free); errors.Is(err, fs.ErrNotExist) {
			if err := os.Rename(d.path(), free); err != nil {
				return &fileError{Path: d.path(), Why: "is damaged and cannot be moved aside", Err: err}
			}
			return nil
		}
	}
	return &fileError{Path: d.path(), Why: "is damaged and too many such files lie beside it"}
}

// encode is json.Marshal, indented and without escapes for HTML.
func encode(value any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(value)
	return text.Bytes(), err
}
