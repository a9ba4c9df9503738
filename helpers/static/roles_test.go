// SPDX-License-Identifier: Apache-2.0

package static

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers"
)

// playRole is what this test binary does as a process of its own.
func playRole(role string) int {
	store := newFile(helpers.SystemEnv())
	verb, arg, _ := strings.Cut(role, " ")
	switch verb {
	case "fill": // stores the hosts PREFIX-0 to PREFIX-19
		for i := range 20 {
			host := helpers.Address{Host: fmt.Sprintf("%s-%d.example", arg, i)}
			if err := store.Put(context.Background(), host, login(arg, "secret-of-"+host.Host)); err != nil {
				fmt.Println(err)
				return 1
			}
		}
	case "churn": // stores without end and says what was kept
		padding := strings.Repeat("x", 20_000)
		for i := 0; ; i++ {
			host := helpers.Address{Host: fmt.Sprintf("h%d.example", i%8)}
			if err := store.Put(context.Background(), host, login(strconv.Itoa(i), "churned-"+padding)); err != nil {
				fmt.Println(err)
				return 1
			}
			fmt.Println(i)
		}
	}
	return 0
}

// role prepares this test binary to play a part as a process of its own.
func role(t *testing.T, text string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), roleVariable+"="+text)
	return cmd
}

func TestFileProcessesAtOnceLoseNothing(t *testing.T) {
	w := newWorld(t)
	const writers = 6
	var group sync.WaitGroup
	for n := range writers {
		cmd := role(t, fmt.Sprintf("fill w%d", n))
		group.Go(func() {
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("writer %d: %v: %s", n, err, out)
			}
		})
	}
	group.Wait()
	s := newFile(w.env)
	for n := range writers {
		for i := range 20 {
			host := fmt.Sprintf("w%d-%d.example", n, i)
			holds(t, s, host, fmt.Sprintf("w%d", n), "secret-of-"+host)
		}
	}
}

// TestFileSurvivesKilledWriters kills a process that stores without end, at
// random instants: the file always reads, nothing that was acknowledged is
// gone, and the next Put clears up what was left.
func TestFileSurvivesKilledWriters(t *testing.T) {
	w := newWorld(t)
	s := newFile(w.env)
	put(t, s, "first.example", login("first", "first-secret"))
	left := 0
	for range 100 {
		cmd := role(t, "churn")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		if !lines.Scan() {
			t.Fatal("the writer ended before its first login")
		}
		time.AfterFunc(time.Duration(rand.IntN(8_000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
		last := lines.Text()
		for lines.Scan() {
			last = lines.Text()
		}
		_ = cmd.Wait()
		checkChurned(t, s, last)
		left += len(temps(t, w))
	}
	t.Logf("temporary files left by killed writers, summed: %d", left)
	put(t, s, "last.example", login("last", "last-secret"))
	holds(t, s, "first.example", "first", "first-secret")
	if got := temps(t, w); len(got) > 0 {
		t.Errorf("temporary files stay: %v", got)
	}
}

// checkChurned wants the last acknowledged login of a killed writer, or the one
// that followed it.
func checkChurned(t *testing.T, s *file, last string) {
	t.Helper()
	number, err := strconv.Atoi(last)
	if err != nil {
		t.Fatalf("the writer said %q", last)
	}
	got, err := s.Get(t.Context(), helpers.Address{Host: fmt.Sprintf("h%d.example", number%8)})
	if err != nil {
		t.Fatalf("after a kill: %v", err)
	}
	if got.Username != last {
		t.Fatalf("after a kill: login number %s, want %s", got.Username, last)
	}
}

// temps lists what is neither the file nor its lock.
func temps(t *testing.T, w *world) []string {
	return slices.DeleteFunc(files(t, w.data()), func(name string) bool {
		return name == "logins.json" || name == "logins.json.lock"
	})
}

func TestFileSweepsWhatKilledWritersLeft(t *testing.T) {
	w := newWorld(t)
	s := newFile(w.env)
	put(t, s, "a.example", login("u", "p"))
	litter := w.loginsFile() + tempMark + "123"
	if err := os.WriteFile(litter, []byte("a secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	put(t, s, "b.example", login("u", "p"))
	if _, err := os.Stat(litter); err == nil {
		t.Error("the temporary file of a killed writer stays")
	}
}

func TestFileLockHeldElsewhere(t *testing.T) {
	w := newWorld(t)
	s := newFile(w.env)
	put(t, s, "a.example", login("u", "p"))
	unlock, err := lock(t.Context(), w.loginsFile()+".lock")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	failed(t, s.Put(ctx, address(t, "b.example"), login("u", "p")), s.Name(), "locked by another process")
	holds(t, s, "a.example", "u", "p") // reading needs no lock
	over, cancelled := context.WithCancel(t.Context())
	cancelled()
	failed(t, s.Put(over, address(t, "b.example"), login("u", "p")), s.Name(), "no time was left")
	unlock()
	put(t, s, "b.example", login("u", "p"))
	var whole map[string]any
	text, err := os.ReadFile(w.loginsFile())
	if err != nil || json.Unmarshal(text, &whole) != nil {
		t.Fatalf("%v: %s", err, text)
	}
}
