// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cache

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writerDir makes the test binary a process that writes entries into the folder
// until it is killed.
const writerDir = "REGAUTH_CACHE_TEST_WRITER"

func TestMain(m *testing.M) {
	dir := os.Getenv(writerDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	c, err := Open(dir, fakeWorld(nil))
	for i := 0; err == nil; i++ {
		e := entry()
		e.Secret = fmt.Sprintf("<%s>", strings.Repeat(string(rune('a'+i%26)), 2000))
		if err = c.Put(e, start); err == nil && i == 0 {
			fmt.Println("writing")
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// TestAWriterThatIsKilled kills a writer at a random instant, many times: what
// is read next is a whole entry, old or new, and nothing else is ever found.
func TestAWriterThatIsKilled(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "c")
	for range 60 {
		killAWriter(t, dir)
		found := openAt(t, dir, nil).Lookup("r.example", "r.example", start)
		if len(found) != 1 {
			t.Fatalf("%d entries after a kill", len(found))
		}
		if s := found[0].Secret; len(s) != 2002 || strings.Trim(s[1:2001], s[1:2]) != "" {
			t.Fatal("an entry is of two writes")
		}
	}
	// Leftovers of the killed go with the next write, once they are old.
	late := time.Now().Add(time.Hour)
	e := entry()
	e.Issued, e.Expires = late, late.Add(time.Hour)
	if err := openAt(t, dir, nil).Put(e, late); err != nil {
		t.Fatal(err)
	}
	only(t, dir)
	if left, _ := filepath.Glob(filepath.Join(dir, "tokens", "*", ".tmp-*")); len(left) != 0 {
		t.Errorf("%d temporary files with secrets are left", len(left))
	}
}

func killAWriter(t *testing.T, dir string) {
	t.Helper()
	writer := exec.Command(os.Args[0])
	writer.Env = append(os.Environ(), writerDir+"="+dir)
	stdout, err := writer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || line != "writing\n" {
		t.Fatalf("the writer says %q, %v", line, err)
	}
	time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
	if err := writer.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = writer.Wait()
}
