package templates

import (
	"strings"
	"testing"
)

// TestPagesWithoutData has the pages that need none.
func TestPagesWithoutData(t *testing.T) {
	for _, demo := range []bool{false, true} {
		pages := Parse(demo)
		for _, name := range []string{"declined", "nocookie", "notfound"} {
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
