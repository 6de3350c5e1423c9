package e2e

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadmeRecipe follows the README's section "Call the next endpoint" to the letter, in a copy of
// the project, and runs the project's tests and the demo there.
func TestReadmeRecipe(t *testing.T) {
	t.Parallel()
	dir := copyOfProject(t)
	blocks := blocksBelow(t, filepath.Join(dir, "README.md"), "## Call the next endpoint\n")
	if len(blocks) != 3 {
		t.Fatalf("the recipe: got %d blocks, want 3", len(blocks))
	}
	handlers := filepath.Join(dir, "handlers.go")
	replace(t, handlers, `(?s)(type profile struct \{\n[^}]*)\}\n`, "${1}"+quoteDollars(blocks[0])+"}\n")
	replace(t, handlers, `(?s)(func \(a \*app\) finish\(.*?)([^\n]*\n\}\n)`, "${1}"+quoteDollars(blocks[1])+"${2}")
	page := filepath.Join(dir, "templates", "profile.html")
	replace(t, page, `<section aria-labelledby="next">`, quoteDollars(blocks[2])+"$0")

	output(t, dir, "go", "vet", "./...")
	if got := output(t, dir, "gofmt", "-l", "."); got != "" {
		t.Errorf("gofmt would change %s", got)
	}
	output(t, dir, "go", "test", "./...")
	output(t, dir, "go", "build", "-buildvcs=false", "-o", "zoom-oauth", ".")
	a := newApp(t, freeAddress(t), []string{"-demo"})
	a.command.Path = filepath.Join(dir, "zoom-oauth")
	a.starts(t)
	t.Cleanup(func() { a.stop(t, 0) })
	const want = "<h2>Your meetings</h2>\n<ul><li>None</li></ul>"
	if got := signInToDemo(t, "http://"+a.address); !strings.Contains(got, want) {
		t.Errorf("got %s, want %s in it", got, want)
	}
}

// copyOfProject returns a folder with a copy of what git has of the project, as it is in the work tree.
func copyOfProject(t *testing.T) string {
	t.Helper()
	root, dir := filepath.Join("..", ".."), t.TempDir()
	names := output(t, root, "git", "ls-files", "--cached", "--others", "--exclude-standard")
	for _, name := range strings.Fields(names) {
		data, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // deleted, but not committed yet
		}
		if err != nil {
			t.Fatal(err)
		}
		save(t, filepath.Join(dir, name), data)
	}
	return dir
}

// blocksBelow returns the blocks of code below a heading of a Markdown file, up to the next heading.
func blocksBelow(t *testing.T, file, heading string) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(strings.ReplaceAll(string(text), "\r\n", "\n"), heading)
	section, _, _ = strings.Cut(section, "\n## ")
	for _, m := range regexp.MustCompile("(?s)```[a-z]+\n(.*?)```").FindAllStringSubmatch(section, -1) {
		blocks = append(blocks, m[1])
	}
	return blocks
}

// replace replaces the one match of a regular expression in a file.
func replace(t *testing.T, file, expression, replacement string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pattern := regexp.MustCompile(expression)
	if n := len(pattern.FindAll(text, -1)); n != 1 {
		t.Fatalf("%s: got %d matches of %s, want 1", file, n, expression)
	}
	save(t, file, pattern.ReplaceAll(text, []byte(replacement)))
}

// quoteDollars returns text for a replacement, in which a $ would mean a group.
func quoteDollars(text string) string { return strings.ReplaceAll(text, "$", "$$") }

// output returns what a command prints in a folder, and fails the test if the command fails.
func output(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	command := exec.Command(name, args...)
	command.Dir = dir
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", command, err, out)
	}
	return string(out)
}

// signInToDemo signs in to a demo, and returns the page on which that ends.
func signInToDemo(t *testing.T, site string) string {
	t.Helper()
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar}
	question, err := client.Get(site)
	if err != nil {
		t.Fatal(err)
	}
	question.Body.Close()
	res, err := client.PostForm(question.Request.URL.String(), url.Values{"decision": {"allow"}})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
