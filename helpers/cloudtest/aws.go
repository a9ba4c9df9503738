// SPDX-License-Identifier: Apache-2.0

package cloudtest

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"
)

// AWS is the loopback cloud's AWS: STS, ECR, ECR Public, the SSO portal and its
// OIDC service, AWS Sign-In, the EC2 metadata service (IMDSv2) and the container
// credentials endpoint. Get it with [Cloud.AWS]; what is added to it is
// forgotten at [Cloud.Reset].
//
// Requests are recorded as services "sts", "ecr", "ecr-public", "sso",
// "sso-oidc", "signin", "imds" (actions token, roles, credentials, metadata) and
// "ecs" (credentials); the other actions are the operations' names.
type AWS struct {
	cloud *Cloud

	// TokenLife is what an ECR password lives, 12 h as on AWS. SessionLife is
	// what metadata, SSO and sign-in sessions live, an hour. Skew puts the clock against
	// which signatures are judged off from this machine's; it is apart from the
	// cloud's clock, so that Advance makes things expire and not clients wrong.
	// Set them before the first request.
	TokenLife, SessionLife, Skew time.Duration

	mu        sync.Mutex
	keys      map[string]awsKey  // by access key id
	roles     map[string]AWSRole // by ARN
	denied    map[string]bool    // "principal action"
	passwords map[string]ecrPassword
	instance  string // ARN of the instance's role
	imdsToken map[string]time.Time
	container *AWSContainer
	sso       []AWSSSOAccess
	refreshes []AWSRefresh
	urls      map[string]string // plain listeners by service
}

// AWSUser is an IAM user with a long-lived key.
type AWSUser struct {
	Account   string // 12 digits
	Name      string
	KeyID     string // "AKIA…"
	Secret    string
	Partition string // "aws" when empty; its keys are unknown in the others
}

// ARN returns the user's ARN.
func (u AWSUser) ARN() string {
	if u.Partition == "" {
		u.Partition = "aws"
	}
	return "arn:" + u.Partition + ":iam::" + u.Account + ":user/" + u.Name
}

// AWSRole is an IAM role and its trust policy.
type AWSRole struct {
	ARN string // arn:aws:iam::123456789012:role/NAME
	// Trusts are the ARNs of users and roles that may assume it.
	Trusts     []string
	ExternalID string // must be given when not empty
	// Issuer's tokens may assume it, with this audience ("sts.amazonaws.com"
	// when empty) and this subject ("" is any).
	Issuer            *AWSIssuer
	Audience, Subject string
	MaxLife           time.Duration // an hour when zero
}

// AWSContainer is what the container credentials endpoint serves. Either Token
// or Issuer says who may have it; with neither, everybody.
type AWSContainer struct {
	Role  string // ARN
	Token string // the Authorization header's whole value
	// Issuer's tokens with the audience pods.eks.amazonaws.com are accepted in
	// its place, as EKS Pod Identity does.
	Issuer *AWSIssuer
}

// AWSSSOAccess is a person's sign-in at the SSO portal and what it opens.
type AWSSSOAccess struct {
	Token   string // the access token of ~/.aws/sso/cache
	Expires time.Time
	Account string
	Role    string // the permission set's name
}

// awsKey is an access key: a user's, or a session's.
type awsKey struct {
	id, secret, token string
	account, arn      string
	partition         string
	role              string    // ARN of the role behind a session
	expires           time.Time // zero: never
}

// awsParts keeps each cloud's AWS; see [Cloud.AWS].
type awsParts struct {
	once sync.Once
	aws  *AWS
}

// AWS returns the cloud's AWS, made at the first call.
func (c *Cloud) AWS() *AWS {
	c.aws.once.Do(func() {
		a := &AWS{cloud: c, urls: map[string]string{}}
		a.forget()
		c.aws.aws = a
		c.OnReset(a.forget)
		a.register()
	})
	return c.aws.aws
}

// register serves the real host names.
func (a *AWS) register() {
	a.handle(isAPIHost("sts"), a.serveSTS)
	a.handle(isAPIHost("ecr"), a.serveECR)
	a.handle(isAPIHost("ecr-public"), a.serveECRPublic)
	a.handle(isAPIHost("portal.sso"), a.serveSSO)
	a.handle(isAPIHost("oidc"), a.serveOIDC)
	a.handle(isSigninHost, a.serveSignin)
	a.handle(func(host string) bool { return host == "169.254.170.2" || host == "169.254.170.23" }, a.serveContainer)
}

func (a *AWS) handle(match func(string) bool, handler http.HandlerFunc) {
	a.cloud.mu.Lock()
	defer a.cloud.mu.Unlock()
	a.cloud.hosts = append(a.cloud.hosts, hostHandler{match, handler})
}

func isAPIHost(service string) func(string) bool {
	return func(host string) bool { _, ok := apiRegion(host, service); return ok }
}

func (a *AWS) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.TokenLife, a.SessionLife, a.Skew = 12*time.Hour, time.Hour, 0
	a.keys, a.roles = map[string]awsKey{}, map[string]AWSRole{}
	a.denied, a.passwords = map[string]bool{}, map[string]ecrPassword{}
	a.imdsToken, a.instance, a.container, a.sso = map[string]time.Time{}, "", nil, nil
	a.refreshes = nil
}

// AddUser adds a user and its key.
func (a *AWS) AddUser(u AWSUser) {
	if u.Partition == "" {
		u.Partition = "aws"
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys[u.KeyID] = awsKey{id: u.KeyID, secret: u.Secret, account: u.Account, arn: u.ARN(), partition: u.Partition}
}

// RemoveKey deletes an access key, a user's or a session's.
func (a *AWS) RemoveKey(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.keys, id)
}

// AddRole adds a role.
func (a *AWS) AddRole(r AWSRole) {
	if r.MaxLife == 0 {
		r.MaxLife = time.Hour
	}
	if r.Audience == "" {
		r.Audience = "sts.amazonaws.com"
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.roles[r.ARN] = r
}

// SetInstanceRole attaches a role to "this machine", so that the EC2 metadata
// service has credentials; "" detaches it.
func (a *AWS) SetInstanceRole(arn string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.instance = arn
}

// SetContainer gives "this container" credentials.
func (a *AWS) SetContainer(c AWSContainer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.container = &c
}

// AddSSOAccess adds a sign-in at the SSO portal.
func (a *AWS) AddSSOAccess(s AWSSSOAccess) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sso = append(a.sso, s)
}

// DenyECR forbids a principal (the ARN of a user or role) to mint passwords for
// ECR and ECR Public.
func (a *AWS) DenyECR(principal string) {
	a.Deny(principal, "ecr:GetAuthorizationToken")
	a.Deny(principal, "ecr-public:GetAuthorizationToken")
}

// Deny forbids a principal (the ARN of a user or role) one action, such as
// "sts:GetServiceBearerToken".
func (a *AWS) Deny(principal, action string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.denied[principal+" "+action] = true
}

func (a *AWS) isDenied(key awsKey, action string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.denied[key.arn+" "+action] || key.role != "" && a.denied[key.role+" "+action]
}

// errNoRole says that a session is wanted of a role that does not exist.
var errNoRole = errors.New("no such role")

// Session starts a session of a role and returns its keys, as an assumed role,
// a metadata service or the SSO portal would give them.
func (a *AWS) Session(roleARN, name string, life time.Duration) (id, secret, token string, expires time.Time, err error) {
	parts := strings.Split(roleARN, ":")
	if len(parts) != 6 || !strings.HasPrefix(parts[5], "role/") {
		return "", "", "", time.Time{}, errNoRole
	}
	roleName := parts[5][strings.LastIndexByte(parts[5], '/')+1:]
	k := awsKey{id: "ASIA" + randomID(16), secret: randomID(40), token: "FwoGZXIvYXdzE" + randomID(120),
		account: parts[4], partition: parts[1], role: roleARN,
		arn:     "arn:" + parts[1] + ":sts::" + parts[4] + ":assumed-role/" + roleName + "/" + name,
		expires: a.cloud.Now().Add(life).Truncate(time.Second)}
	a.mu.Lock()
	a.keys[k.id] = k
	a.mu.Unlock()
	return k.id, k.secret, k.token, k.expires.UTC(), nil
}

// randomID returns n characters of A-Z2-7.
func randomID(n int) string {
	raw := make([]byte, n)
	_, _ = rand.Read(raw) // never fails since Go 1.24
	return base32.StdEncoding.EncodeToString(raw)[:n]
}

// EndpointEnv returns NAME=value for the variables by which the AWS SDKs find
// the loopback cloud over plain HTTP, starting the listeners at the first call.
// The metadata and container endpoints are among them once a role was set: the
// mere presence of those variables changes what the SDKs do.
func (a *AWS) EndpointEnv() []string {
	env := []string{
		"AWS_ENDPOINT_URL_STS=" + a.url("sts", a.serveSTS),
		"AWS_ENDPOINT_URL_ECR=" + a.url("ecr", a.serveECR),
		"AWS_ENDPOINT_URL_ECR_PUBLIC=" + a.url("ecr-public", a.serveECRPublic),
		"AWS_ENDPOINT_URL_SSO=" + a.url("sso", a.serveSSO),
		"AWS_ENDPOINT_URL_SSO_OIDC=" + a.url("sso-oidc", a.serveOIDC),
		"AWS_ENDPOINT_URL_SIGNIN=" + a.url("signin", a.serveSignin),
	}
	a.mu.Lock()
	instance, container := a.instance, a.container
	a.mu.Unlock()
	if instance != "" {
		env = append(env, "AWS_EC2_METADATA_SERVICE_ENDPOINT="+a.MetadataURL())
	}
	if container != nil {
		env = append(env, "AWS_CONTAINER_CREDENTIALS_FULL_URI="+a.ContainerURL())
	}
	return env
}

// MetadataURL is the plain-HTTP address of the EC2 metadata service.
func (a *AWS) MetadataURL() string { return a.url("imds", a.serveIMDS) }

// ContainerURL is the plain-HTTP address of the container credentials.
func (a *AWS) ContainerURL() string { return a.url("ecs", a.serveContainer) + containerPath }

// url starts a listener once and returns its address. That loopback cannot be
// listened on is nothing a test could go on from.
func (a *AWS) url(service string, handler http.HandlerFunc) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known := a.urls[service]; known != "" {
		return known
	}
	url, err := a.cloud.Serve(handler)
	if err != nil {
		panic(err)
	}
	a.urls[service] = url
	return url
}
