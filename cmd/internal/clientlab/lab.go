// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers/cloudtest"
)

// The hosts of the lab. apiHosts are what the SDKs ask; the scripts put all of
// them into /etc/hosts.
const (
	ecrHost = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
	acrHost = "corp.azurecr.io"
	garHost = "europe-docker.pkg.dev"
	gcrHost = "gcr.io"
)

var apiHosts = []string{
	"api.ecr.eu-west-1.amazonaws.com", "sts.eu-west-1.amazonaws.com", "sts.amazonaws.com",
	"login.microsoftonline.com", "login.windows.net", "management.azure.com",
	"oauth2.googleapis.com", "www.googleapis.com", "accounts.google.com", "sts.googleapis.com", "iamcredentials.googleapis.com",
}

// lab is the world of one run.
type lab struct {
	cloud    *cloudtest.Cloud
	options  options
	accounts map[string]*account
	hosts    []string
	// registry is the one behind every cloud registry's door.
	registry http.Handler
	// env holds what the minted registries' people have in their environment,
	// by name of the file.
	env map[string]map[string]string
}

func newLab(cloud *cloudtest.Cloud, o options) (*lab, error) {
	registry, err := cloudtest.Proxy(o.registry)
	if err != nil {
		return nil, fmt.Errorf("the registry behind the doors: %w", err)
	}
	l := &lab{
		cloud: cloud, options: o, registry: registry, accounts: newAccounts(),
		hosts: slices.Clone(apiHosts), env: map[string]map[string]string{},
	}
	l.handDoors()
	l.mintDoors()
	if err := l.ownDoors(); err != nil {
		return nil, err
	}
	return l, l.settle(12 * time.Hour)
}

// handDoors are the registries whose secrets a person makes by hand.
func (l *lab) handDoors() {
	for host, kind := range map[string]cloudtest.Kind{
		"ghcr.io": cloudtest.KindGHCR, "docker.io": cloudtest.KindHub,
		"registry.gitlab.com": cloudtest.KindGitLab, "quay.io": cloudtest.KindQuay,
	} {
		front := cloudtest.Front{Host: host, Kind: kind, Check: l.accounts[host].check, May: open}
		if kind == cloudtest.KindHub {
			front.Aliases = []string{"registry-1.docker.io", "index.docker.io", "auth.docker.io"}
		}
		l.front(front)
	}
}

// mintDoors are the registries whose tokens the cloud mints. Azure's are
// opened by settle: the cloud serves them itself.
func (l *lab) mintDoors() {
	l.front(cloudtest.Front{Host: ecrHost, Kind: cloudtest.KindECR, Check: l.checkECR})
	for _, host := range []string{garHost, gcrHost} {
		l.front(cloudtest.Front{Host: host, Kind: cloudtest.KindGAR, Check: l.checkGoogle, May: open})
	}
	l.hosts = append(l.hosts, acrHost)
}

// ownDoors are registries of nobody's cloud, which guard themselves.
func (l *lab) ownDoors() error {
	for host, target := range map[string]string{
		"htpasswd.corp.example": l.options.htpasswd,
		"token.corp.example":    l.options.token,
		"auth.corp.example":     l.options.tokenService,
	} {
		handler, err := cloudtest.Proxy(target)
		if err != nil {
			return fmt.Errorf("the door of %s: %w", host, err)
		}
		l.cloud.Handle(host, handler)
		l.hosts = append(l.hosts, host)
	}
	return nil
}

func (l *lab) front(f cloudtest.Front) {
	f.Backend = l.registry
	l.cloud.Front(f)
	l.hosts = append(append(l.hosts, f.Host), f.Aliases...)
}

// open lets everybody pull what is called …/open, and who entered do all.
func open(user, repository, action string) error {
	if user != "" || action == "pull" && strings.HasSuffix(repository, "/open") {
		return nil
	}
	return errors.New("requested access to the resource is denied")
}

// settle makes the clouds' accounts anew, with registry tokens that live so
// long. A Reset of the cloud forgets them.
func (l *lab) settle(life time.Duration) error {
	l.settleAzure(life)
	l.settleAWS(life)
	return l.settleGoogle(life)
}

// writeFiles writes what the scripts read.
func (l *lab) writeFiles() error {
	var hosts strings.Builder
	hosts.WriteString("127.0.0.1 localhost\n")
	for _, host := range l.hosts {
		fmt.Fprintf(&hosts, "127.0.0.1 %s\n", host)
	}
	for name, text := range map[string]string{
		"ca.pem": string(l.cloud.CA.PEM()), "hosts": hosts.String(),
	} {
		if err := l.write(name, text); err != nil {
			return err
		}
	}
	return l.writeEnv()
}

// writeEnv writes one file of variables a registry.
func (l *lab) writeEnv() error {
	files := maps.Clone(l.env)
	for _, a := range l.accounts {
		files[a.file] = a.env()
	}
	for name, env := range files {
		var text strings.Builder
		for _, variable := range slices.Sorted(maps.Keys(env)) {
			fmt.Fprintf(&text, "export %s='%s'\n", variable, env[variable])
		}
		if err := l.write(filepath.Join("env", name+".env"), text.String()); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) write(name, text string) error {
	path := filepath.Join(l.options.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("making the lab's folder: %w", err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}
