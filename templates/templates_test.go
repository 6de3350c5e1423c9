package templates

import (
	"strings"
	"testing"
)

// TestPagesWithoutData has the pages that need none.
func TestPagesWithoutData(t *testing.T) {
	for _, demo := range []bool{false, true} {
		pages := Parse(demo)
		for _, name := range []string{"declined", "lost", "notfound", "method"} {
			var page strings.Builder
			if err := pages.ExecuteTemplate(&page, name, nil); err != nil {
				t.Errorf("%s: got the error %v, want none", name, err)
			}
			if got := strings.Contains(page.String(), "Demo."); got != demo {
				t.Errorf("%s: it says that this is a demo: got %t, want %t", name, got, demo)
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

func TestName(t *testing.T) {
	for _, c := range []struct {
		first, last string
		others      []string
		want        string
	}{
		{"Jill", "Chill", []string{"JC"}, "Jill Chill"},
		{"Jill", "", nil, "Jill"},
		{"", "Chill", nil, "Chill"},
		{" ", " ", []string{" ", "jchill@example.com"}, "jchill@example.com"},
		{"", "", []string{"", ""}, "Zoom user"},
	} {
		if got := name(c.first, c.last, c.others...); got != c.want {
			t.Errorf("name(%q, %q, %q): got %q, want %q", c.first, c.last, c.others, got, c.want)
		}
	}
}

func TestInitials(t *testing.T) {
	for name, want := range map[string]string{
		"Jill Chill":        "JC",
		"Jill":              "J",
		"Jill de la Chill":  "JC",
		"élan (the) ørsted": "ÉØ",
		"(Jill) 'Chill'":    "JC",
		"+1 555":            "",
	} {
		if got := initials(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestIndent(t *testing.T) {
	most := "[{}" + strings.Repeat(",{}", maxBrackets-2) + "]"
	tooMany := "[{}" + strings.Repeat(",{}", maxBrackets-1) + "]"
	for name, c := range map[string]struct{ json, want string }{
		"an object":            {`{"a":[1]}`, "{\n  \"a\": [\n    1\n  ]\n}"},
		"as many as allowed":   {most, "[\n  {}" + strings.Repeat(",\n  {}", maxBrackets-2) + "\n]"},
		"one more":             {tooMany, tooMany},
		"an unfinished object": {`{"a":`, `{"a":`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := indent([]byte(c.json)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestInWords(t *testing.T) {
	for retryAfter, want := range map[string]string{
		"1":                             "in a second",
		"2":                             "in 2 seconds",
		"119":                           "in 119 seconds",
		"120":                           "in 2 minutes",
		"121":                           "in 3 minutes",
		"7200":                          "in 2 hours",
		"7201":                          "in 3 hours",
		"Tue, 01 Dec 2026 09:05:00 GMT": "on 1 December 2026 at 09:05 UTC",
	} {
		if got := inWords(retryAfter); got != want {
			t.Errorf("%s: got %q, want %q", retryAfter, got, want)
		}
	}
}
