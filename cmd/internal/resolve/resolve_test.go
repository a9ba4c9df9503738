// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/regauth/docker-credential-regauth/cache"
	"github.com/regauth/docker-credential-regauth/cmd/internal/config"
	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/static"
)

const ecrHost = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// logins is a Store in memory.
type logins struct {
	kept map[string]static.Login
	err  error
}

func (l logins) Get(_ context.Context, a helpers.Address) (static.Login, error) {
	if l.err != nil {
		return static.Login{}, l.err
	}
	if login, ok := l.kept[a.DockerKey()]; ok {
		return login, nil
	}
	return static.Login{}, helpers.Absent("stored login", "none")
}
func (l logins) Put(context.Context, helpers.Address, static.Login) error { return l.err }
func (l logins) Erase(context.Context, helpers.Address) error             { return l.err }
func (l logins) List(context.Context) (map[string]string, error)          { return nil, l.err }
func (l logins) Name() string                                             { return "memory" }
func (l logins) Plain() bool                                              { return false }

// resolver has a clock at noon, the given variables and nothing else.
func resolver(t *testing.T, variables map[string]string, toml string, kept map[string]static.Login) *Resolver {
	t.Helper()
	env := helpers.SystemEnv()
	env.Home = t.TempDir()
	env.Now = func() time.Time { return noon }
	all := map[string]string{"REGAUTH_METADATA": "off"}
	for name, value := range variables {
		all[name] = value
	}
	env.LookupEnv = func(name string) (string, bool) { v, ok := all[name]; return v, ok }
	settings, err := config.Parse("config.toml", []byte(toml))
	if err != nil {
		t.Fatal(err)
	}
	world := cache.SystemWorld()
	world.LookupEnv = env.LookupEnv
	tokens, err := cache.Open(filepath.Join(env.Home, "cache"), world)
	if err != nil {
		t.Fatal(err)
	}
	return &Resolver{Env: env, Config: settings, Cache: tokens, Logins: logins{kept: kept}}
}

func get(t *testing.T, r *Resolver, raw string) Outcome {
	t.Helper()
	address, err := helpers.ParseAddress(raw)
	if err != nil {
		t.Fatal(err)
	}
	out, err := r.Get(context.Background(), address)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func login(user, secret string) static.Login {
	return static.Login{Username: user, Secret: helpers.NewSecret(secret)}
}

func TestWhichIdentityWins(t *testing.T) {
	job := map[string]string{"GITHUB_TOKEN": "ghp_job", "GITHUB_ACTOR": "job"}
	stored := map[string]static.Login{"ghcr.io": login("me", "ghp_stored")}
	expired := map[string]static.Login{"ghcr.io": {
		Username: "me", Secret: helpers.NewSecret("ghp_old"), ExpiresAt: noon.Add(-time.Second),
	}}
	tests := []struct {
		name      string
		variables map[string]string
		stored    map[string]static.Login
		want      string // the secret, "" for none
	}{
		{"the stored login before the job's variable", job, stored, "ghp_stored"},
		{"an expired login does not count", job, expired, "ghp_job"},
		{"a login that was never filled in does not count", job, map[string]static.Login{"ghcr.io": login("me", "${TOKEN}")}, "ghp_job"},
		{"the job's variable alone", job, nil, "ghp_job"},
		{"another host's login is another host's", nil, map[string]static.Login{"quay.io": login("me", "x")}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := get(t, resolver(t, tt.variables, "", tt.stored), "ghcr.io/org/app")
			if got := out.Credential.Secret.Reveal(); got != tt.want || out.Found != (tt.want != "") {
				t.Errorf("found %v from %q", out.Found, out.Credential.Source)
			}
		})
	}
}

// ranked is a provider whose sources are what a test says.
type ranked struct {
	helpers.Provider
	sources []helpers.Source
}

func (r ranked) Sources(helpers.Request) []helpers.Source { return slices.Clone(r.sources) }

// TestTheOrderOfTiers holds every pair of the five: a higher tier wins wherever
// it stands in the provider's list, and when it is there and fails, the lower
// one is not asked.
func TestTheOrderOfTiers(t *testing.T) {
	order := []helpers.Tier{
		helpers.TierConfigured, helpers.TierStored, helpers.TierJob, helpers.TierChain, helpers.TierTool,
	}
	fails := &helpers.MintError{Source: "higher", Cause: "refused"}
	for i, higher := range order {
		for _, lower := range order[i+1:] {
			for _, broken := range []bool{false, true} {
				t.Run(fmt.Sprint(higher, " before ", lower, ", broken ", broken), func(t *testing.T) {
					source := func(tier helpers.Tier, name string) helpers.Source {
						return helpers.Source{Tier: tier, Name: name, Token: func(context.Context) (helpers.Credential, error) {
							if broken && name == "higher" {
								return helpers.Credential{}, fails
							}
							return helpers.Credential{Username: name, Secret: helpers.NewSecret(name)}, nil
						}}
					}
					r := resolver(t, nil, "", nil)
					var provider ranked
					for _, s := range []helpers.Source{source(lower, "lower"), source(higher, "higher")} {
						if s.Tier == helpers.TierStored {
							r.Logins = logins{kept: map[string]static.Login{"r.example": login(s.Name, "x")}}
							if broken && s.Name == "higher" {
								r.Logins = logins{err: fails}
							}
							continue
						}
						provider.sources = append(provider.sources, s)
					}
					address := helpers.Address{Host: "r.example"}
					var out Outcome
					out.Address = address
					r.ask(context.Background(), &out, r.sources(address, helpers.Request{Env: r.Env}, provider))
					switch {
					case !broken && out.Credential.Username != "higher":
						t.Errorf("the answer is %q", out.Credential.Username)
					case broken && higher == helpers.TierStored:
						// A keychain that fails is passed over; see the next test.
						if out.Credential.Username != "lower" {
							t.Error("a keychain that fails hid what comes after it")
						}
					case broken && (out.Found || out.Failed != fails):
						t.Errorf("the failure was passed over: found %v", out.Found)
					}
				})
			}
		}
	}
}

func TestAnAliasGetsNoSecretOfAVariable(t *testing.T) {
	job := map[string]string{"GITHUB_TOKEN": "ghp_job", "GITHUB_ACTOR": "job"}
	r := resolver(t, job, "[[registry]]\nmatch = \"mirror.example\"\nalias = \"ghcr.io\"\n", nil)
	if out := get(t, r, "mirror.example"); out.Found {
		t.Error("GITHUB_TOKEN was given to a host that the configuration calls ghcr.io")
	}
	if out := get(t, r, "ghcr.io"); !out.Found {
		t.Error("ghcr.io itself is not answered any more")
	}
}

// hanging is a keychain that waits until it is given up.
type hanging struct{ logins }

func (hanging) Get(ctx context.Context, _ helpers.Address) (static.Login, error) {
	<-ctx.Done()
	return static.Login{}, &helpers.MintError{Source: "pass", Cause: "no answer", Err: ctx.Err()}
}

func TestAKeychainThatHangsLeavesTimeForTheRest(t *testing.T) {
	r := resolver(t, map[string]string{"GITHUB_TOKEN": "ghp_job"}, "timeout = \"2s\"", nil)
	r.Logins = hanging{}
	ctx, cancel := context.WithTimeout(context.Background(), r.Config.Timeout)
	defer cancel()
	out, err := r.Get(ctx, helpers.Address{Host: "ghcr.io"})
	if err != nil || !out.Found || ctx.Err() != nil {
		t.Errorf("found %v, %v, deadline %v", out.Found, err, ctx.Err())
	}
	short, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if out, err := r.Get(short, helpers.Address{Host: "r.example"}); err != nil || out.Failed == nil || out.Failed.Source != "pass" {
		t.Errorf("where nothing else is, the keychain is not named: %+v, %v", out.Failed, err)
	}
}

func TestAKeychainThatFailsIsReportedOnlyWhenNothingElseAnswers(t *testing.T) {
	locked := &helpers.MintError{Source: "secretservice", Cause: "the collection is locked"}
	r := resolver(t, map[string]string{"GITHUB_TOKEN": "ghp_job"}, "", nil)
	r.Logins = logins{err: locked}
	if out := get(t, r, "ghcr.io"); !out.Found || out.Failed != nil {
		t.Errorf("with a variable: found %v, failed %v", out.Found, out.Failed)
	}
	if out := get(t, r, "r.example"); out.Found || out.Failed != locked {
		t.Errorf("without: found %v, failed %v", out.Found, out.Failed)
	}
	r.Logins, r.LoginsErr = nil, errors.New("no such store")
	if out := get(t, r, "r.example"); out.Failed == nil || out.Failed.Cause != "no such store" {
		t.Errorf("without a store: failed %v", out.Failed)
	}
}

func held(r *Resolver, t *testing.T, issued, expires time.Duration) {
	t.Helper()
	err := r.Cache.Put(cache.Entry{
		Host: ecrHost, Key: ecrHost, Identity: "i", Source: "s", Username: "AWS", Secret: "held",
		Issued: noon.Add(issued), Expires: noon.Add(expires),
	}, noon)
	if err != nil {
		t.Fatal(err)
	}
}

func TestAValidTokenIsNeverDroppedBecauseARefreshFailed(t *testing.T) {
	// No identity is configured, so every attempt to mint fails.
	tests := []struct {
		name            string
		issued, expires time.Duration
		found           bool
	}{
		{"fresh", -time.Hour, 11 * time.Hour, true},
		{"aging", -8 * time.Hour, 4 * time.Hour, true},
		{"dying", -12 * time.Hour, time.Minute, true},
		{"expired", -12 * time.Hour, -time.Second, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := resolver(t, nil, "", nil)
			held(r, t, tt.issued, tt.expires)
			out := get(t, r, ecrHost)
			if out.Found != tt.found || tt.found && out.Credential.Secret.Reveal() != "held" {
				t.Errorf("found is %v, want %v", out.Found, tt.found)
			}
		})
	}
}

func TestAPathRuleIsNoAnswerForItsHost(t *testing.T) {
	r := resolver(t, nil, "[[registry]]\nmatch = \""+ecrHost+"/team-*\"\nprofile = \"p\"\n", nil)
	held(r, t, 0, 12*time.Hour)
	if out := get(t, r, ecrHost+"/other"); !out.Found {
		t.Error("a path without a rule is not answered for its host")
	}
	if out := get(t, r, ecrHost+"/team-a"); out.Found {
		t.Error("the host's token was given to a path with its own rule")
	}
}

func TestTheWebLoginIsOnlyEverTheStoredOne(t *testing.T) {
	const refresh = helpers.HubKey + "refresh-token"
	r := resolver(t, map[string]string{"DOCKERHUB_USERNAME": "u", "DOCKERHUB_TOKEN": "t"}, "", nil)
	if out := get(t, r, refresh); out.Found {
		t.Error("a registry's credential was given for the web login")
	}
	r.Logins = logins{kept: map[string]static.Login{refresh: login("u", "refresh")}}
	if out := get(t, r, refresh); out.Credential.Secret.Reveal() != "refresh" {
		t.Error("the web login does not come back")
	}
}

func TestASourceThatIgnoresItsDeadlineIsLeftBehind(t *testing.T) {
	r := resolver(t, nil, "timeout = \"10ms\"", nil)
	ctx, cancel := context.WithTimeout(context.Background(), r.Config.Timeout)
	defer cancel()
	release := make(chan struct{})
	defer close(release)
	_, err := r.token(ctx, helpers.Source{Name: "deaf", Token: func(context.Context) (helpers.Credential, error) {
		<-release
		return helpers.Credential{}, nil
	}})
	var failed *helpers.MintError
	if !errors.As(err, &failed) || failed.Source != "deaf" || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestASourceThatPanicsIsAFailure(t *testing.T) {
	r := resolver(t, nil, "", nil)
	_, err := r.token(context.Background(), helpers.Source{Name: "fragile", Token: func(context.Context) (helpers.Credential, error) {
		panic("nil PEM block")
	}})
	var failed *helpers.MintError
	if !errors.As(err, &failed) || failed.Source != "fragile" || failed.Next == "" {
		t.Errorf("got %v", err)
	}
}

func TestOnlyWhatWasMintedIsKept(t *testing.T) {
	minted := helpers.Credential{
		Username: "AWS", Secret: helpers.NewSecret("s"), Minted: true, ExpiresAt: noon.Add(time.Hour), Identity: "i",
	}
	tests := []struct {
		name   string
		change func(*helpers.Credential)
		want   int
	}{
		{"minted", func(*helpers.Credential) {}, 1},
		{"lies somewhere already", func(c *helpers.Credential) { c.Minted = false }, 0},
		{"no expiry", func(c *helpers.Credential) { c.ExpiresAt = time.Time{} }, 0},
		{"bound to nothing", func(c *helpers.Credential) { c.NoCache = true }, 0},
		{"binding not there", func(c *helpers.Credential) {
			c.BindTo = []helpers.Binding{{Kind: helpers.BindClaims, Arg: "/no/such/token"}}
		}, 0},
		{"binding of no kind", func(c *helpers.Credential) { c.BindTo = []helpers.Binding{{Kind: "?"}} }, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := resolver(t, nil, "", nil)
			c := minted
			tt.change(&c)
			r.keep(ecrHost, ecrHost, c, helpers.Request{Env: r.Env}, static.New())
			if got := len(r.Cache.List()); got != tt.want {
				t.Errorf("%d entries, want %d", got, tt.want)
			}
		})
	}
}
