// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// maxMark bounds the small files without secrets, in bytes.
const maxMark = 8 << 10

// Mark says that a host was last answered with a credential.
type Mark struct {
	Host     string `json:"host"`     // as the client's list shall show it
	Username string `json:"username"` // no secret
	// Answer stands for user name and secret: their HMAC under the cache's key.
	// Set by the cache.
	Answer string `json:"answer"`
}

// Answered remembers that host was answered at now with the mark's user name
// and secret; [Cache.Marks] lists it.
func (c *Cache) Answered(host string, mark Mark, secret string, now time.Time) error {
	if c == nil {
		return nil
	}
	mark.Answer = c.answer(mark.Username, secret)
	path := filepath.Join(c.dir, "answered", hash(host))
	text, err := json.Marshal(mark)
	if err != nil {
		return err
	}
	if kept, err := readPrivate(path, maxMark); err == nil && string(kept) == string(text) {
		return os.Chtimes(path, now, now)
	}
	if err := PrivateDir(filepath.Dir(path)); err != nil {
		return err
	}
	if err := WriteFile(path, text); err != nil {
		return err
	}
	return os.Chtimes(path, now, now)
}

// storeBack is how long after an answer a client stores it back: docker does
// so as soon as the registry accepted it. Whoever stores the same later means
// it.
const storeBack = 2 * time.Minute

// Gave reports whether user name and secret are a token that is kept for host,
// or what it was answered with a moment before now.
func (c *Cache) Gave(host, username, secret string, now time.Time) bool {
	if c == nil {
		return false
	}
	for _, entry := range c.read(c.hostDir(host)) {
		if entry.Username == username && entry.Secret == secret {
			return true
		}
	}
	var mark Mark
	path := filepath.Join(c.dir, "answered", hash(host))
	info, err := os.Lstat(path)
	if err != nil || now.Sub(info.ModTime()).Abs() > storeBack {
		return false
	}
	text, err := readPrivate(path, maxMark)
	return err == nil && json.Unmarshal(text, &mark) == nil && mark.Answer == c.answer(username, secret)
}

func (c *Cache) answer(username, secret string) string {
	return c.world.hmac("answer", username, secret)
}

// Forget removes the mark of host.
func (c *Cache) Forget(host string) error {
	if c == nil {
		return nil
	}
	err := os.Remove(filepath.Join(c.dir, "answered", hash(host)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Marks returns the hosts that were last answered.
func (c *Cache) Marks() []Mark {
	if c == nil {
		return nil
	}
	dir := filepath.Join(c.dir, "answered")
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var marks []Mark
	for _, name := range names {
		text, err := readPrivate(filepath.Join(dir, name.Name()), maxMark)
		var mark Mark
		if err == nil && json.Unmarshal(text, &mark) == nil && mark.Host != "" {
			marks = append(marks, mark)
		}
	}
	return marks
}

// machineFact is what Remember keeps.
type machineFact struct {
	Boot   string `json:"boot"`
	Answer bool   `json:"answer"`
}

// Remember returns ask's answer and keeps it until the machine is started anew.
// Where the system tells no boot id, ask is called each time.
func (c *Cache) Remember(name string, ask func() bool) bool {
	if c == nil {
		return ask()
	}
	boot := c.world.BootID()
	if boot == "" {
		return ask()
	}
	path := filepath.Join(c.dir, "machine", hash(name))
	var fact machineFact
	text, err := readPrivate(path, maxMark)
	if err == nil && json.Unmarshal(text, &fact) == nil && fact.Boot == boot {
		return fact.Answer
	}
	fact = machineFact{Boot: boot, Answer: ask()}
	if text, err = json.Marshal(fact); err == nil && PrivateDir(filepath.Dir(path)) == nil {
		_ = WriteFile(path, text) // remembering is only a saving
	}
	return fact.Answer
}
