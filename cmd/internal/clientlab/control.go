// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers/cloudtest"
)

// control is the scripts' own API. Every answer is one line of text:
//
//	POST /reset?life=12h   forget faults, records, clock; registry tokens live so long from now on
//	POST /life?d=20s       registry tokens minted from now on live so long
//	POST /advance?d=13h    move the cloud's clock
//	POST /rotate?host=H    a new password for the person of H; the old one is refused
//	POST /refuse           every cloud refuses to mint for the lab's identities, until /reset
//	POST /fail?service=&action=&status=&body=&times=   a fault
//	GET  /count?service=&action=&host=&status=         how many requests were recorded
//	GET  /records          all of them
func (l *lab) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /reset", l.answer(func(r *http.Request) (string, error) {
		life, err := time.ParseDuration(r.FormValue("life"))
		if err != nil {
			life = 12 * time.Hour
		}
		l.cloud.Reset()
		return "reset", l.resettle(life)
	}))
	mux.HandleFunc("POST /life", l.answer(func(r *http.Request) (string, error) {
		life, err := time.ParseDuration(r.FormValue("d"))
		if err != nil {
			return "", err
		}
		return life.String(), l.resettle(life)
	}))
	mux.HandleFunc("POST /advance", l.answer(func(r *http.Request) (string, error) {
		d, err := time.ParseDuration(r.FormValue("d"))
		l.cloud.Advance(d)
		return d.String(), err
	}))
	mux.HandleFunc("POST /rotate", l.answer(l.rotate))
	mux.HandleFunc("POST /refuse", l.answer(func(*http.Request) (string, error) {
		l.cloud.AWS().DenyECR(pusher.ARN())
		l.cloud.Google().Disable(googleAccount)
		l.refuseAzure()
		return "refusing", nil
	}))
	mux.HandleFunc("POST /fail", l.answer(l.fail))
	mux.HandleFunc("GET /count", l.answer(l.count))
	mux.HandleFunc("GET /records", l.records)
	return mux
}

func (l *lab) answer(f func(*http.Request) (string, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		text, err := f(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_, _ = io.WriteString(w, text+"\n")
	}
}

func (l *lab) resettle(life time.Duration) error {
	if err := l.settle(life); err != nil {
		return err
	}
	return l.writeEnv()
}

func (l *lab) rotate(r *http.Request) (string, error) {
	a := l.accounts[r.FormValue("host")]
	if a == nil {
		return "", fmt.Errorf("nobody has a password for %q", r.FormValue("host"))
	}
	a.rotate()
	return "rotated", l.writeEnv()
}

func (l *lab) fail(r *http.Request) (string, error) {
	status, err := strconv.Atoi(r.FormValue("status"))
	if err != nil {
		return "", fmt.Errorf("reading the status: %w", err)
	}
	times := 0
	if text := r.FormValue("times"); text != "" {
		if times, err = strconv.Atoi(text); err != nil {
			return "", fmt.Errorf("reading how many times: %w", err)
		}
	}
	fault := cloudtest.Fault{
		Service: r.FormValue("service"), Action: r.FormValue("action"), Status: status, Body: r.FormValue("body"), Times: times,
	}
	if kind := r.FormValue("type"); kind != "" {
		fault.Header = http.Header{"Content-Type": {kind}}
	}
	l.cloud.Fail(fault)
	return "failing", nil
}

func (l *lab) count(r *http.Request) (string, error) {
	n := 0
	for _, record := range l.cloud.Records() {
		if fits(r.FormValue("service"), record.Service) && fits(r.FormValue("action"), record.Action) &&
			fits(r.FormValue("host"), record.Host) && fits(r.FormValue("status"), strconv.Itoa(record.Status)) {
			n++
		}
	}
	return strconv.Itoa(n), nil
}

func fits(wanted, got string) bool { return wanted == "" || wanted == got }

func (l *lab) records(w http.ResponseWriter, _ *http.Request) {
	for _, r := range l.cloud.Records() {
		_, _ = fmt.Fprintf(w, "%s %s %s %d %q\n", r.Service, r.Action, r.Host, r.Status, r.Refused)
	}
}
