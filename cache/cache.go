// SPDX-License-Identifier: Apache-2.0

// Package cache keeps short-lived tokens on disk: who they are for, until when
// they hold, and the local facts that decided them. It knows no registry and
// no cloud, and imports nothing of this program.
//
// On disk it is one folder (mode 0700, owned by the effective user) with one
// file (0600) an entry:
//
//	CACHEDIR.TAG                     tells backup programs to leave it out
//	key                              random; keys the HMAC of recorded inputs
//	tokens/HASH(host)/HASH(key, identity).json
//	answered/HASH(host)              hosts that were last answered; no secret
//	machine/NAME                     facts that hold until the next boot
//
// Every write is a temporary file that is synced and renamed. Whatever cannot
// be read is a miss, never a failure.
package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// maxEntry bounds an entry file, in bytes.
const maxEntry = 1 << 20

// Entry is one token.
type Entry struct {
	Host     string    `json:"host"`     // the registry asked for
	Key      string    `json:"key"`      // Host, or Host with the path rule that chose the identity
	Identity string    `json:"identity"` // whose token it is; printable, no secret
	Source   string    `json:"source"`   // where the identity was found, for people
	Username string    `json:"username"`
	Secret   string    `json:"secret"`
	Issued   time.Time `json:"issued"`  // by the local clock, at receipt
	Expires  time.Time `json:"expires"` // by the issuer
	Inputs   []Input   `json:"inputs"`  // what must be unchanged for the entry to hold
}

// State is the age of an entry.
type State int

// The states of an entry, by its true expiry.
const (
	Expired State = iota // never handed out
	Dying                // replaced first, handed out only if that fails
	Aging                // handed out; worth replacing
	Fresh                // handed out
)

// String returns "fresh", "aging", "dying" or "expired".
func (s State) String() string {
	return [...]string{"expired", "dying", "aging", "fresh"}[s]
}

// dyingAtMost bounds the last part of a token's life in which it is replaced
// before it is used: a pull that starts now may take this long.
const dyingAtMost = 15 * time.Minute

// State judges the entry at now. A token is aging past half of its life and
// dying when less than the smaller of 15 min and a fifth of its life remains.
// An entry from the future (the clock was set back) is expired: nothing can be
// said about it.
func (e Entry) State(now time.Time) State {
	life, left := e.Expires.Sub(e.Issued), e.Expires.Sub(now)
	switch {
	case left <= 0 || life <= 0 || now.Before(e.Issued):
		return Expired
	case left < min(dyingAtMost, life/5):
		return Dying
	case left < life/2:
		return Aging
	}
	return Fresh
}

// Cache is an open cache. The nil *Cache is a cache that is off: it finds and
// keeps nothing.
type Cache struct {
	dir   string
	world World
}

// Open opens the cache in dir, whose parents it makes when there is none. It
// fails when the folder cannot be made, is not the effective user's own or can
// be entered by others: then the caller goes on without a cache and says why.
func Open(dir string, world World) (*Cache, error) {
	if !filepath.IsAbs(dir) {
		return nil, errors.New("no absolute path for the cache")
	}
	if err := PrivateDir(dir); err != nil {
		return nil, err
	}
	tag := filepath.Join(dir, "CACHEDIR.TAG")
	if _, err := os.Lstat(tag); errors.Is(err, fs.ErrNotExist) {
		if err := WriteFile(tag, []byte(cacheTag)); err != nil {
			return nil, err
		}
	}
	key, err := loadKey(filepath.Join(dir, "key"))
	if err != nil {
		return nil, err
	}
	world.key = key
	return &Cache{dir: dir, world: world}, nil
}

// cacheTag is the content that https://bford.info/cachedir/ asks for.
const cacheTag = "Signature: 8a477f597d28d172789f06886806bc55\n" +
	"# This folder holds short-lived registry tokens of docker-credential-regauth.\n"

// Dir returns the cache's folder, "" when it is off.
func (c *Cache) Dir() string {
	if c == nil {
		return ""
	}
	return c.dir
}

// Lookup returns the entries under key for host that have not expired at now
// and whose inputs are unchanged, the one that lasts longest first.
func (c *Cache) Lookup(host, key string, now time.Time) []Entry {
	if c == nil {
		return nil
	}
	var found []Entry
	for _, entry := range c.read(c.hostDir(host)) {
		if entry.Host == host && entry.Key == key && entry.State(now) != Expired && c.world.holds(entry.Inputs) {
			found = append(found, entry)
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].Expires.After(found[j].Expires) })
	return found
}

// Put keeps the entry with the present values of its inputs, over one of the
// same host, key and identity. It removes what has expired at now.
func (c *Cache) Put(entry Entry, now time.Time) error {
	if c == nil {
		return nil
	}
	inputs, ok := c.world.measure(entry.Inputs)
	if !ok {
		return errors.New("an input of the entry cannot be measured")
	}
	entry.Inputs = inputs
	text, err := json.Marshal(entry)
	if err != nil {
		return err
	}
	c.prune(now)
	dir := c.hostDir(entry.Host)
	if err := PrivateDir(dir); err != nil {
		return err
	}
	return WriteFile(filepath.Join(dir, hash(entry.Key, entry.Identity)+".json"), text)
}

// Drop forgets every token of host, and that it was answered.
func (c *Cache) Drop(host string) error {
	if c == nil {
		return nil
	}
	return errors.Join(os.RemoveAll(c.hostDir(host)), c.Forget(host))
}

// List returns every readable entry, expired ones included, sorted by host and
// key.
func (c *Cache) List() []Entry {
	if c == nil {
		return nil
	}
	var all []Entry
	for _, dir := range c.hostDirs() {
		all = append(all, c.read(dir)...)
	}
	sort.Slice(all, func(i, j int) bool {
		if all[i].Host != all[j].Host {
			return all[i].Host < all[j].Host
		}
		return all[i].Key < all[j].Key
	})
	return all
}

// Live returns the entries of [Cache.List] that have not expired at now and
// whose inputs are unchanged: those that a Lookup would find.
func (c *Cache) Live(now time.Time) []Entry {
	var live []Entry
	for _, entry := range c.List() {
		if entry.State(now) != Expired && c.world.holds(entry.Inputs) {
			live = append(live, entry)
		}
	}
	return live
}

func (c *Cache) hostDir(host string) string {
	return filepath.Join(c.dir, "tokens", hash(host))
}

func (c *Cache) hostDirs() []string {
	names, err := os.ReadDir(filepath.Join(c.dir, "tokens"))
	if err != nil {
		return nil
	}
	dirs := make([]string, 0, len(names))
	for _, name := range names {
		dirs = append(dirs, filepath.Join(c.dir, "tokens", name.Name()))
	}
	return dirs
}

// read returns the entries of one host's folder. An entry that lies under a
// name that is not its own (a file copied to another host's place) is not
// returned.
func (c *Cache) read(dir string) []Entry {
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var entries []Entry
	for _, name := range names {
		text, err := readPrivate(filepath.Join(dir, name.Name()), maxEntry)
		if err != nil {
			continue
		}
		entry, err := decode(text)
		if err != nil || c.hostDir(entry.Host) != dir ||
			name.Name() != hash(entry.Key, entry.Identity)+".json" {
			continue
		}
		entries = append(entries, entry)
	}
	return entries
}

// decode reads an entry file's content.
func decode(text []byte) (Entry, error) {
	var entry Entry
	if err := json.Unmarshal(text, &entry); err != nil {
		return Entry{}, err
	}
	if entry.Host == "" || entry.Key == "" || entry.Username == "" && entry.Secret == "" {
		return Entry{}, errors.New("the entry is incomplete")
	}
	return entry, nil
}

// prune removes expired and unreadable entries, and what a killed writer left.
func (c *Cache) prune(now time.Time) {
	for _, dir := range []string{c.dir, filepath.Join(c.dir, "answered"), filepath.Join(c.dir, "machine")} {
		names, _ := os.ReadDir(dir)
		for _, name := range names {
			if strings.HasPrefix(name.Name(), ".tmp-") && old(name, now) {
				_ = os.Remove(filepath.Join(dir, name.Name()))
			}
		}
	}
	for _, dir := range c.hostDirs() {
		keep := map[string]bool{}
		for _, entry := range c.read(dir) {
			if entry.State(now) != Expired {
				keep[hash(entry.Key, entry.Identity)+".json"] = true
			}
		}
		names, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, name := range names {
			if !keep[name.Name()] && old(name, now) {
				_ = os.Remove(filepath.Join(dir, name.Name()))
			}
		}
		_ = os.Remove(dir) // succeeds when it is empty
	}
}

// old reports whether the file is at least a minute old, so that a temporary
// file that another process is writing is left alone.
func old(name fs.DirEntry, now time.Time) bool {
	info, err := name.Info()
	return err == nil && now.Sub(info.ModTime()) > time.Minute
}

// hash makes a file name of parts that may hold anything.
func hash(parts ...string) string {
	sum := sha256.New()
	for _, part := range parts {
		_, _ = sum.Write([]byte(part))
		_, _ = sum.Write([]byte{0})
	}
	return hex.EncodeToString(sum.Sum(nil))[:40]
}
