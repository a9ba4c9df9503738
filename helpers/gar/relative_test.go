// SPDX-License-Identifier: Apache-2.0

package gar_test

import (
	"path/filepath"
	"testing"
)

// A relative path is another file in another working directory, so that nothing
// found by it is kept, nor what was found because it led nowhere.
func TestRelativePathsAreNotKept(t *testing.T) {
	tests := []struct {
		name  string
		setup func(t *testing.T, w *world)
		kept  bool
	}{
		{"absolute GOOGLE_APPLICATION_CREDENTIALS", func(t *testing.T, w *world) { w.useFile(t, w.AddServiceAccount(puller)) }, true},
		{"relative GOOGLE_APPLICATION_CREDENTIALS", func(t *testing.T, w *world) {
			path := w.useFile(t, w.AddServiceAccount(puller))
			t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Base(path))
		}, false},
		{"relative CLOUDSDK_CONFIG", func(t *testing.T, w *world) {
			w.write(t, "sdk/application_default_credentials.json", string(w.AddServiceAccount(puller)))
			t.Setenv("CLOUDSDK_CONFIG", "sdk")
		}, false},
		{"relative CLOUDSDK_CONFIG, and a machine", func(t *testing.T, w *world) {
			w.AddServiceAccount(puller)
			w.AttachServiceAccount(puller)
			w.useMetadata(t)
			t.Setenv("CLOUDSDK_CONFIG", "sdk")
		}, false},
		{"configured service account on top of a relative file", func(t *testing.T, w *world) {
			path := w.useFile(t, w.AddUser(person))
			t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Base(path))
			w.AddServiceAccount(puller)
			w.AllowImpersonation(person, puller)
			w.choice.ServiceAccount = puller
		}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			t.Chdir(w.home)
			test.setup(t, w)
			source, found, err := w.first(t.Context())
			if err != nil || found.NoCache == test.kept {
				t.Errorf("%s: NoCache is %v (%v)", source.Name, found.NoCache, err)
			}
		})
	}
}
