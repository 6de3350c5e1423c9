package templates

import (
	"io"
	"strings"
	"testing"
)

func TestIndent(t *testing.T) {
	deep := strings.Repeat("[", 33) + strings.Repeat("]", 33)
	for name, c := range map[string]struct{ json, want string }{
		"an object":              {`{"a":[1]}`, "{\n  \"a\": [\n    1\n  ]\n}"},
		"brackets in a string":   {`{"a":"` + deep + `"}`, "{\n  \"a\": \"" + deep + "\"\n}"},
		"brackets after a quote": {`["\\"` + `,"\"` + deep + `"]`, "[\n  \"\\\\\",\n  \"\\\"" + deep + "\"\n]"},
		"many, but not deep":     {"[" + strings.Repeat("{},", 99) + "{}]", "[\n" + strings.Repeat("  {},\n", 99) + "  {}\n]"},
		"deep":                   {deep, deep},
	} {
		t.Run(name, func(t *testing.T) {
			if got := indent([]byte(c.json)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// TestPagesWithoutData has those that need none.
func TestPagesWithoutData(t *testing.T) {
	for _, demo := range []bool{false, true} {
		pages := Parse(demo)
		for _, name := range []string{"ok", "start", "declined", "malformed", "nocookie", "nostate", "prefetch", "notfound", "method"} {
			if err := pages.ExecuteTemplate(io.Discard, name, nil); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestInlinedFilesHaveNoComments(t *testing.T) {
	for _, name := range []string{"style.css", "script.js"} {
		if strings.Contains(read(name), "/*") || strings.Contains(read(name), "//") {
			t.Errorf("%s has a comment, which would not be in the page, but in its hash", name)
		}
	}
}
