// SPDX-License-Identifier: Apache-2.0

package gar_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/cloudtest"
)

// impersonating is a credentials file of person's that impersonates puller.
func impersonating(t *testing.T, w *world) []byte {
	t.Helper()
	return edited(t, nil, map[string]any{"type": "impersonated_service_account",
		"service_account_impersonation_url": impersonationURL(puller), "source_credentials": json.RawMessage(w.AddUser(person))})
}

// TestRefused tells failures apart: each in one line that names the cause, with
// the command that mends it, and without a secret.
func TestRefused(t *testing.T) {
	fail := func(f cloudtest.Fault) func(*testing.T, *world) {
		return func(t *testing.T, w *world) { w.useFile(t, w.AddServiceAccount(puller)); cloud.Fail(f) }
	}
	tests := []struct {
		name  string
		setup func(t *testing.T, w *world)
		kind  string // "mint" or "unusable"
		cause string // part of what is said
		next  string // part of the advice
	}{
		{"key deleted", func(t *testing.T, w *world) { w.AddServiceAccount(puller); w.useFile(t, w.ForgedKey(puller)) },
			"mint", "was deleted or is not the account's", "keys list --iam-account " + puller},
		{"account disabled", func(t *testing.T, w *world) { w.useFile(t, w.AddServiceAccount(puller)); w.Disable(puller) },
			"mint", "is disabled or deleted", "gcloud iam service-accounts describe " + puller},
		{"clock wrong", func(t *testing.T, w *world) { w.useFile(t, w.AddServiceAccount(puller)); cloud.Advance(2 * time.Hour) },
			"mint", "out of its time", "clock"},
		{"sign-in revoked", func(t *testing.T, w *world) { w.useFile(t, w.AddUser(person)); w.RevokeUser(person) },
			"mint", "has expired or was revoked", "gcloud auth application-default login"},
		{"reauthentication wanted", func(t *testing.T, w *world) { w.useFile(t, w.AddUser(person)); w.RequireReauth(person) },
			"mint", "wants a new sign-in", "gcloud auth application-default login"},
		{"client unknown", func(t *testing.T, w *world) {
			w.useFile(t, edited(t, w.AddUser(person), map[string]any{"client_id": "gone"}))
		},
			"mint", "invalid_client", "gcloud auth application-default login"},
		{"key file missing", func(t *testing.T, w *world) {
			t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(w.home, "gone.json"))
		}, "mint", "gone.json does not exist", "GOOGLE_APPLICATION_CREDENTIALS"},
		{"key file a folder", func(t *testing.T, w *world) { t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", w.home) },
			"mint", "cannot be read", "check what"},
		{"key file no JSON", func(t *testing.T, w *world) { w.useFile(t, []byte("{canary")) },
			"mint", "credentials.json is no JSON", "gcloud auth"},
		{"key file without its key", func(t *testing.T, w *world) {
			w.useFile(t, edited(t, w.AddServiceAccount(puller), map[string]any{"private_key": "canary"}))
		}, "mint", "the private key in", "keys create KEY.json --iam-account " + puller},
		{"OAuth client in place of a key", func(t *testing.T, w *world) {
			w.useFile(t, []byte(`{"installed":{"client_id":"x","client_secret":"canary","redirect_uris":["http://localhost"]}}`))
		}, "mint", "file of an OAuth client", "gcloud auth"},
		{"unknown type", func(t *testing.T, w *world) { w.useFile(t, []byte(`{"type":"magic"}`)) },
			"mint", `type "magic"`, "gcloud auth"},
		{"key in the variable itself", func(t *testing.T, w *world) {
			t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", string(w.AddServiceAccount(puller)))
		}, "unusable", "holds a key itself", "path"},
		{"variable unexpanded", func(t *testing.T, _ *world) { t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "${KEY_FILE}") },
			"unusable", "unexpanded", "GOOGLE_APPLICATION_CREDENTIALS"},
		{"token variable empty", func(t *testing.T, _ *world) { t.Setenv("CLOUDSDK_AUTH_ACCESS_TOKEN", "") },
			"unusable", "is set but empty", "unset CLOUDSDK_AUTH_ACCESS_TOKEN"},
		{"another universe", func(t *testing.T, w *world) {
			w.useFile(t, edited(t, w.AddServiceAccount(puller), map[string]any{"universe_domain": "s3nsapis.fr"}))
		}, "unusable", "s3nsapis.fr", "googleapis.com"},

		{"impersonation in the file denied", func(t *testing.T, w *world) { w.AddServiceAccount(puller); w.useFile(t, impersonating(t, w)) },
			"mint", "may not impersonate " + puller, "roles/iam.serviceAccountTokenCreator"},
		{"configured impersonation denied", func(t *testing.T, w *world) {
			w.useFile(t, w.AddUser(person))
			w.AddServiceAccount(puller)
			w.choice.ServiceAccount = puller
		}, "mint", "may not impersonate " + puller, "roles/iam.serviceAccountTokenCreator"},
		{"configured account disabled", func(t *testing.T, w *world) {
			w.useFile(t, w.AddUser(person))
			w.AddServiceAccount(puller)
			w.AllowImpersonation(person, puller)
			w.Disable(puller)
			w.choice.ServiceAccount = puller
		}, "mint", "is disabled", "service-accounts describe " + puller},
		{"configured account no address", func(t *testing.T, w *world) {
			w.useFile(t, w.AddUser(person))
			w.choice.ServiceAccount = "puller; rm -rf /"
		}, "mint", "no e-mail address", "configuration"},
		{"token in the variable not accepted", func(t *testing.T, w *world) {
			t.Setenv("CLOUDSDK_AUTH_ACCESS_TOKEN", "ya29.canary")
			w.AddServiceAccount(puller)
			w.choice.ServiceAccount = puller
		}, "mint", "is not accepted", "gcloud auth"},
		{"impersonation API off", func(t *testing.T, w *world) {
			w.useFile(t, w.AddUser(person))
			w.choice.ServiceAccount = puller
			cloud.Fail(cloudtest.Fault{Service: "iamcredentials", Status: 403,
				Body: `{"error":{"code":403,"message":"IAM Service Account Credentials API has not been used in project 1 before or it is disabled.","status":"PERMISSION_DENIED","details":[{"reason":"SERVICE_DISABLED"}]}}`})
		}, "mint", "has not been used", "gcloud services enable iamcredentials.googleapis.com"},
		{"impersonation answer is nonsense", func(t *testing.T, w *world) {
			w.useFile(t, w.AddUser(person))
			w.choice.ServiceAccount = puller
			cloud.Fail(cloudtest.Fault{Service: "iamcredentials", Status: 200, Body: "<html>"})
		}, "mint", "no token", "proxy"},

		{"subject token is of another issuer", func(t *testing.T, w *world) {
			w.pool()
			token := cloudtest.NewAzureIssuer("x").Token("s", time.Now(), nil)
			w.useFile(t, federated(t, map[string]any{"file": w.write(t, "token", token)}, nil))
		}, "mint", "sts.googleapis.com gave no token", "workload-identity-pools providers describe"},
		{"subject token has a wrong audience", func(t *testing.T, w *world) {
			pool, _ := w.pool()
			token := pool.Issuer.Token("s", time.Now(), map[string]any{"aud": "https://else.example"})
			w.useFile(t, federated(t, map[string]any{"file": w.write(t, "token", token)}, nil))
		}, "mint", "audience in ID Token", "workload-identity-pools providers describe"},
		{"pool gone", func(t *testing.T, w *world) {
			w.useFile(t, federated(t, map[string]any{"file": w.write(t, "token", "a.b.c")}, nil))
		}, "mint", "invalid_target", provider},
		{"subject token file missing", func(t *testing.T, w *world) {
			w.useFile(t, federated(t, map[string]any{"file": filepath.Join(w.home, "gone")}, nil))
		}, "mint", "no usable subject token in", "who writes that file"},
		{"subject token URL refuses", func(t *testing.T, w *world) {
			url, err := cloud.Serve(http.NotFoundHandler())
			if err != nil {
				t.Fatal(err)
			}
			w.useFile(t, federated(t, map[string]any{"url": url}, nil))
		}, "mint", "gave no subject token (HTTP 404)", "credential_source"},
		{"AWS signature wrong", func(t *testing.T, w *world) { w.useAWS(t, "canary") },
			"mint", "SignatureDoesNotMatch", "providers describe"},
		{"program not allowed", func(t *testing.T, w *world) {
			w.useExecutable(t, "{}")
			t.Setenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "")
		}, "mint", "programs are not allowed", "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1"},
		{"program fails", func(t *testing.T, w *world) { w.useExecutable(t, "ERROR canary") },
			"mint", "exit code 1", "run it by hand"},
		{"program says why", func(t *testing.T, w *world) {
			w.useExecutable(t, `{"version":1,"success":false,"code":"401","message":"sign in first"}`)
		}, "mint", "sign in first", "run it by hand"},
		{"program babbles", func(t *testing.T, w *world) { w.useExecutable(t, `canary {"id_token":"canary"}`) },
			"mint", "gave no token", "run it by hand"},
		{"credential source unknown", func(t *testing.T, w *world) { w.useFile(t, federated(t, map[string]any{"certificate": true}, nil)) },
			"mint", "no token can be had", ""},

		{"service unavailable", fail(cloudtest.Fault{Service: "google-oauth", Status: 503, Body: "canary"}),
			"mint", "oauth2.googleapis.com has trouble (HTTP 503)", "status.cloud.google.com"},
		{"throttled", fail(cloudtest.Fault{Service: "google-oauth", Status: 429}), "mint", "throttles", "wait"},
		{"nonsense JSON", fail(cloudtest.Fault{Service: "google-oauth", Status: 200, Body: `{"access_token":`}),
			"mint", "something that is no token", "proxy"},
		{"empty answer", fail(cloudtest.Fault{Service: "google-oauth", Status: 200, Body: `{}`}),
			"mint", "something that is no token", "proxy"},
		{"refusal without a reason", fail(cloudtest.Fault{Service: "google-oauth", Status: 403, Body: "<html>canary"}),
			"mint", "(HTTP 403)", ""},
		{"redirect", fail(cloudtest.Fault{Service: "google-oauth", Status: 302, Header: http.Header{"Location": {"https://evil.example/"}}}),
			"mint", "is not followed", "proxy"},

		{"metadata denied", func(t *testing.T, w *world) { w.useMetadata(t); w.AttachServiceAccount(puller); w.Disable(puller) },
			"mint", "the metadata server gave no token (HTTP 403)", ""},
		{"metadata denied to a pod", func(t *testing.T, w *world) {
			w.useMetadata(t)
			cloud.Fail(cloudtest.Fault{Service: "gce-metadata", Status: 403, Body: "IAM returned 403 Forbidden: Permission 'iam.serviceAccounts.getAccessToken' denied"})
		}, "mint", "getAccessToken", "roles/iam.workloadIdentityUser"},
		{"metadata nonsense", func(t *testing.T, w *world) {
			w.useMetadata(t)
			cloud.Fail(cloudtest.Fault{Service: "gce-metadata", Status: 200, Body: "<html>canary"})
		}, "mint", "holds no token", ""},
		{"metadata unreachable", func(t *testing.T, _ *world) { t.Setenv("GCE_METADATA_HOST", "127.0.0.1:1") },
			"mint", "cannot be reached", "GCE_METADATA_HOST"},

		{"gcloud signed out", func(t *testing.T, w *world) {
			t.Setenv("CLOUDSDK_CORE_ACCOUNT", person)
			w.installGcloud(t, "ERROR: (gcloud.config.config-helper) Your current active account [me@corp.example] does not have any valid credentials\nPlease run:\n")
		}, "mint", `gcloud says "Your current active account [me@corp.example] does not have any valid credentials"`, "gcloud auth login"},
		{"gcloud babbles", func(t *testing.T, w *world) { t.Setenv("CLOUDSDK_CORE_ACCOUNT", person); w.installGcloud(t, "canary") },
			"mint", "holds no token", "gcloud auth login"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.setup(t, w)
			_, found, err := w.first(t.Context())
			cause, next, kind := told(err)
			if kind != tt.kind || !strings.Contains(cause, tt.cause) || !strings.Contains(next, tt.next) {
				t.Fatalf("%s: %q, next %q (got %v); want %s: %q, next %q", kind, cause, next, found, tt.kind, tt.cause, tt.next)
			}
			for _, secret := range []string{"canary", "1//fake", "ya29.", "PRIVATE", "MII", "loopback-client-secret", "\n"} {
				if strings.Contains(cause+next, secret) {
					t.Errorf("%q is in %q, next %q", secret, cause, next)
				}
			}
			if next == "" {
				t.Error("there is no advice")
			}
		})
	}
}

func told(err error) (cause, next, kind string) {
	var mint *helpers.MintError
	var unusable *helpers.UnusableError
	switch {
	case errors.As(err, &mint):
		return mint.Cause, mint.Next, "mint"
	case errors.As(err, &unusable):
		return unusable.Why, unusable.Next, "unusable"
	}
	return fmt.Sprint(err), "", "other"
}

// TestDeadline ends every source at its deadline, and says who was slow.
func TestDeadline(t *testing.T) {
	hang := func(service string) { cloud.Fail(cloudtest.Fault{Service: service, Hang: true}) }
	tests := []struct {
		name  string
		setup func(t *testing.T, w *world)
		slow  string
	}{
		{"service account", func(t *testing.T, w *world) { w.useFile(t, w.AddServiceAccount(puller)); hang("google-oauth") }, "oauth2.googleapis.com"},
		{"user", func(t *testing.T, w *world) { w.useFile(t, w.AddUser(person)); hang("google-oauth") }, "oauth2.googleapis.com"},
		{"federation", func(t *testing.T, w *world) {
			_, token := w.pool()
			w.useFile(t, federated(t, map[string]any{"file": w.write(t, "token", token)}, nil))
			hang("google-sts")
		}, "sts.googleapis.com"},
		{"impersonation", func(t *testing.T, w *world) {
			w.useFile(t, impersonating(t, w))
			hang("iamcredentials")
		}, "iamcredentials.googleapis.com"},
		{"metadata", func(t *testing.T, w *world) { w.useMetadata(t); hang("gce-metadata") }, "the metadata server"},
		{"program", func(t *testing.T, w *world) { w.useExecutable(t, "hang") }, "the source of the token"},
		{"gcloud", func(t *testing.T, w *world) { t.Setenv("CLOUDSDK_CORE_ACCOUNT", person); w.installGcloud(t, "hang") }, "gcloud"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.setup(t, w)
			_, _, err := w.first(late(t))
			cause, _, kind := told(err)
			if kind != "mint" || cause != tt.slow+" did not answer in time" || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %q (%v)", kind, cause, err)
			}
		})
	}
}

// TestRetry asks the metadata server again after a moment's trouble.
func TestRetry(t *testing.T) {
	w := newWorld(t)
	w.useMetadata(t)
	w.AttachServiceAccount(puller)
	cloud.Fail(cloudtest.Fault{Service: "gce-metadata", Status: 503, Times: 1})
	if _, _, err := w.first(t.Context()); err != nil {
		t.Error(err)
	}
}
