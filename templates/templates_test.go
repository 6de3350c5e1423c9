package templates

import (
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"strings"
	"testing"
)

func TestPagesWithoutData(t *testing.T) {
	for demo, pages := range map[bool]*template.Template{false: Pages(), true: Demo()} {
		for _, name := range []string{"declined", "nocookie"} {
			var page strings.Builder
			if err := pages.ExecuteTemplate(&page, name, nil); err != nil {
				t.Errorf("%s: got the error %v, want none", name, err)
			}
			if got := strings.Contains(page.String(), "Demo."); got != demo {
				t.Errorf("%s: says that this is a demo: got %t, want %t", name, got, demo)
			}
		}
	}
}

// TestSecurityPolicy takes what is inlined from a page, where a comment in one of the files would be
// missing.
func TestSecurityPolicy(t *testing.T) {
	var page strings.Builder
	Pages().ExecuteTemplate(&page, "declined", nil)
	want := "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'; img-src https: data:"
	for _, element := range []string{"style", "script"} {
		_, rest, _ := strings.Cut(page.String(), "<"+element+">")
		inlined, _, _ := strings.Cut(rest, "</"+element+">")
		sum := sha256.Sum256([]byte(inlined))
		want += "; " + element + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	if got := SecurityPolicy(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWhatIsShownOfTheUser(t *testing.T) {
	for _, c := range []struct{ what, got, want string }{
		{"the first name there is", firstOf("Jill Chill", "jchill@example.com"), "Jill Chill"},
		{"blank and invisible ones before it", firstOf("", " \t", "\u00a0", "\u200b\ufeff", " Jill ", "JC"), "Jill"},
		{"nothing visible", firstOf("", " "), ""},
		{"initials of two words", initials("Jill Chill"), "JC"},
		{"initials of one word", initials("Jill"), "J"},
		{"initials of more words", initials("Jill de la Chill"), "JC"},
		{"initials in capitals", initials("élan (the) ørsted"), "ÉØ"},
		{"initials without brackets", initials("(Jill) 'Chill'"), "JC"},
		{"initials of a number", initials("+1 555"), ""},
		{"https", https("https://zoom.us/j/1"), "https://zoom.us/j/1"},
		{"http", https("http://zoom.us/j/1"), ""},
		{"https, but not in front", https("javascript:'https://'"), ""},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %q, want %q", c.what, c.got, c.want)
		}
	}
}
