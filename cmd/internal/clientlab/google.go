// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path/filepath"
	"time"
)

const googleAccount = "pusher@loopback-project.iam.gserviceaccount.com"

// settleGoogle makes a service account, whose key lies in a file. Its access
// tokens live so long, at most the hour that Google's do.
func (l *lab) settleGoogle(life time.Duration) error {
	google := l.cloud.Google()
	key := google.AddServiceAccount(googleAccount)
	google.SetTokenLife(min(life, time.Hour))
	if err := l.write("google-key.json", string(key)); err != nil {
		return err
	}
	l.env["gar"] = map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": filepath.Join(l.options.dir, "google-key.json")}
	return nil
}

func (l *lab) checkGoogle(user, password string) error {
	_, err := l.cloud.Google().CheckLogin(user, password)
	return err
}
