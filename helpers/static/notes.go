// SPDX-License-Identifier: Apache-2.0

package static

import (
	"context"
	"encoding/json"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers"
)

// notes are what is known about the logins in a keychain that the keychain
// itself has no place for. They hold no secret.
type notes struct {
	doc   document
	store string // the keychain; a note about one says nothing about another
}

// note is about one login.
type note struct {
	// Username is whose login it is about: when the keychain holds another's,
	// somebody stored that without us.
	Username  string    `json:"username,omitempty"`
	StoredAt  time.Time `json:"stored_at,omitzero"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	// ErasedAt makes it a tombstone: the keychain refused to remove the login.
	ErasedAt time.Time `json:"erased_at,omitzero"`
}

func newNotes(env *helpers.Env, store string) notes {
	return notes{document{dir: dataDir(env), name: "notes.json", field: "notes"}, store}
}

// key of the note about a login: a store's name holds no space.
func (n notes) key(dockerKey string) string { return n.store + " " + dockerKey }

// all returns a function that finds the note about a Docker key, zero for none.
// Notes that cannot be read are an error: a login that was erased must not come
// back because of it.
func (n notes) all() (func(dockerKey string) note, error) {
	c, err := n.doc.read()
	if err != nil {
		return nil, err
	}
	return func(dockerKey string) note { return decodeNote(c.entries[n.key(dockerKey)]) }, nil
}

func decodeNote(raw json.RawMessage) note {
	var found note
	if json.Unmarshal(raw, &found) != nil {
		return note{}
	}
	return found
}

// change edits the note about a login, and removes one that says nothing. It
// makes no file for a note that stays empty.
func (n notes) change(ctx context.Context, dockerKey string, edit func(*note)) error {
	if find, err := n.all(); err == nil {
		before := find(dockerKey)
		after := before
		edit(&after)
		if after == before {
			return nil
		}
	}
	return n.doc.update(ctx, true, func(entries map[string]json.RawMessage) (bool, error) {
		changed := decodeNote(entries[n.key(dockerKey)])
		edit(&changed)
		if changed == (note{}) {
			delete(entries, n.key(dockerKey))
			return true, nil
		}
		raw, err := encode(changed)
		entries[n.key(dockerKey)] = raw
		return err == nil, err
	})
}
