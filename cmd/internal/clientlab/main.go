// SPDX-License-Identifier: Apache-2.0

// Command clientlab is the world in which the scripts of .ci/clients try real
// clients: it serves the loopback cloud and the doors of the cloud registries
// under their real names, in front of a real registry, inside a network name
// space that has nothing but loopback.
//
//	clientlab serve -dir DIR -tls 127.0.0.1:443 -control 127.0.0.1:9000 -registry http://127.0.0.1:5000
//
// In DIR it writes ca.pem, hosts (for /etc/hosts), env/*.env (what a person or
// job of each cloud has in its environment) and, last, ready. It is for tests
// only, and listens on loopback only.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers/cloudtest"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "clientlab:", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	dir, tls, plain, control                string
	registry, htpasswd, token, tokenService string // base URLs of what runs elsewhere
}

func run(args []string) error {
	if len(args) == 0 || args[0] != "serve" {
		return errors.New("usage: clientlab serve -dir DIR [flags]")
	}
	var o options
	flags := flag.NewFlagSet("clientlab serve", flag.ContinueOnError)
	flags.StringVar(&o.dir, "dir", "", "folder for what the scripts read")
	flags.StringVar(&o.tls, "tls", "127.0.0.1:443", "loopback address that stands for every host")
	flags.StringVar(&o.plain, "plain", "127.0.0.1:80", "loopback address of what has no TLS")
	flags.StringVar(&o.control, "control", "127.0.0.1:9000", "loopback address of the scripts' own API")
	flags.StringVar(&o.registry, "registry", "http://127.0.0.1:5000", "the registry behind the cloud registries' doors")
	flags.StringVar(&o.htpasswd, "htpasswd", "http://127.0.0.1:5001", "a registry with an htpasswd file")
	flags.StringVar(&o.token, "token", "http://127.0.0.1:5002", "a registry with a token server")
	flags.StringVar(&o.tokenService, "token-server", "http://127.0.0.1:5003", "that token server")
	if err := flags.Parse(args[1:]); err != nil {
		return fmt.Errorf("reading the command line: %w", err)
	}
	if o.dir == "" {
		return errors.New("-dir is missing")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return serve(ctx, o)
}

func serve(ctx context.Context, o options) error {
	cloud, err := cloudtest.Start(o.dir)
	if err != nil {
		return fmt.Errorf("starting the cloud: %w", err)
	}
	defer cloud.Close()
	l, err := newLab(cloud, o)
	if err != nil {
		return err
	}
	if err := cloud.ListenTLS(o.tls); err != nil {
		return fmt.Errorf("serving the hosts: %w", err)
	}
	if err := l.writeFiles(); err != nil {
		return err
	}
	ended := make(chan error, 2)
	for address, handler := range map[string]http.Handler{o.plain: http.HandlerFunc(refusePlain), o.control: l.control()} {
		listener, err := listenLoopback(ctx, address)
		if err != nil {
			return err
		}
		server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
		defer server.Close()
		go func() { ended <- server.Serve(listener) }()
	}
	if err := l.write("ready", "http://"+o.control+"\n"); err != nil {
		return err
	}
	select {
	case err := <-ended:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
		return nil
	}
}

// refusePlain lets nobody in: an Engine takes every registry on loopback for an
// insecure one, tries it again without TLS once it was refused, and shows only
// what it met there.
func refusePlain(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("WWW-Authenticate", `Basic realm="lab"`)
	http.Error(w, "unauthorized", http.StatusUnauthorized)
}

func listenLoopback(ctx context.Context, address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("listening on %q: not a loopback address", address)
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening on %q: %w", address, err)
	}
	return listener, nil
}
