// SPDX-License-Identifier: Apache-2.0

package gar_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/cloudtest"
)

// workforce is the provider of a workforce pool: people, where provider's pool
// has workloads.
const workforce = "//iam.googleapis.com/locations/global/workforcePools/staff/providers/okta"

// TestWorkforce is the file of a person who signed in through the
// organisation's own identity provider.
func TestWorkforce(t *testing.T) {
	t.Run("signed in", func(t *testing.T) {
		w := newWorld(t)
		file, principal := w.AddWorkforceUser(workforce, person)
		w.useFile(t, file)
		before := time.Now()
		source, found, err := w.first(t.Context())
		if err != nil {
			t.Fatalf("%v (records %+v)", err, cloud.Records())
		}
		if who, err := w.CheckToken(found.Secret.Reveal()); err != nil || who != principal {
			t.Errorf("the token is %q's (%v), want %q's", who, err, principal)
		}
		if life := found.ExpiresAt.Sub(before); life < 59*time.Minute || life > 61*time.Minute {
			t.Errorf("expires in %s, want about an hour", life)
		}
		if source.Name != "Application Default Credentials" || !strings.HasPrefix(found.Source, "workforce identity (") ||
			!strings.HasPrefix(found.Identity, "user of the credentials file (sha256:") || !found.Minted || found.NoCache {
			t.Errorf("from %s: %+v", source.Name, found)
		}
		if cloud.Count("google-sts", "token") != 1 || cloud.Count("", "") != 1 {
			t.Errorf("asked %+v", cloud.Records())
		}
	})
	t.Run("as a service account", func(t *testing.T) {
		w := newWorld(t)
		file, principal := w.AddWorkforceUser(workforce, person)
		w.useFile(t, file)
		w.AddServiceAccount(puller)
		w.AllowImpersonation(principal, puller)
		w.choice.ServiceAccount = puller
		_, found, err := w.first(t.Context())
		if err != nil {
			t.Fatalf("%v (records %+v)", err, cloud.Records())
		}
		if who, err := w.CheckToken(found.Secret.Reveal()); err != nil || who != puller {
			t.Errorf("the token is %q's (%v)", who, err)
		}
	})
	t.Run("no expiry told", func(t *testing.T) {
		w := newWorld(t)
		file, _ := w.AddWorkforceUser(workforce, person)
		w.useFile(t, file)
		w.SetMute(true)
		before := time.Now()
		_, found, err := w.first(t.Context())
		if life := found.ExpiresAt.Sub(before); err != nil || life < 4*time.Minute || life > 6*time.Minute {
			t.Errorf("%v, expires in %s, want about five minutes", err, life)
		}
	})
	t.Run("revoked", func(t *testing.T) {
		w := newWorld(t)
		file, principal := w.AddWorkforceUser(workforce, person)
		w.useFile(t, file)
		w.RevokeUser(principal)
		_, _, err := w.first(t.Context())
		wantMint(t, err, "has expired or was revoked", "gcloud auth application-default login")
	})
}

// TestAWSMachine is workload identity of an EC2 machine's role: region and keys
// come from its metadata service, of which only version 2 answers.
func TestAWSMachine(t *testing.T) {
	const role = "arn:aws:iam::123456789012:role/builders"
	const session = "arn:aws:sts::123456789012:assumed-role/builders/i-0123456789abcdef0"
	setup := func(t *testing.T) *world {
		t.Helper()
		w := newWorld(t)
		w.AddPool(cloudtest.GooglePool{Provider: provider, AWSAccount: "123456789012"})
		at := cloud.AWS().MetadataURL()
		w.useFile(t, federated(t, map[string]any{
			"environment_id":                 "aws1",
			"region_url":                     at + "/latest/meta-data/placement/availability-zone",
			"url":                            at + "/latest/meta-data/iam/security-credentials",
			"imdsv2_session_token_url":       at + "/latest/api/token",
			"regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
		}, map[string]any{"subject_token_type": "urn:ietf:params:aws:token-type:aws4_request"}))
		return w
	}
	t.Run("with a role", func(t *testing.T) {
		w := setup(t)
		cloud.AWS().SetInstanceRole(role)
		_, found, err := w.first(t.Context())
		if err != nil {
			t.Fatalf("%v (records %+v)", err, cloud.Records())
		}
		want := cloudtest.GooglePool{Provider: provider}.Principal(session)
		if who, err := w.CheckToken(found.Secret.Reveal()); err != nil || who != want {
			t.Errorf("the token is %q's (%v), want %q's", who, err, want)
		}
		if !strings.HasPrefix(found.Identity, "workload identity of "+provider) || kinds(found.BindTo) != "boot env host" {
			t.Errorf("%+v", found)
		}
		var asked []string
		for _, r := range cloud.Records() {
			asked = append(asked, r.Service+" "+r.Action)
		}
		slices.Sort(asked) // in which order is the library's business
		if got := strings.Join(asked, ", "); got != "google-sts token, imds credentials, imds metadata, imds roles, imds token" {
			t.Errorf("asked %s", got)
		}
	})
	t.Run("of another account", func(t *testing.T) {
		w := setup(t)
		cloud.AWS().SetInstanceRole("arn:aws:iam::210987654321:role/builders")
		_, _, err := w.first(t.Context())
		wantMint(t, err, "sts.googleapis.com gave no token", "providers describe")
	})
	t.Run("without a role", func(t *testing.T) {
		w := setup(t)
		_, _, err := w.first(t.Context())
		wantMint(t, err, "gave no subject token (HTTP 404)", "credential_source")
		if n := cloud.Count("google-sts", ""); n != 0 {
			t.Errorf("%d exchanges", n)
		}
	})
}

// TestOlderTokenURL is a service account key that names the token endpoint by
// one of its former addresses: that one is asked, as the file says.
func TestOlderTokenURL(t *testing.T) {
	for _, at := range []string{"https://accounts.google.com/o/oauth2/token", "https://www.googleapis.com/oauth2/v4/token"} {
		t.Run(at, func(t *testing.T) {
			w := newWorld(t)
			w.useFile(t, edited(t, w.AddServiceAccount(puller), map[string]any{"token_uri": at}))
			_, found, err := w.first(t.Context())
			if err != nil {
				t.Fatalf("%v (records %+v)", err, cloud.Records())
			}
			if who, err := w.CheckToken(found.Secret.Reveal()); err != nil || who != puller {
				t.Errorf("the token is %q's (%v)", who, err)
			}
			if asked := cloud.Records(); len(asked) != 1 || !strings.HasPrefix(at, "https://"+asked[0].Host+"/") {
				t.Errorf("asked %+v", asked)
			}
		})
	}
}

func wantMint(t *testing.T, err error, cause, next string) {
	t.Helper()
	failed, ok := err.(*helpers.MintError) //nolint:errorlint // the type a Source promises
	if !ok {
		t.Fatalf("%T %v (records %+v)", err, err, cloud.Records())
	}
	if !strings.Contains(failed.Cause, cause) || !strings.Contains(failed.Next, next) {
		t.Errorf("cause %q\nnext %q\nwant %q, %q", failed.Cause, failed.Next, cause, next)
	}
}
