// SPDX-License-Identifier: Apache-2.0

package gar_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/cloudtest"
	"github.com/regauth/docker-credential-regauth/helpers/gar"
)

const (
	puller   = "puller@loopback-project.iam.gserviceaccount.com"
	builder  = "builder@loopback-project.iam.gserviceaccount.com"
	person   = "me@corp.example"
	provider = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci/providers/github"
)

func roots(pem []byte) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return pool
}

// edited returns JSON with some fields replaced.
func edited(t *testing.T, text []byte, fields map[string]any) []byte {
	t.Helper()
	all := map[string]any{}
	if text != nil {
		if err := json.Unmarshal(text, &all); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range fields {
		all[name] = value
	}
	out, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func impersonationURL(email string) string {
	return "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/" + email + ":generateAccessToken"
}

// federated is an external_account file with that credential source.
func federated(t *testing.T, source map[string]any, more map[string]any) []byte {
	t.Helper()
	fields := map[string]any{
		"type": "external_account", "audience": provider, "token_url": "https://sts.googleapis.com/v1/token",
		"subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "credential_source": source,
	}
	for name, value := range more {
		fields[name] = value
	}
	return edited(t, nil, fields)
}

// pool makes a workload identity pool and a subject token for it.
func (w *world) pool() (cloudtest.GooglePool, string) {
	issuer := cloudtest.NewAzureIssuer("https://token.actions.githubusercontent.com")
	pool := cloudtest.GooglePool{Provider: provider, Issuer: issuer}
	w.AddPool(pool)
	return pool, issuer.Token("repo:acme/app", time.Now(), map[string]any{"aud": "https:" + provider})
}

func kinds(bindings []helpers.Binding) string {
	var names []string
	for _, b := range bindings {
		names = append(names, b.Kind)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// TestEverySource gets a token from each place through Google's own libraries,
// and has the cloud say whose it is.
func TestEverySource(t *testing.T) {
	ciSubject := cloudtest.GooglePool{Provider: provider}.Principal("repo:acme/app")
	tests := []struct {
		name     string
		setup    func(t *testing.T, w *world)
		source   string // name of the source that answers
		tier     helpers.Tier
		program  bool
		who      string // whose token it is, as the cloud says
		identity string // the credential's Identity begins so
		bound    string // kinds of its bindings
		noCache  bool
		asked    string // services asked, in order
	}{
		{
			name:   "service account key in GOOGLE_APPLICATION_CREDENTIALS",
			setup:  func(t *testing.T, w *world) { w.useFile(t, w.AddServiceAccount(puller)) },
			source: "Application Default Credentials", tier: helpers.TierChain,
			who: puller, identity: "service account " + puller, asked: "google-oauth",
		},
		{
			name: "service account key in the well-known file",
			setup: func(t *testing.T, w *world) {
				w.write(t, gcloudDir()+"/application_default_credentials.json", string(w.AddServiceAccount(puller)))
			},
			source: "Application Default Credentials", tier: helpers.TierChain,
			who: puller, identity: "service account " + puller, asked: "google-oauth",
		},
		{
			name: "well-known file in CLOUDSDK_CONFIG",
			setup: func(t *testing.T, w *world) {
				path := w.write(t, "elsewhere/application_default_credentials.json", string(w.AddUser(person)))
				t.Setenv("CLOUDSDK_CONFIG", filepath.Dir(path))
			},
			source: "Application Default Credentials", tier: helpers.TierChain,
			who: person, identity: "user " + person + " (sha256:", asked: "google-oauth",
		},
		{
			name: "authorized user",
			setup: func(t *testing.T, w *world) {
				w.useFile(t, edited(t, w.AddUser(person), map[string]any{"account": ""}))
			},
			source: "Application Default Credentials", tier: helpers.TierChain,
			who: person, identity: "user of the credentials file (sha256:", asked: "google-oauth",
		},
		{
			name: "external account, token in a file",
			setup: func(t *testing.T, w *world) {
				_, token := w.pool()
				w.useFile(t, federated(t, map[string]any{"file": w.write(t, "token", token)}, nil))
			},
			source: "Application Default Credentials", tier: helpers.TierChain,
			who: ciSubject, identity: "workload identity of " + provider, bound: "claims", asked: "google-sts",
		},
		{
			name: "external account, token in a JSON file",
			setup: func(t *testing.T, w *world) {
				_, token := w.pool()
				path := w.write(t, "token.json", fmt.Sprintf(`{"access_token": %q}`, token))
				w.useFile(t, federated(t, map[string]any{"file": path,
					"format": map[string]any{"type": "json", "subject_token_field_name": "access_token"}}, nil))
			},
			source: "Application Default Credentials", tier: helpers.TierChain,
			who: ciSubject, identity: "workload identity of " + provider, noCache: true, asked: "google-sts",
		},
		{
			name: "external account, token from a URL",
			setup: func(t *testing.T, w *world) {
				_, token := w.pool()
				at, err := cloud.Serve(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
					if r.Header.Get("Authorization") != "Bearer request-token" {
						http.Error(rw, "who are you", http.StatusUnauthorized)
						return
					}
					_ = json.NewEncoder(rw).Encode(map[string]string{"value": token})
				}))
				if err != nil {
					t.Fatal(err)
				}
				w.useFile(t, federated(t, map[string]any{"url": at, "headers": map[string]string{"Authorization": "Bearer request-token"},
					"format": map[string]any{"type": "json", "subject_token_field_name": "value"}}, nil))
			},
			source: "Application Default Credentials", tier: helpers.TierChain,
			who: ciSubject, identity: "workload identity of " + provider + " (sha256:", bound: "boot host", asked: "google-sts",
		},
		{
			name: "external account, token from a program",
			setup: func(t *testing.T, w *world) {
				_, token := w.pool()
				w.useExecutable(t, fmt.Sprintf(`{"version":1,"success":true,"token_type":"urn:ietf:params:oauth:token-type:id_token","id_token":%q}`, token))
			},
			source: "Application Default Credentials", tier: helpers.TierChain, program: true,
			who: ciSubject, identity: "workload identity of " + provider, noCache: true, asked: "google-sts",
		},
		{
			name:   "external account, AWS keys",
			setup:  func(t *testing.T, w *world) { w.useAWS(t, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY") },
			source: "Application Default Credentials", tier: helpers.TierChain,
			who:      cloudtest.GooglePool{Provider: provider}.Principal("arn:aws:sts::123456789012:AKIDEXAMPLE"),
			identity: "workload identity of " + provider, bound: "boot env host", asked: "google-sts",
		},
		{
			name: "external account that impersonates",
			setup: func(t *testing.T, w *world) {
				pool, token := w.pool()
				w.AddServiceAccount(puller)
				w.AllowImpersonation(pool.Principal("repo:acme/app"), puller)
				w.useFile(t, federated(t, map[string]any{"file": w.write(t, "token", token)},
					map[string]any{"service_account_impersonation_url": impersonationURL(puller)}))
			},
			source: "Application Default Credentials", tier: helpers.TierChain,
			who: puller, identity: "service account " + puller + " as workload identity of ", bound: "claims", asked: "google-sts iamcredentials",
		},
		{
			name: "impersonated service account",
			setup: func(t *testing.T, w *world) {
				user := w.AddUser(person)
				w.AddServiceAccount(puller)
				w.AllowImpersonation(person, puller)
				w.useFile(t, edited(t, nil, map[string]any{"type": "impersonated_service_account",
					"service_account_impersonation_url": impersonationURL(puller), "source_credentials": json.RawMessage(user)}))
			},
			source: "Application Default Credentials", tier: helpers.TierChain,
			who: puller, identity: "service account " + puller + " as user " + person, asked: "google-oauth iamcredentials",
		},
		{
			name: "metadata server",
			setup: func(t *testing.T, w *world) {
				w.AttachServiceAccount(puller)
				w.useMetadata(t)
			},
			source: "Google metadata server", tier: helpers.TierChain,
			who: puller, identity: "service account of this machine", bound: "boot host", asked: "gce-metadata",
		},
		{
			name: "gcloud",
			setup: func(t *testing.T, w *world) {
				w.installGcloud(t, fmt.Sprintf(`{"credential":{"access_token":%q,"id_token":null,"token_expiry":%q}}`,
					w.Token(person), time.Now().Add(time.Hour).UTC().Format(time.RFC3339)))
				w.write(t, gcloudDir()+"/active_config", "work")
				w.write(t, gcloudDir()+"/configurations/config_work", "[core]\naccount = "+person+"\n")
			},
			source: "gcloud", tier: helpers.TierTool, program: true, who: person, identity: "gcloud account " + person,
		},
		{
			name: "gcloud that impersonates, named by variables",
			setup: func(t *testing.T, w *world) {
				w.installGcloud(t, fmt.Sprintf(`{"credential":{"access_token":%q,"token_expiry":%q}}`,
					w.Token(puller), time.Now().Add(time.Hour).UTC().Format(time.RFC3339)))
				t.Setenv("CLOUDSDK_CORE_ACCOUNT", person)
				t.Setenv("CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT", puller)
			},
			source: "gcloud", tier: helpers.TierTool, program: true, who: puller,
			identity: "service account " + puller + " as gcloud account " + person,
		},
		{
			name: "gcloud with credentials and no account named",
			setup: func(t *testing.T, w *world) {
				w.installGcloud(t, fmt.Sprintf(`{"credential":{"access_token":%q,"token_expiry":%q}}`,
					w.Token(person), time.Now().Add(time.Hour).UTC().Format(time.RFC3339)))
				w.write(t, gcloudDir()+"/credentials.db", "SQLite")
			},
			source: "gcloud", tier: helpers.TierTool, program: true, who: person, noCache: true,
		},
		{
			name: "configured service account on top of a user",
			setup: func(t *testing.T, w *world) {
				w.useFile(t, w.AddUser(person))
				w.AddServiceAccount(puller)
				w.AllowImpersonation(person, puller)
				w.choice.ServiceAccount = puller
			},
			source: "Application Default Credentials", tier: helpers.TierConfigured,
			who: puller, identity: "service account " + puller + " as user " + person, asked: "google-oauth iamcredentials",
		},
		{
			name: "configured service account on top of the metadata server",
			setup: func(t *testing.T, w *world) {
				w.AddServiceAccount(puller)
				w.AttachServiceAccount(builder)
				w.AllowImpersonation(builder, puller)
				w.useMetadata(t)
				w.choice.ServiceAccount = puller
			},
			source: "Google metadata server", tier: helpers.TierConfigured, bound: "boot host",
			who: puller, identity: "service account " + puller + " as service account of this machine",
			asked: "gce-metadata gce-metadata iamcredentials",
		},
		{
			name: "configured service account that the machine has already",
			setup: func(t *testing.T, w *world) {
				w.AttachServiceAccount(puller)
				w.useMetadata(t)
				w.choice.ServiceAccount = puller
			},
			source: "Google metadata server", tier: helpers.TierConfigured, bound: "boot host",
			who: puller, identity: "service account " + puller, asked: "gce-metadata gce-metadata",
		},
		{
			name: "configured service account whose own key is there",
			setup: func(t *testing.T, w *world) {
				w.useFile(t, w.AddServiceAccount(puller))
				w.choice.ServiceAccount = puller
			},
			source: "Application Default Credentials", tier: helpers.TierConfigured,
			who: puller, identity: "service account " + puller, asked: "google-oauth",
		},
		{
			name: "configured service account on top of a program may be kept",
			setup: func(t *testing.T, w *world) {
				pool, token := w.pool()
				w.AddServiceAccount(puller)
				w.AllowImpersonation(pool.Principal("repo:acme/app"), puller)
				w.useExecutable(t, fmt.Sprintf(`{"version":1,"success":true,"token_type":"urn:ietf:params:oauth:token-type:id_token","id_token":%q}`, token))
				w.choice.ServiceAccount = puller
			},
			source: "Application Default Credentials", tier: helpers.TierConfigured, program: true,
			who: puller, identity: "service account " + puller + " as workload identity of", asked: "google-sts iamcredentials",
		},
		{
			name: "configured service account on top of a token in a variable",
			setup: func(t *testing.T, w *world) {
				t.Setenv("CLOUDSDK_AUTH_ACCESS_TOKEN", w.Token(person))
				w.AddServiceAccount(puller)
				w.AllowImpersonation(person, puller)
				w.choice.ServiceAccount = puller
			},
			source: "CLOUDSDK_AUTH_ACCESS_TOKEN", tier: helpers.TierConfigured, bound: "env",
			who: puller, identity: "service account " + puller + " as the token in", asked: "iamcredentials",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.setup(t, w)
			before := time.Now()
			source, found, err := w.first(t.Context())
			if err != nil {
				t.Fatalf("%s: %v (records %+v)", source.Name, err, cloud.Records())
			}
			who, err := w.CheckToken(found.Secret.Reveal())
			if err != nil || who != tt.who {
				t.Errorf("the token is %q's (%v), want %q's", who, err, tt.who)
			}
			if source.Name != tt.source || source.Tier != tt.tier || source.Program != tt.program {
				t.Errorf("source %q, tier %d, program %t; want %q, %d, %t", source.Name, source.Tier, source.Program, tt.source, tt.tier, tt.program)
			}
			if found.Username != "oauth2accesstoken" || !found.Minted || found.NoCache != tt.noCache {
				t.Errorf("user %q, minted %t, no cache %t", found.Username, found.Minted, found.NoCache)
			}
			if life := found.ExpiresAt.Sub(before); life < 59*time.Minute || life > 61*time.Minute {
				t.Errorf("expires in %s, want about an hour", life)
			}
			if !strings.HasPrefix(found.Identity, tt.identity) || tt.identity == "" && found.Identity != "" {
				t.Errorf("identity %q, want %q…", found.Identity, tt.identity)
			}
			if got := kinds(found.BindTo); got != tt.bound {
				t.Errorf("bound to %q, want %q", got, tt.bound)
			}
			var asked []string
			for _, record := range cloud.Records() {
				asked = append(asked, record.Service)
			}
			if got := strings.Join(asked, " "); got != tt.asked {
				t.Errorf("asked %q, want %q", got, tt.asked)
			}
		})
	}
}

// useExecutable makes this test program a credential source, to answer so.
func (w *world) useExecutable(t *testing.T, answer string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(playExecutable, answer)
	t.Setenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1")
	w.useFile(t, federated(t, map[string]any{"executable": map[string]any{"command": self + " print-token"}}, nil))
}

// useAWS makes an AWS provider, and signs with secret.
func (w *world) useAWS(t *testing.T, secret string) {
	t.Helper()
	w.AddPool(cloudtest.GooglePool{Provider: provider, AWSAccount: "123456789012",
		AWSKeys: map[string]string{"AKIDEXAMPLE": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}})
	t.Setenv("AWS_REGION", "eu-west-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	t.Setenv("AWS_SESSION_TOKEN", "session")
	w.useFile(t, federated(t, map[string]any{"environment_id": "aws1",
		"regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"},
		map[string]any{"subject_token_type": "urn:ietf:params:aws:token-type:aws4_request"}))
}

func (w *world) useMetadata(t *testing.T) {
	t.Helper()
	host, err := w.ServeMetadata()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GCE_METADATA_HOST", host)
}

// TestVariable answers a token that lies in a variable as it is, and keeps it
// nowhere.
func TestVariable(t *testing.T) {
	w := newWorld(t)
	w.useFile(t, w.AddServiceAccount(puller))
	t.Setenv("CLOUDSDK_AUTH_ACCESS_TOKEN", " ya29.mine\n")
	source, found, err := w.first(t.Context())
	if err != nil || found.Secret.Reveal() != "ya29.mine" || found.Username != "oauth2accesstoken" {
		t.Fatalf("%q %q, %v", found.Username, found.Secret.Reveal(), err)
	}
	if source.Tier != helpers.TierJob || found.Minted || !found.ExpiresAt.IsZero() {
		t.Errorf("tier %d, minted %t, expires %s", source.Tier, found.Minted, found.ExpiresAt)
	}
}

// TestNoExpiry gives a token whose answer tells no expiry a short life, by
// every way that a token comes.
func TestNoExpiry(t *testing.T) {
	tests := []struct {
		name  string
		setup func(t *testing.T, w *world)
	}{
		{"federation", func(t *testing.T, w *world) {
			_, token := w.pool()
			w.useFile(t, federated(t, map[string]any{"file": w.write(t, "token", token)}, nil))
		}},
		{"service account key", func(t *testing.T, w *world) { w.useFile(t, w.AddServiceAccount(puller)) }},
		{"user", func(t *testing.T, w *world) { w.useFile(t, w.AddUser(person)) }},
		{"metadata server", func(t *testing.T, w *world) { w.AttachServiceAccount(puller); w.useMetadata(t) }},
		{"gcloud", func(t *testing.T, w *world) {
			t.Setenv("CLOUDSDK_CORE_ACCOUNT", person)
			w.installGcloud(t, `{"credential":{"access_token":"`+w.Token(person)+`","id_token":null,"token_expiry":null}}`)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.setup(t, w)
			w.SetMute(true)
			before := time.Now()
			_, found, err := w.first(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if life := found.ExpiresAt.Sub(before); life < 4*time.Minute || life > 6*time.Minute {
				t.Errorf("expires in %s, want about five minutes", life)
			}
		})
	}
}

// TestTokenDies shows that what the provider says about a token's life is what
// the cloud holds it to.
func TestTokenDies(t *testing.T) {
	w := newWorld(t)
	w.SetTokenLife(10 * time.Minute)
	w.useFile(t, w.AddServiceAccount(puller))
	_, found, err := w.first(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if life := time.Until(found.ExpiresAt); life > 10*time.Minute {
		t.Errorf("expires in %s, and the cloud gave ten minutes", life)
	}
	cloud.Advance(11 * time.Minute)
	if who, err := w.CheckToken(found.Secret.Reveal()); err == nil {
		t.Errorf("the cloud still takes %s's token", who)
	}
}

// TestNobody finds no identity where there is none, and asks nobody for it.
func TestNobody(t *testing.T) {
	tests := []struct {
		name  string
		setup func(t *testing.T, w *world)
	}{
		{"an empty machine", func(*testing.T, *world) {}},
		{"gcloud that nobody signed in to", func(t *testing.T, w *world) {
			w.installGcloud(t, "ERROR: (gcloud.config.config-helper) You do not currently have an active account selected.")
			w.write(t, gcloudDir()+"/configurations/config_default", "[core]\n")
		}},
		{"gcloud settings without gcloud", func(t *testing.T, w *world) {
			w.write(t, gcloudDir()+"/configurations/config_default", "[core]\naccount = "+person+"\n")
		}},
		{"metadata turned off", func(t *testing.T, w *world) {
			w.useMetadata(t)
			w.AttachServiceAccount(puller)
			off := false
			w.choice.Metadata = &off
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.setup(t, w)
			for _, source := range w.sources() {
				if _, err := source.Token(t.Context()); !helpers.IsAbsent(err) {
					t.Errorf("%s: %v, want absent", source.Name, err)
				}
			}
			if n := cloud.Count("", ""); n != 0 {
				t.Errorf("%d requests: %+v", n, cloud.Records())
			}
		})
	}
}

// TestMachineWithoutAccount takes a metadata server without a service account
// for what it is.
func TestMachineWithoutAccount(t *testing.T) {
	w := newWorld(t)
	w.useMetadata(t)
	_, _, err := w.first(t.Context())
	if !helpers.IsAbsent(err) || cloud.Count("gce-metadata", "token") != 1 {
		t.Errorf("%v after %+v", err, cloud.Records())
	}
}

// TestMachinePastProxy asks the metadata server directly: it is this machine's,
// and another machine, such as the proxy, has another account.
func TestMachinePastProxy(t *testing.T) {
	w := newWorld(t)
	w.useMetadata(t)
	w.AttachServiceAccount(puller)
	proxy, err := url.Parse(cloud.ProxyURL)
	if err != nil {
		t.Fatal(err)
	}
	w.env.HTTP = &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}
	if _, _, err := w.first(t.Context()); err != nil {
		t.Errorf("%v after %+v", err, cloud.Records())
	}
}

// TestInputs lists what chooses an identity, and no secret but the one whose
// presence decides.
func TestInputs(t *testing.T) {
	w := newWorld(t)
	w.write(t, gcloudDir()+"/active_config", "work\n")
	lister := gar.New().(helpers.InputLister)
	req := helpers.Request{Env: w.env}
	in := lister.Inputs(req)
	base := filepath.Join(w.home, filepath.FromSlash(gcloudDir()))
	for _, want := range []string{"application_default_credentials.json", "active_config", filepath.Join("configurations", "config_work")} {
		if !slices.Contains(in.Files, filepath.Join(base, want)) {
			t.Errorf("%s is not among %q", want, in.Files)
		}
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(w.home, "key.json"))
	t.Setenv("CLOUDSDK_ACTIVE_CONFIG_NAME", "other")
	in = lister.Inputs(req)
	for _, want := range []string{filepath.Join(w.home, "key.json"), filepath.Join(base, "configurations", "config_other")} {
		if !slices.Contains(in.Files, want) {
			t.Errorf("%s is not among %q", want, in.Files)
		}
	}
	for _, want := range []string{"GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG", "CLOUDSDK_AUTH_ACCESS_TOKEN", "GCE_METADATA_HOST"} {
		if !slices.Contains(in.Env, want) {
			t.Errorf("%s is not among %q", want, in.Env)
		}
	}
	for _, secret := range []string{"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		if slices.Contains(in.Env, secret) {
			t.Errorf("%s is an input", secret)
		}
	}
}

func late(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}
