// SPDX-License-Identifier: Apache-2.0

package all_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/regauth/docker-credential-regauth"

const license = "// SPDX-License-Identifier: Apache-2.0\n"

// source is one Go file of the repository.
type source struct {
	dir  string // the package's folder below the repository, with slashes
	name string
	file *ast.File
	test bool
}

// sources parses every Go file outside testdata and hidden folders.
func sources(t *testing.T) []source {
	t.Helper()
	var found []source
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() && (base == "testdata" || strings.HasPrefix(base, ".") && base != ".." && base != ".ci") {
			return filepath.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(base, ".go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		found = append(found, source{
			dir: path.Dir(filepath.ToSlash(inside)), name: filepath.ToSlash(inside), file: file,
			test: strings.HasSuffix(base, "_test.go"),
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 20 {
		t.Fatalf("found only %d Go files", len(found))
	}
	return found
}

// ours lists the imports of this module, as folders below the repository.
func (s source) ours() []string {
	var dirs []string
	for _, spec := range s.file.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		if name == module {
			dirs = append(dirs, "")
		} else if dir, ok := strings.CutPrefix(name, module+"/"); ok {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// below reports whether dir is the folder or lies in it.
func below(dir, folder string) bool { return dir == folder || strings.HasPrefix(dir, folder+"/") }

// TestArrowsPointOneWay holds the house's one rule of imports: cmd may use
// everything, providers the vocabulary, cache and scope nothing of ours.
func TestArrowsPointOneWay(t *testing.T) {
	for _, s := range sources(t) {
		for _, dir := range s.ours() {
			if why := forbidden(s.dir, dir, s.test); why != "" {
				t.Errorf("%s imports %s: %s", s.name, dir, why)
			}
		}
	}
}

func TestForbidden(t *testing.T) {
	tests := []struct {
		from, to string
		test     bool
		want     bool
	}{
		{"cmd/regauth", "helpers/all", false, false},
		{"cmd/regauth-demo", "helpers/cloudtest", false, false},
		{"helpers/all", "helpers/ecr", false, false},
		{"helpers/ecr", "helpers", false, false},
		{"helpers/ecr", "helpers/internal/metadata", false, false},
		{"helpers/ecr", "scope", false, false},
		{"helpers/ecr", "helpers/acr", false, true},
		{"helpers/ecr", "helpers/all", false, true},
		{"helpers/ecr", "helpers/static", false, true},
		{"helpers/ecr", "cache", false, true},
		{"helpers/ecr", "helpers/cloudtest", false, true},
		{"helpers/ecr", "helpers/cloudtest", true, false},
		{"helpers/ecr", "cmd/regauth", true, true},
		{"helpers", "helpers/ecr", false, true},
		{"helpers/internal/given", "helpers/ecr", false, true},
		{"helpers/cloudtest", "helpers/ecr", false, true},
		{"cache", "helpers", false, true},
		{"cache", "cache/warm", false, false},
		{"cache", "scope", false, true},
		{"scope", "helpers", false, true},
		{"scope", "cache", false, true},
	}
	for _, test := range tests {
		if got := forbidden(test.from, test.to, test.test); (got != "") != test.want {
			t.Errorf("%s to %s (test: %v): got %q", test.from, test.to, test.test, got)
		}
	}
}

// forbidden says why the package in the folder from may not import the one in
// the folder to, "" when it may.
func forbidden(from, to string, test bool) string {
	switch {
	case below(from, "cmd"), below(from, ".ci"):
		return ""
	case below(to, "cmd"):
		return "nothing imports the doors"
	case below(from, "cache"), below(from, "scope"):
		room, _, _ := strings.Cut(from, "/")
		if below(to, room) {
			return ""
		}
		return room + " imports nothing of ours"
	case below(to, "cache"):
		return "providers do not know the cache"
	case to == "helpers", below(to, "scope"), below(to, "helpers/internal"), from == "helpers/all":
		return ""
	case below(to, topOf(from)):
		return "" // a provider's own rooms
	case below(to, "helpers/cloudtest") && test:
		return ""
	}
	return "no provider imports another"
}

// topOf returns the folder of the provider that dir belongs to.
func topOf(dir string) string {
	parts := strings.SplitN(dir, "/", 3)
	if len(parts) < 2 {
		return dir + "/-" // helpers itself is nobody's room
	}
	return parts[0] + "/" + parts[1]
}

// Every file names its licence, every package below helpers says what it is.
func TestHeaders(t *testing.T) {
	documented := map[string]int{}
	for _, s := range sources(t) {
		if len(s.file.Comments) == 0 || s.file.Comments[0].List[0].Text+"\n" != license ||
			s.file.Comments[0].Pos() != s.file.FileStart {
			t.Errorf("%s does not start with %q", s.name, license)
		}
		if !below(s.dir, "helpers") || s.test {
			continue
		}
		documented[s.dir] += 0
		if doc := s.file.Doc.Text(); doc != "" {
			documented[s.dir]++
			if !strings.HasPrefix(doc, "Package "+s.file.Name.Name+" ") {
				t.Errorf("%s: the package comment begins with %q", s.name, strings.SplitN(doc, "\n", 2)[0])
			}
		}
	}
	for dir, times := range documented {
		if times != 1 {
			t.Errorf("the package in %s has %d package comments, want one", dir, times)
		}
	}
}
