// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"context"
	"testing"
	"time"

	"github.com/regauth/docker-credential-regauth/cache"
	"github.com/regauth/docker-credential-regauth/cmd/internal/config"
	"github.com/regauth/docker-credential-regauth/helpers"
)

// BenchmarkGetFromCache is the way of a get that the cache answers, without the
// start of a process.
func BenchmarkGetFromCache(b *testing.B) {
	env := helpers.SystemEnv()
	tokens, err := cache.Open(b.TempDir()+"/cache", cache.SystemWorld())
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	err = tokens.Put(cache.Entry{
		Host: ecrHost, Key: ecrHost, Identity: "i", Username: "AWS", Secret: "s", Issued: now, Expires: now.Add(time.Hour),
		Inputs: []cache.Input{{Kind: cache.InputEnv, Name: "AWS_PROFILE"}, {Kind: cache.InputFile, Name: "/etc/hosts"}},
	}, now)
	if err != nil {
		b.Fatal(err)
	}
	r := &Resolver{Env: env, Config: &config.Config{}, Cache: tokens}
	for b.Loop() {
		out, err := r.Get(context.Background(), helpers.Address{Host: ecrHost})
		if err != nil || !out.Cached {
			b.Fatal("the cache did not answer")
		}
	}
}
