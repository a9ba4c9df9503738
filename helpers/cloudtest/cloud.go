// SPDX-License-Identifier: Apache-2.0

// Package cloudtest is a cloud on loopback, for tests and for the newcomer's
// demonstration: it speaks the wire formats of AWS, Azure and Google as their
// documentation gives them, and refuses what they refuse. The vendors' own
// SDKs and other people's programs get their credentials from it unmodified,
// by the endpoint variables they know or through the HTTPS proxy it offers.
//
// Each vendor is one or more files; what they share (host names, request
// records, faults, the clock) is here. Nothing in it leaves the machine: it
// listens on 127.0.0.1 only, and the proxy answers every host itself.
package cloudtest

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Cloud is the loopback cloud. Make one with [Start].
type Cloud struct {
	CA *CA
	// CAFile is the path of the authority's certificate in PEM.
	CAFile string
	// ProxyURL is an HTTP proxy that takes CONNECT for every host name and
	// serves the hosts registered with Handle itself, over TLS.
	ProxyURL string

	mu      sync.Mutex
	hosts   []hostHandler
	records []Record
	faults  []*Fault
	offset  time.Duration
	closers []func()
	conns   map[net.Conn]bool
	closed  bool
	reset   []func()
	azure   *Azure
	aws     awsParts
	google  *Google
}

type hostHandler struct {
	match   func(host string) bool
	handler http.Handler
}

// Record is one request that the cloud answered.
type Record struct {
	Service string // "sts", "ecr", "imds", "entra", … as the vendor's file names it
	Action  string // the operation: "GetAuthorizationToken", "token", …
	Host    string
	Status  int
	Refused string // why it was refused, "" when it was served
}

// Fault makes the cloud fail on demand.
type Fault struct {
	Service string // which service; "" is every one
	Action  string // which operation; "" is every one
	Times   int    // how often; 0 is until Reset
	Status  int    // status of the answer; 0 serves the true answer after Delay
	Body    string // body of the answer
	Header  http.Header
	Delay   time.Duration // wait before answering
	Hang    bool          // never answer (until the client leaves or the cloud closes)
	used    int
}

// Start begins serving. The certificate of its authority is written into dir.
// Close ends it.
func Start(dir string) (*Cloud, error) {
	ca, err := NewCA()
	if err != nil {
		return nil, err
	}
	c := &Cloud{CA: ca, CAFile: filepath.Join(dir, "loopback-ca.pem"), conns: map[net.Conn]bool{}}
	if err := os.WriteFile(c.CAFile, ca.PEM(), 0o600); err != nil {
		return nil, fmt.Errorf("writing the CA: %w", err)
	}
	c.ProxyURL, err = c.Serve(http.HandlerFunc(c.connect))
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Close stops every listener and drops every connection.
func (c *Cloud) Close() {
	c.mu.Lock()
	c.closed = true
	closers := c.closers
	c.closers = nil
	for conn := range c.conns {
		_ = conn.Close()
	}
	c.mu.Unlock()
	for _, stop := range closers {
		stop()
	}
}

// Serve starts one more plain HTTP listener on 127.0.0.1 for handler and
// returns its base URL, "http://127.0.0.1:PORT".
func (c *Cloud) Serve(handler http.Handler) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listening on loopback: %w", err)
	}
	c.serve(listener, handler)
	return "http://" + listener.Addr().String(), nil
}

// ListenTLS serves the registered hosts over TLS on address, which must be a
// loopback address: in a network name space whose hosts file says so, port 443
// there stands for the whole internet.
func (c *Cloud) ListenTLS(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("listening on %q: %w", address, err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("listening on %q: not a loopback address", address)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listening on %q: %w", address, err)
	}
	c.serve(tls.NewListener(listener, c.CA.ServerConfig("localhost")), http.HandlerFunc(c.dispatch))
	return nil
}

// ServeTLS serves the registered hosts over TLS on a free port of 127.0.0.1 and
// returns its address, for a client that dials it whatever the host's name.
func (c *Cloud) ServeTLS() (address string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listening on loopback: %w", err)
	}
	c.serve(tls.NewListener(listener, c.CA.ServerConfig("localhost")), http.HandlerFunc(c.dispatch))
	return listener.Addr().String(), nil
}

func (c *Cloud) serve(listener net.Listener, handler http.Handler) {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	c.mu.Lock()
	c.closers = append(c.closers, func() { _ = server.Close() })
	c.mu.Unlock()
	go func() { _ = server.Serve(listener) }()
}

// Handle registers handler for the host name, or for every host that ends in
// the pattern's rest when it begins with "*.". The first match wins.
func (c *Cloud) Handle(pattern string, handler http.Handler) {
	match := func(host string) bool { return host == pattern }
	if suffix, ok := strings.CutPrefix(pattern, "*"); ok {
		match = func(host string) bool { return strings.HasSuffix(host, suffix) }
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hosts = append(c.hosts, hostHandler{match, handler})
}

// dispatch serves a request by its Host.
func (c *Cloud) dispatch(w http.ResponseWriter, r *http.Request) {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if handler := c.handler(host); handler != nil {
		handler.ServeHTTP(w, r)
		return
	}
	c.Record(Record{Service: "none", Host: host, Status: http.StatusBadGateway, Refused: "no such host here"})
	http.Error(w, "no such host in the loopback cloud", http.StatusBadGateway)
}

func (c *Cloud) handler(host string) http.Handler {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.hosts {
		if h.match(host) {
			return h.handler
		}
	}
	return nil
}

// Now is the cloud's clock: tokens are issued and judged by it.
func (c *Cloud) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.offset)
}

// Advance moves the cloud's clock, so that what it issued expires.
func (c *Cloud) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}

// OnReset registers what a vendor's part forgets at Reset.
func (c *Cloud) OnReset(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reset = append(c.reset, f)
}

// Reset forgets records, faults and the clock's offset, and what the vendors'
// parts registered with OnReset.
func (c *Cloud) Reset() {
	c.mu.Lock()
	c.records, c.faults, c.offset = nil, nil, 0
	reset := c.reset
	c.mu.Unlock()
	for _, f := range reset {
		f()
	}
}

// Record adds a request to the records.
func (c *Cloud) Record(r Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.records = append(c.records, r)
}

// Records returns what was asked since the last Reset.
func (c *Cloud) Records() []Record {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Record(nil), c.records...)
}

// Count returns how many requests of the service ("" is any) and action ("" is
// any) were recorded, served or refused.
func (c *Cloud) Count(service, action string) int {
	n := 0
	for _, r := range c.Records() {
		if (service == "" || r.Service == service) && (action == "" || r.Action == action) {
			n++
		}
	}
	return n
}

// Fail adds a fault.
func (c *Cloud) Fail(f Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, &f)
}

// Faulty applies the first fault that fits and reports whether it answered the
// request. Vendors' handlers call it once they know service and action.
func (c *Cloud) Faulty(w http.ResponseWriter, r *http.Request, service, action string) bool {
	fault := c.takeFault(service, action)
	if fault == nil {
		return false
	}
	if fault.Hang {
		c.Record(Record{Service: service, Action: action, Host: r.Host, Refused: "fault: hangs"})
		_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, 1<<20))
		<-r.Context().Done()
		return true
	}
	select {
	case <-time.After(fault.Delay):
	case <-r.Context().Done():
		return true
	}
	if fault.Status == 0 {
		return false
	}
	c.Record(Record{Service: service, Action: action, Host: r.Host, Status: fault.Status, Refused: "fault"})
	for name, values := range fault.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(fault.Status)
	_, _ = io.WriteString(w, fault.Body)
	return true
}

func (c *Cloud) takeFault(service, action string) *Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.faults {
		if f.Service != "" && f.Service != service || f.Action != "" && f.Action != action {
			continue
		}
		if f.Times > 0 && f.used >= f.Times {
			continue
		}
		f.used++
		return f
	}
	return nil
}
