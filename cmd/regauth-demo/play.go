// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

type options struct {
	without string
	keep    bool
}

// play runs the demonstration and returns what was not as it should be.
func play(ctx context.Context, out io.Writer, opt options) error {
	s, err := build(ctx, opt)
	if err != nil {
		return err
	}
	defer s.close()
	say := func(what, format string, a ...any) {
		_, _ = fmt.Fprintf(out, "%-9s %s\n", what, fmt.Sprintf(format, a...))
	}
	say("cloud", "AWS on loopback; its tokens live %s here (12 h in the real one)", tokenLife)
	say("registry", "%s, served on loopback", ecrHost)
	say("docker", `config.json says {"credHelpers": {"%s…": "regauth"}}`, ecrHost[:20])
	if err := s.first(ctx, say); err != nil {
		return err
	}
	digest, err := s.pushAndPull(ctx, say)
	if err != nil {
		return err
	}
	if err := s.expire(ctx, say, digest); err != nil {
		return err
	}
	if err := s.refusedPush(ctx, say); err != nil {
		return err
	}
	if opt.keep {
		return s.byHand(ctx, out)
	}
	if _, err := exec.LookPath("docker"); err == nil {
		say("by hand", "go run ./cmd/regauth-demo -keep   leaves it running; then, with the environment and the port it prints:")
		say("", "docker pull localhost:PORT/team/app:1")
		say("", "docker tag localhost:PORT/team/app:1 localhost:PORT/team/app:2 && docker push localhost:PORT/team/app:2")
	}
	return nil
}

// first asks the helper twice: it mints once, and answers the second time from
// its cache.
func (s *stage) first(ctx context.Context, say func(string, string, ...any)) error {
	cold, took, err := s.get(ctx)
	if err != nil {
		return err
	}
	if cold.Username != "AWS" || cold.Secret == "" || s.minted() != 1 {
		return fmt.Errorf("the first get gave user %q after %d requests", cold.Username, s.minted())
	}
	say("get", "user %s, secret ***, in %s: the AWS SDK signed 1 request to the cloud", cold.Username, took.Round(time.Millisecond))
	warm, took, err := s.get(ctx)
	if err != nil {
		return err
	}
	if warm != cold || s.minted() != 1 {
		return errors.New("the second get did not come from the cache")
	}
	say("get", "the same in %s, from the cache: 0 requests", took.Round(time.Millisecond))
	return nil
}

// client are the options of a client that asks the helper for its credential,
// as crane does.
func (s *stage) client(ctx context.Context) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx), remote.WithTransport(s.transport), remote.WithAuthFromKeychain(authn.DefaultKeychain),
	}
}

func (s *stage) pushAndPull(ctx context.Context, say func(string, string, ...any)) (v1.Hash, error) {
	image, err := random.Image(4096, 2)
	if err != nil {
		return v1.Hash{}, err
	}
	digest, err := image.Digest()
	if err != nil {
		return v1.Hash{}, err
	}
	ref, err := name.ParseReference(ecrHost + "/team/app:1")
	if err != nil {
		return v1.Hash{}, err
	}
	if err := remote.Write(ref, image, s.client(ctx)...); err != nil {
		return v1.Hash{}, fmt.Errorf("the push failed: %w", err)
	}
	say("push", "team/app:1 is in the registry as %s…", digest.String()[:19])
	if err := s.pull(ctx, digest); err != nil {
		return v1.Hash{}, err
	}
	say("pull", "the same image came back")
	return digest, nil
}

// pull gets the image and wants it to be the one that was pushed.
func (s *stage) pull(ctx context.Context, want v1.Hash) error {
	ref, err := name.ParseReference(ecrHost + "/team/app:1")
	if err != nil {
		return err
	}
	image, err := remote.Image(ref, s.client(ctx)...)
	if err != nil {
		return fmt.Errorf("the pull failed: %w", err)
	}
	if got, err := image.Digest(); err != nil || got != want {
		return fmt.Errorf("the pull gave another image: %w", errors.Join(err))
	}
	return nil
}

// expire waits until the registry refuses the token that the helper holds, and
// shows that the next pull works all the same.
func (s *stage) expire(ctx context.Context, say func(string, string, ...any), digest v1.Hash) error {
	old, _, err := s.get(ctx)
	if err != nil {
		return err
	}
	words, err := s.refusal(ctx, old)
	if err != nil {
		return err
	}
	say("expiry", "the token is refused by now: %s", words)
	before := s.minted()
	if err := s.pull(ctx, digest); err != nil {
		return fmt.Errorf("after the token expired, %w", err)
	}
	if s.minted() != before+1 {
		return fmt.Errorf("the pull after the expiry caused %d requests, not 1", s.minted()-before)
	}
	fresh, _, err := s.get(ctx)
	if err != nil {
		return err
	}
	if fresh.Secret == old.Secret {
		return errors.New("the helper handed out the expired token")
	}
	say("refresh", "the same pull works: the helper knew, and minted a new token, 1 request")
	return nil
}

// refusal tries a pull with the old token until the registry refuses it, and
// returns its words.
func (s *stage) refusal(ctx context.Context, old answer) (string, error) {
	ref, err := name.ParseReference(ecrHost + "/team/app:1")
	if err != nil {
		return "", err
	}
	basic := remote.WithAuth(&authn.Basic{Username: old.Username, Password: old.Secret})
	for end := time.Now().Add(tokenLife + 20*time.Second); time.Now().Before(end); {
		_, err := remote.Get(ref, remote.WithContext(ctx), remote.WithTransport(s.transport), basic)
		if err != nil {
			return said(err)
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	return "", errors.New("the registry still takes the old token")
}

// said is the registry's own status and words.
func said(err error) (string, error) {
	var answered *transport.Error
	if !errors.As(err, &answered) || len(answered.Errors) == 0 {
		return "", fmt.Errorf("the registry did not say why: %w", err)
	}
	first := answered.Errors[0]
	return fmt.Sprintf("%d %s %q", answered.StatusCode, first.Code, first.Message), nil
}

// refusedPush pushes where the user may not, and wants the registry to say so.
func (s *stage) refusedPush(ctx context.Context, say func(string, string, ...any)) error {
	image, err := random.Image(512, 1)
	if err != nil {
		return err
	}
	ref, err := name.ParseReference(ecrHost + "/" + locked + ":1")
	if err != nil {
		return err
	}
	err = remote.Write(ref, image, s.client(ctx)...)
	if err == nil {
		return errors.New("the push to " + locked + " was not refused")
	}
	words, err := said(err)
	if err != nil {
		return err
	}
	say("refused", "a push to %s: %s", locked, words)
	return nil
}

// byHand leaves everything running and says how to use it.
func (s *stage) byHand(ctx context.Context, out io.Writer) error {
	s.cloud.AWS().TokenLife = 12 * time.Hour
	_, _ = fmt.Fprintf(out, "\nCloud and registry stay until Ctrl-C. In another terminal:\n\n")
	for _, pair := range s.variables(options{}) {
		switch name, value, _ := strings.Cut(pair, "="); name {
		case "HOME", "USERPROFILE": // the person's own shell keeps its home
		case "PATH":
			_, _ = fmt.Fprintf(out, "  export PATH='%s':\"$PATH\"\n", s.bin())
		default:
			_, _ = fmt.Fprintf(out, "  export %s='%s'\n", name, value)
		}
	}
	_, _ = fmt.Fprintf(out, "\n  printf %s | docker-credential-regauth get\n", ecrHost)
	if _, err := exec.LookPath("docker"); err == nil {
		_, _ = fmt.Fprintf(out, "  docker pull %s/team/app:1        needs an Engine on this machine\n", s.plain)
	}
	<-ctx.Done()
	return nil
}
