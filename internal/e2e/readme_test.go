package e2e

import (
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// readme returns the text of the README.
func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

// blocks returns the blocks of code of a Markdown text whose language matches a regular expression.
func blocks(text, language string) (found []string) {
	pattern := regexp.MustCompile("(?ms)^```" + language + "\n(.*?)^```$")
	for _, m := range pattern.FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	return found
}

// TestReadmeRecipe follows the README's section "Make it your own" to the letter, in a copy of the
// project, and runs the demo there.
func TestReadmeRecipe(t *testing.T) {
	t.Parallel()
	_, section, _ := strings.Cut(readme(t), "\n## Make it your own\n")
	section, _, _ = strings.Cut(section, "\n## ")
	places := []struct{ file, pattern string }{ // () is where the block belongs
		{"zoom.go", `type user struct \{\n(?:\t.*\n)*?\tCompany .*\n()`},
		{"templates/profile.html", `<dt>Company</dt>.*\n()`},
		{"handlers.go", `type profile struct \{\n(?:\t.*\n)*()\}\n`},
		{"handlers.go", `()\ta\.show\(w, http\.StatusOK, "profile", data\)\n\}\n`},
		{"templates/profile.html", `()<section aria-labelledby="next">`},
	}
	recipe := blocks(section, "[a-z]+")
	if len(recipe) != len(places) {
		t.Fatalf("the recipe: got %d blocks of code, want %d", len(recipe), len(places))
	}
	dir := t.TempDir()
	if output, err := shell(root, copyProject, dir); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	for i, place := range places {
		insert(t, filepath.Join(dir, place.file), place.pattern, recipe[i])
	}
	if output, err := shell(dir, "go vet ./... && gofmt -d . && make build"); err != nil {
		t.Fatalf("the copy with the recipe: %v\n%s", err, output)
	}
	demo := exec.Command(filepath.Join(dir, "zoom-oauth"), "-demo")
	address := freeAddress(t)
	demo.Env = []string{"address=" + address}
	a := launch(t, address, demo)
	got, err := signInByHTTP(newClient(), a.site)
	for _, want := range []string{">Engineering<", ">None<"} {
		if err != nil || !strings.Contains(got, want) {
			t.Errorf("got the page\n%s\n(%v), want %s in it", got, err, want)
		}
	}
}

// insert inserts a block of code into a file, where the one match of a pattern has its group.
func insert(t *testing.T, file, pattern, block string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	matches := regexp.MustCompile(pattern).FindAllSubmatchIndex(text, -1)
	if len(matches) != 1 {
		t.Fatalf("%s: got %d matches of %s, want 1", file, len(matches), pattern)
	}
	at := matches[0][2]
	save(t, file, []byte(string(text[:at])+block+string(text[at:])))
}

// TestReadmeDiagram draws the README's diagrams with Mermaid, as GitHub does.
func TestReadmeDiagram(t *testing.T) {
	t.Parallel()
	diagrams := blocks(readme(t), "mermaid")
	if len(diagrams) == 0 {
		t.Error("got no diagram, want one")
	}
	b := newTab(t)
	b.load("MERMAID")
	for i, diagram := range diagrams {
		text, _ := json.Marshal(diagram)
		got := eval[string](b, fmt.Sprintf(`mermaid.parse(%[1]s)
			.then(() => mermaid.render("diagram%[2]d", %[1]s))
			.then(it => document.body.insertAdjacentHTML("beforeend", it.svg))
			.then(() => "", error => error.message)`, text, i))
		if got != "" {
			t.Errorf("Mermaid draws the diagram\n%s: got\n%s\nwant no error", diagram, got)
		}
	}
	save(t, "screenshots/diagram.png", run(b, chromedp.FullScreenshot(100)))
}

// TestReadmeClaims checks what the README says about git and "make build".
func TestReadmeClaims(t *testing.T) {
	t.Parallel()
	const want = ".env\n.env.txt\n.env.local\nzoom-oauth\nzoom-oauth.exe\n"
	got, err := shell(root, "git check-ignore --no-index .env.example "+strings.ReplaceAll(want, "\n", " "))
	if err != nil || got != want {
		t.Errorf("git ignores: got\n%s(%v)\nwant\n%s", got, err, want)
	}

	program, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	for _, part := range program.Progs {
		if part.Type == elf.PT_INTERP || part.Type == elf.PT_DYNAMIC {
			t.Errorf("make build: got a binary with a %v, want a static one", part.Type)
		}
	}
}
