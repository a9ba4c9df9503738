// SPDX-License-Identifier: Apache-2.0

package metadata

import (
	"context"
	"net"
	"testing"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/internal/envtest"
)

// The probe says yes where somebody listens and no where nobody does, or where
// there is no time to find out.
func TestProbe(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	at := listener.Addr().String()
	late, cancel := context.WithCancel(t.Context())
	cancel()
	if !probe(t.Context(), at) {
		t.Error("a listener is not found")
	}
	if probe(late, at) {
		t.Error("a listener is found without time")
	}
	_ = listener.Close()
	if probe(t.Context(), at) {
		t.Error("a closed port is taken for a service")
	}
}

// What is remembered is the probe's answer. Its context has ended, so that
// nothing is sent to the address itself.
func TestAskProbes(t *testing.T) {
	env := envtest.World{Files: map[string]string{"/.dockerenv": ""}}.Env()
	env.Remember = func(_ string, answer func() bool) bool { return answer() }
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if ask, why := Ask(ctx, AWS, helpers.Request{Env: env}); ask {
		t.Errorf("asked (%s)", why)
	}
}

// An attempt that would be cut short, and tell nothing, is not remembered.
func TestCutOffIsNotRemembered(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	env := envtest.World{}.Env()
	asked, answer := 0, false
	ctx, cancel := context.WithCancel(t.Context())
	env.Remember = func(_ string, ask func() bool) bool {
		asked++
		cancel() // in the middle of it
		answer = ask()
		return answer
	}
	if !remembered(ctx, env, listener.Addr().String()) || !answer {
		t.Error("a context that ended after the attempt had begun made it a no")
	}
	if remembered(ctx, env, listener.Addr().String()) || asked != 1 {
		t.Errorf("without time, %d answers were remembered", asked-1)
	}
}
