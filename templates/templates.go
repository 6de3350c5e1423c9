// Package templates holds what people see: the pages, with their one style and their one
// script inlined, so that a page is one response.
package templates

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"regexp"
	"strings"
)

//go:embed *.html style.css script.js
var files embed.FS

// maxDepth is how deep JSON may be nested to be indented. A usual profile has 2 levels; with
// thousands, the indentation would be a thousand times as long as the JSON.
const maxDepth = 32

// Parse gives all pages, each a template under its own name. On a demo they say so. It
// panics if one doesn't parse.
func Parse(demo bool) *template.Template {
	pages := template.New("").Funcs(template.FuncMap{
		"name":        name,
		"initials":    initials,
		"accountType": func(number int) string { return accountTypes[number] },
		"https":       https,
		"indent":      indent,
	})
	names := []string{"layout.html", "profile.html", "problems.html", "consent.html", "style.css", "script.js"}
	if demo {
		names = append(names, "demo.html") // last, as it takes the place of others
	}
	for _, name := range names {
		template.Must(pages.New(name).Parse(read(name)))
	}
	return pages
}

// SecurityPolicy gives the Content-Security-Policy of the pages: nothing but their own style
// and script, by hash, their icon and an https picture, and no form but to formAction.
func SecurityPolicy(formAction string) string {
	return "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action " + formAction +
		"; img-src https: data:; style-src " + hash("style.css") + "; script-src " + hash("script.js")
}

// hash gives the source that allows an inlined file. The file must have no comments: they
// would not be in the page.
func hash(name string) string {
	sum := sha256.Sum256([]byte(read(name)))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// read gives a file with \n at the end of each line, as a browser hashes it.
func read(name string) string {
	text, err := files.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

// accountTypes are Zoom's types of users in words.
var accountTypes = map[int]string{1: "Basic", 2: "Licensed", 4: "Unassigned", 99: "None"}

// name gives the first and last name, or else the first of the others that is not empty, or
// "Zoom user".
func name(first, last string, others ...string) string {
	full := strings.TrimSpace(first + " " + last)
	for _, other := range append(others, "Zoom user") {
		full = cmp.Or(full, strings.TrimSpace(other))
	}
	return full
}

// initials gives the first letters of the first and the last word of a name, which must
// not be blank.
func initials(name string) string {
	words := strings.Fields(name)
	letters := firstLetter.FindString(words[0])
	if last := len(words) - 1; last > 0 {
		letters += firstLetter.FindString(words[last])
	}
	return strings.ToUpper(letters)
}

var firstLetter = regexp.MustCompile(`\pL`)

// https gives s if it is an https URL, else "".
func https(s string) string {
	if strings.HasPrefix(s, "https://") {
		return s
	}
	return ""
}

// indent gives JSON for reading; if it is nested deeper than maxDepth, as it is.
func indent(data []byte) string {
	var indented bytes.Buffer
	indented.Grow(2 * len(data))
	if depth(data) > maxDepth || json.Indent(&indented, data, "", "  ") != nil {
		return string(data)
	}
	return indented.String()
}

// depth gives how deep arrays and objects are nested in valid JSON.
func depth(data []byte) (deepest int) {
	level, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case quoted:
		case c == '{' || c == '[':
			level++
			deepest = max(deepest, level)
		case c == '}' || c == ']':
			level--
		}
	}
	return deepest
}
