// SPDX-License-Identifier: Apache-2.0

package cloudtest_test

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/regauth/docker-credential-regauth/helpers/cloudtest"
)

const (
	awsAccount  = "123456789012"
	awsRole     = "arn:aws:iam::" + awsAccount + ":role/ci"
	awsHost     = awsAccount + ".dkr.ecr.eu-west-1.amazonaws.com"
	ecrAPI      = "api.ecr.eu-west-1.amazonaws.com"
	ecrTarget   = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"
	publicAPI   = "api.ecr-public.us-east-1.amazonaws.com"
	publicToken = "SpencerFrontendService.GetAuthorizationToken"
)

var awsUser = cloudtest.AWSUser{Account: awsAccount, Name: "me", KeyID: "AKIAIOSFODNN7EXAMPLE", Secret: "wJalrXUtnFEMIEXAMPLEKEY"}

// awsCloud starts a cloud with one user, and a client that reaches it.
func awsCloud(t *testing.T) (*cloudtest.Cloud, *cloudtest.AWS, *http.Client) {
	t.Helper()
	c, err := cloudtest.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	a := c.AWS()
	a.AddUser(awsUser)
	proxy, err := url.Parse(c.ProxyURL)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.CA.PEM())
	byName := func(r *http.Request) (*url.URL, error) { // loopback listeners are reached directly
		if r.URL.Hostname() == "127.0.0.1" {
			return nil, nil //nolint:nilnil // no proxy
		}
		return proxy, nil
	}
	transport := &http.Transport{Proxy: byName, TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	return c, a, &http.Client{Transport: transport}
}

// awsCall is a request that the AWS SDK's signer signs.
type awsCall struct {
	url, target, body, form string
	service, region         string // of the credential scope
	keys                    aws.Credentials
	at                      time.Time
	unsigned                bool
	claimed                 string                // has its hash in x-amz-content-sha256
	method, contentType     string                // when not empty
	alter                   func(r *http.Request) // after signing
}

func (c awsCall) send(t *testing.T, client *http.Client) (status int, body string) {
	t.Helper()
	text := c.body + c.form
	r, err := http.NewRequestWithContext(t.Context(), cmp.Or(c.method, http.MethodPost), c.url, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", cmp.Or(c.contentType, "application/x-amz-json-1.1"))
	if c.form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	}
	if c.claimed != "" {
		sum := sha256.Sum256([]byte(c.claimed))
		r.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
	}
	if c.target != "" {
		r.Header.Set("X-Amz-Target", c.target)
	}
	if !c.unsigned {
		sum := sha256.Sum256([]byte(text))
		if err := v4.NewSigner().SignHTTP(t.Context(), c.keys, r, hex.EncodeToString(sum[:]), c.service, c.region, c.at); err != nil {
			t.Fatal(err)
		}
	}
	if c.alter != nil {
		c.alter(r)
	}
	return awsDo(t, client, r)
}

func awsDo(t *testing.T, client *http.Client, r *http.Request) (status int, body string) {
	t.Helper()
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	read, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(read)
}

func keysOf(u cloudtest.AWSUser) aws.Credentials {
	return aws.Credentials{AccessKeyID: u.KeyID, SecretAccessKey: u.Secret}
}

// ecrCall is a good one.
func ecrCall() awsCall {
	return awsCall{url: "https://" + ecrAPI + "/", target: ecrTarget, body: "{}", service: "ecr", region: "eu-west-1", keys: keysOf(awsUser), at: time.Now()}
}

func stsCall(form string) awsCall {
	return awsCall{url: "https://sts.eu-west-1.amazonaws.com/", form: form, service: "sts", region: "eu-west-1", keys: keysOf(awsUser), at: time.Now()}
}

const whoAmI = "Action=GetCallerIdentity&Version=2011-06-15"

// Each refusal of a signed request, in both protocols.
func TestAWSSignature(t *testing.T) {
	c, a, client := awsCloud(t)
	id, secret, token, _, err := a.Session(awsRole, "me", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	session := aws.Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: token}
	tests := []struct {
		name    string
		change  func(c *awsCall)
		advance time.Duration
		json    string // in ECR's answer: its code, "" for served
		query   string // in STS's
	}{
		{name: "good", change: func(*awsCall) {}},
		{name: "good session", change: func(c *awsCall) { c.keys = session }},
		{name: "almost too old", change: func(c *awsCall) { c.at = c.at.Add(-4 * time.Minute) }},
		{name: "not signed", change: func(c *awsCall) { c.unsigned = true },
			json: "MissingAuthenticationTokenException", query: "MissingAuthenticationToken"},
		{name: "Basic in place of a signature", change: func(c *awsCall) { c.alter = func(r *http.Request) { r.SetBasicAuth("a", "b") } },
			json: "IncompleteSignatureException", query: "IncompleteSignature"},
		{name: "no date", change: func(c *awsCall) { c.alter = func(r *http.Request) { r.Header.Del("X-Amz-Date") } },
			json: "IncompleteSignatureException", query: "IncompleteSignature"},
		{name: "wrong secret", change: func(c *awsCall) { c.keys.SecretAccessKey += "x" },
			json: "InvalidSignatureException", query: "SignatureDoesNotMatch"},
		{name: "unknown key", change: func(c *awsCall) { c.keys.AccessKeyID = "AKIAOTHER" },
			json: "UnrecognizedClientException", query: "InvalidClientTokenId"},
		{name: "session token missing", change: func(c *awsCall) { c.keys = session; c.keys.SessionToken = "" },
			json: "UnrecognizedClientException", query: "InvalidClientTokenId"},
		{name: "session token of another", change: func(c *awsCall) { c.keys = session; c.keys.SessionToken += "x" },
			json: "UnrecognizedClientException", query: "InvalidClientTokenId"},
		{name: "session expired", change: func(c *awsCall) { c.keys = session }, advance: 2 * time.Hour,
			json: "ExpiredTokenException", query: "ExpiredToken"},
		{name: "wrong region", change: func(c *awsCall) { c.region = "us-east-1" },
			json: "InvalidSignatureException", query: "SignatureDoesNotMatch"},
		{name: "wrong service", change: func(c *awsCall) { c.service = "s3" },
			json: "InvalidSignatureException", query: "SignatureDoesNotMatch"},
		{name: "too old", change: func(c *awsCall) { c.at = c.at.Add(-6 * time.Minute) },
			json: "InvalidSignatureException", query: "SignatureDoesNotMatch"},
		{name: "from the future", change: func(c *awsCall) { c.at = c.at.Add(6 * time.Minute) },
			json: "InvalidSignatureException", query: "SignatureDoesNotMatch"},
		{name: "date moved after signing", change: func(c *awsCall) {
			c.alter = func(r *http.Request) {
				r.Header.Set("X-Amz-Date", time.Now().Add(time.Minute).UTC().Format("20060102T150405Z"))
			}
		}, json: "InvalidSignatureException", query: "SignatureDoesNotMatch"},
		{name: "scope of another day", change: func(c *awsCall) {
			c.alter = func(r *http.Request) {
				today := "/" + c.at.UTC().Format("20060102") + "/"
				r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), today, "/20200101/", 1))
			}
		}, json: "Date in Credential scope", query: "Date in Credential scope"},
		{name: "body changed after signing", change: func(c *awsCall) {
			c.alter = func(r *http.Request) {
				// As long as what was signed.
				changed := strings.Replace(c.body+c.form, "}", " ", 1)
				if c.form != "" {
					changed = strings.Replace(c.form, "2011", "2012", 1)
				}
				r.Body = io.NopCloser(strings.NewReader(changed))
			}
		}, json: "InvalidSignatureException", query: "SignatureDoesNotMatch"},
		{name: "claimed hash of another body, signed as such", change: func(c *awsCall) { c.claimed = "hello" },
			json: "x-amz-content-sha256", query: "x-amz-content-sha256"},
		{name: "claimed hash of the body", change: func(c *awsCall) { c.claimed = c.body + c.form }},
		{name: "host changed after signing", change: func(c *awsCall) {
			c.alter = func(r *http.Request) { r.Host = r.URL.Host + ":443" }
		}, json: "InvalidSignatureException", query: "SignatureDoesNotMatch"},
		{name: "host not signed", change: func(c *awsCall) {
			c.alter = func(r *http.Request) {
				r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "host;", "", 1))
			}
		}, json: "SignedHeader", query: "SignedHeader"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for protocol, want := range map[string]string{"ecr": test.json, "sts": test.query} {
				call := ecrCall()
				if protocol == "sts" {
					call = stsCall(whoAmI)
				}
				test.change(&call)
				c.Advance(test.advance)
				before := len(c.Records())
				status, body := call.send(t, client)
				c.Advance(-test.advance)
				checkAnswer(t, c, protocol, status, body, want)
				if len(c.Records()) != before+1 {
					t.Errorf("%s: not recorded once", protocol)
				}
			}
		})
	}
}

// checkAnswer wants code (or none) in an answer and its record.
func checkAnswer(t *testing.T, c *cloudtest.Cloud, service string, status int, body, code string) {
	t.Helper()
	records := c.Records()
	last := records[len(records)-1]
	if last.Service != service || last.Status != status || (last.Refused == "") != (code == "") {
		t.Errorf("%s: recorded %+v", service, last)
	}
	if (status == http.StatusOK) != (code == "") || !strings.Contains(body, code) {
		t.Errorf("%s: HTTP %d %s, want %s", service, status, body, code)
	}
}

func TestECRRefusals(t *testing.T) {
	c, a, client := awsCloud(t)
	china := cloudtest.AWSUser{Account: awsAccount, Name: "cn", KeyID: "AKIACHINA", Secret: "s", Partition: "aws-cn"}
	denied := cloudtest.AWSUser{Account: awsAccount, Name: "no", KeyID: "AKIADENIED", Secret: "s"}
	a.AddUser(china)
	a.AddUser(denied)
	a.DenyECR(denied.ARN())
	public := func(c *awsCall) {
		c.url, c.target, c.service, c.region = "https://"+publicAPI+"/", publicToken, "ecr-public", "us-east-1"
	}
	tests := []struct {
		name, service, code string
		change              func(c *awsCall)
	}{
		{"wrong target", "ecr", "UnknownOperationException", func(c *awsCall) { c.target = "AmazonEC2ContainerRegistry_V20150921.CreateRepository" }},
		{"target of another service", "ecr", "UnknownOperationException", func(c *awsCall) { c.target = publicToken }},
		{"no target", "ecr", "UnknownOperationException", func(c *awsCall) { c.target = "" }},
		{"PUT", "ecr", "SerializationException", func(c *awsCall) { c.method = http.MethodPut }},
		{"form", "ecr", "SerializationException", func(c *awsCall) { c.contentType = "application/x-www-form-urlencoded" }},
		{"JSON of another protocol", "ecr", "SerializationException", func(c *awsCall) { c.contentType = "application/json" }},
		{"not JSON", "ecr", "SerializationException", func(c *awsCall) { c.body = "hello" }},
		{"account of 11 digits", "ecr", "InvalidParameterException", func(c *awsCall) { c.body = `{"registryIds":["12345678901"]}` }},
		{"too many accounts", "ecr", "InvalidParameterException", func(c *awsCall) {
			c.body = `{"registryIds":[` + strings.Repeat(`"123456789012",`, 10) + `"123456789012"]}`
		}},
		{"denied", "ecr", "AccessDeniedException", func(c *awsCall) { c.keys = keysOf(denied) }},
		{"key of another partition", "ecr", "UnrecognizedClientException", func(c *awsCall) { c.keys = keysOf(china) }},
		{"public served", "ecr-public", "", public},
		{"public denied", "ecr-public", "AccessDeniedException", func(c *awsCall) { public(c); c.keys = keysOf(denied) }},
		{"public signed for another region", "ecr-public", "InvalidSignatureException", func(c *awsCall) { public(c); c.region = "eu-west-1" }},
		{"public signed for private", "ecr-public", "InvalidSignatureException", func(c *awsCall) { public(c); c.service = "ecr" }},
		{"public with the private target", "ecr-public", "UnknownOperationException", func(c *awsCall) { public(c); c.target = ecrTarget }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			call := ecrCall()
			test.change(&call)
			status, body := call.send(t, client)
			checkAnswer(t, c, test.service, status, body, test.code)
		})
	}
}

// A password is good for the account and region it was minted for, until it or
// the session behind it ends.
func TestECRToken(t *testing.T) {
	c, a, client := awsCloud(t)
	call := ecrCall()
	call.body = `{"registryIds":["210987654321","` + awsAccount + `"]}`
	_, body := call.send(t, client)
	var answer struct {
		AuthorizationData []struct {
			AuthorizationToken, ProxyEndpoint string
			ExpiresAt                         float64
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || len(answer.AuthorizationData) != 2 {
		t.Fatalf("%s: %v", body, err)
	}
	if got := answer.AuthorizationData[0].ProxyEndpoint; got != "https://210987654321.dkr.ecr.eu-west-1.amazonaws.com" {
		t.Errorf("endpoint %s", got)
	}
	mine := answer.AuthorizationData[1]
	if left := time.Until(time.Unix(int64(mine.ExpiresAt), 0)); left < 11*time.Hour || left > 13*time.Hour {
		t.Errorf("%v left", left)
	}
	raw, _ := base64.StdEncoding.DecodeString(mine.AuthorizationToken)
	_, password, _ := strings.Cut(string(raw), ":")
	tests := []struct {
		name, host, user, password string
		good                       bool
	}{
		{"the host", awsHost, "AWS", password, true},
		{"with a port", awsHost + ":5000", "AWS", password, true},
		{"its FIPS host", awsAccount + ".dkr.ecr-fips.eu-west-1.amazonaws.com", "AWS", password, true},
		{"its dual-stack host", awsAccount + ".dkr-ecr.eu-west-1.on.aws", "AWS", password, true},
		{"another region", awsAccount + ".dkr.ecr.us-east-1.amazonaws.com", "AWS", password, false},
		{"another account", "210987654321.dkr.ecr.eu-west-1.amazonaws.com", "AWS", password, false},
		{"public", "public.ecr.aws", "AWS", password, false},
		{"another user", awsHost, "me", password, false},
		{"another password", awsHost, "AWS", password + "x", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := a.CheckECRToken(test.host, test.user, test.password)
			if (err == nil) != test.good || errors.Is(err, cloudtest.ErrExpired) {
				t.Error(err)
			}
		})
	}
	c.Advance(12*time.Hour - time.Minute)
	if err := a.CheckECRToken(awsHost, "AWS", password); err != nil {
		t.Errorf("a minute before its end: %v", err)
	}
	c.Advance(2 * time.Minute)
	if err := a.CheckECRToken(awsHost, "AWS", password); !errors.Is(err, cloudtest.ErrExpired) {
		t.Errorf("a minute after its end: %v", err)
	}
}
