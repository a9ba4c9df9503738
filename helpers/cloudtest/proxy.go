// SPDX-License-Identifier: Apache-2.0

package cloudtest

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// connect is the proxy: CONNECT host:443, then TLS with a certificate for it.
func (c *Cloud) connect(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		if r.URL.IsAbs() { // a plain-HTTP request through the proxy
			c.dispatch(w, r)
			return
		}
		http.Error(w, "this is a proxy", http.StatusBadRequest)
		return
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil || c.handler(host) == nil {
		c.Record(Record{Service: "none", Host: r.Host, Status: http.StatusBadGateway, Refused: "no such host here"})
		http.Error(w, "no such host in the loopback cloud", http.StatusBadGateway)
		return
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "cannot take over the connection", http.StatusInternalServerError)
		return
	}
	_, _ = io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
	c.track(conn, true)
	defer c.track(conn, false)
	server := &http.Server{
		Handler:           http.HandlerFunc(c.dispatch),
		ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	secure := tls.Server(&bufferedConn{conn, buffered.Reader}, c.CA.ServerConfig(host))
	_ = server.Serve(newOneListener(secure))
}

func (c *Cloud) track(conn net.Conn, open bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if open && !c.closed {
		c.conns[conn] = true
		return
	}
	delete(c.conns, conn)
	_ = conn.Close()
}

// bufferedConn gives back what the proxy's reader had already read.
type bufferedConn struct {
	net.Conn
	reader *bufio.Reader
}

// Read takes from the reader, which goes on to the connection once it is empty.
func (b *bufferedConn) Read(p []byte) (int, error) { return b.reader.Read(p) }

// oneListener accepts one connection and ends when that is closed.
type oneListener struct {
	conn chan net.Conn
	done chan struct{}
	addr net.Addr
}

func newOneListener(conn net.Conn) *oneListener {
	l := &oneListener{conn: make(chan net.Conn, 1), done: make(chan struct{}), addr: conn.LocalAddr()}
	l.conn <- &closingConn{Conn: conn, closed: sync.OnceFunc(func() { close(l.done) })}
	return l
}

// Accept returns the connection once; after that it waits until the connection
// is closed and fails, which ends the server.
func (l *oneListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conn:
		return conn, nil
	case <-l.done:
		return nil, errors.New("connection ended")
	}
}

// Close leaves the connection alone: its server closes it.
func (l *oneListener) Close() error { return nil }

// Addr is where the proxy took the connection.
func (l *oneListener) Addr() net.Addr { return l.addr }

type closingConn struct {
	net.Conn
	closed func()
}

// Close lets the listener know before it closes the connection.
func (c *closingConn) Close() error {
	c.closed()
	return c.Conn.Close()
}
