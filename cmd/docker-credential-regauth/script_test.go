// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/regauth/docker-credential-regauth/helpers/cloudtest"
)

// TestMain lets scripts run this program, and a keychain program of their own,
// as real processes.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"docker-credential-regauth":  main,
		"regauth":                    main,
		"docker-credential-fakering": fakering,
	})
}

// The user of the scripts' cloud; AWS's documentation examples.
const (
	account   = "123456789012"
	accessKey = "AKIAIOSFODNN7EXAMPLE"
	secretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// TestScripts runs testdata/*.txtar: one script for each behaviour that a
// client or a person sees. Each has a loopback cloud of its own, which the SDKs
// find by their endpoint variables or the proxy; no identity is set until the
// script sets one.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"cloud":   cloudCommand,
			"present": present,
			"private": private,
			"keyring": keyring,
			"pause":   pause,
			"watch":   watch,
		},
	})
}

type cloudKey struct{}

func setup(env *testscript.Env) error {
	home := filepath.Join(env.WorkDir, "home")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	// A script's files get the modes of the umask; some umasks let a group write.
	config := filepath.Join(home, ".config", "regauth", "config.toml")
	if err := os.Chmod(config, 0o600); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	cloud, err := cloudtest.Start(env.WorkDir)
	if err != nil {
		return err
	}
	env.Defer(cloud.Close)
	env.Values[cloudKey{}] = cloud
	env.Values[watchKey{}] = new(time.Time)
	aws := cloud.AWS()
	aws.AddUser(cloudtest.AWSUser{Account: account, Name: "demo", KeyID: accessKey, Secret: secretKey})
	for _, pair := range append(aws.EndpointEnv(),
		"HOME="+home, "USERPROFILE="+home, "LOCALAPPDATA="+home, "APPDATA="+home,
		"HTTPS_PROXY="+cloud.ProxyURL, "NO_PROXY=", "SSL_CERT_FILE="+cloud.CAFile, "AWS_CA_BUNDLE=",
		"REGAUTH_STORE=file", "REGAUTH_METADATA=off",
		"KEY_ID="+accessKey, "KEY_SECRET="+secretKey,
		"ECR="+account+".dkr.ecr.eu-west-1.amazonaws.com",
	) {
		name, value, _ := strings.Cut(pair, "=")
		env.Setenv(name, value)
	}
	// The endpoint variable of the metadata service is itself a sign of EC2.
	env.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "")
	env.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "")
	return nil
}

// cloudCommand steers the loopback cloud:
//
//	cloud fail SERVICE ACTION STATUS BODY   the next requests get this answer
//	cloud hang SERVICE ACTION               … or none at all
//	cloud heal                              takes faults back and forgets counts
//	cloud life DURATION                     how long its ECR tokens live
//	[!] cloud count SERVICE ACTION N        wants so many requests
func cloudCommand(ts *testscript.TestScript, neg bool, args []string) {
	cloud, ok := ts.Value(cloudKey{}).(*cloudtest.Cloud)
	if !ok || len(args) == 0 {
		ts.Fatalf("usage: cloud fail|hang|heal|life|count …")
	}
	switch args[0] {
	case "fail":
		status, err := strconv.Atoi(args[3])
		ts.Check(err)
		cloud.Fail(cloudtest.Fault{
			Service: args[1], Action: args[2], Status: status, Body: strings.Join(args[4:], " "),
			Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}},
		})
	case "hang":
		cloud.Fail(cloudtest.Fault{Service: args[1], Action: args[2], Hang: true})
	case "heal":
		cloud.Reset()
		cloud.AWS().AddUser(cloudtest.AWSUser{Account: account, Name: "demo", KeyID: accessKey, Secret: secretKey})
	case "life":
		life, err := time.ParseDuration(args[1])
		ts.Check(err)
		cloud.AWS().TokenLife = life
	case "count":
		want, err := strconv.Atoi(args[3])
		ts.Check(err)
		if got := cloud.Count(args[1], args[2]); (got == want) == neg {
			ts.Fatalf("%d requests of %s %s, want %d: %+v", got, args[1], args[2], want, cloud.Records())
		}
	default:
		ts.Fatalf("cloud knows no %q", args[0])
	}
}

// pause waits, for what really has to grow old.
func pause(ts *testscript.TestScript, _ bool, args []string) {
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	time.Sleep(d)
}

type watchKey struct{}

// watch holds a deadline, which is behaviour: `watch start`, and later `watch
// within 8s` wants that no more than that has passed.
func watch(ts *testscript.TestScript, _ bool, args []string) {
	started, ok := ts.Value(watchKey{}).(*time.Time)
	if !ok || len(args) == 0 {
		ts.Fatalf("usage: watch start|within DURATION")
	}
	if args[0] == "start" {
		*started = time.Now()
		return
	}
	limit, err := time.ParseDuration(args[1])
	ts.Check(err)
	if passed := time.Since(*started); passed > limit {
		ts.Fatalf("%s passed, more than %s", passed, limit)
	}
}

// present wants a file that matches the glob; negated, none.
func present(ts *testscript.TestScript, neg bool, args []string) {
	found, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if (len(found) > 0) == neg {
		ts.Fatalf("files like %s: %q", args[0], found)
	}
}

// private wants every file below the folders to be closed to other users.
func private(ts *testscript.TestScript, _ bool, args []string) {
	if runtime.GOOS == "windows" {
		return // no modes there; the profile's ACL keeps others out
	}
	for _, dir := range args {
		seen := 0
		ts.Check(filepath.WalkDir(ts.MkAbs(dir), func(path string, d os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err == nil && info.Mode().Perm()&0o077 != 0 {
				err = fmt.Errorf("%s has mode %04o", path, info.Mode().Perm())
			}
			seen++
			return err
		}))
		if seen < 2 {
			ts.Fatalf("nothing lies below %s", dir)
		}
	}
}

// keyring puts docker-credential-fakering on the script's PATH: a copy of this
// binary, since the program refuses a helper that is itself.
func keyring(ts *testscript.TestScript, _ bool, _ []string) {
	self, err := os.Executable()
	ts.Check(err)
	text, err := os.ReadFile(self)
	ts.Check(err)
	dir := ts.MkAbs("ringbin")
	ts.Check(os.Mkdir(dir, 0o700))
	name := "docker-credential-fakering"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	ts.Check(os.WriteFile(filepath.Join(dir, name), text, 0o700))
	ts.Setenv("PATH", dir+string(os.PathListSeparator)+ts.Getenv("PATH"))
}

// fakering is a keychain program: it keeps logins in the file $FAKERING and
// refuses the verb $FAKERING_REFUSES. Scripts use it where the platform's own
// would need a desktop.
func fakering() {
	verb := os.Args[1]
	file := os.Getenv("FAKERING")
	if os.Getenv("FAKERING_REFUSES") == verb {
		fmt.Println("the collection is locked")
		os.Exit(1)
	}
	type login struct{ ServerURL, Username, Secret string }
	kept := map[string]login{}
	if text, err := os.ReadFile(file); err == nil {
		_ = json.Unmarshal(text, &kept)
	}
	sentText, err := io.ReadAll(os.Stdin)
	if err != nil {
		os.Exit(2)
	}
	input := strings.TrimSpace(string(sentText))
	switch verb {
	case "get":
		found, ok := kept[input]
		if !ok {
			fmt.Println("credentials not found in native keychain")
			os.Exit(1)
		}
		_ = json.NewEncoder(os.Stdout).Encode(found)
	case "store":
		var sent login
		_ = json.Unmarshal([]byte(input), &sent)
		kept[sent.ServerURL] = sent
	case "erase":
		delete(kept, input)
	case "list":
		names := map[string]string{}
		for url, l := range kept {
			names[url] = l.Username
		}
		_ = json.NewEncoder(os.Stdout).Encode(names)
	}
	text, _ := json.Marshal(kept)
	_ = os.WriteFile(file, text, 0o600)
}
