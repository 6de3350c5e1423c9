// Package templates holds what people see: the pages, and the one style and the one script
// that every page contains, so that a page is one response.
package templates

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"strings"
)

//go:embed *.html style.css script.js
var files embed.FS

// maxDepth is how deep JSON may be nested to be indented. A usual profile has 2 levels; with
// thousands, the indentation would be a thousand times its size.
const maxDepth = 32

// Parse gives all pages, each a template under its own name. On a demo they say so. It
// panics if one doesn't parse.
func Parse(demo bool) *template.Template {
	pages := template.New("").Funcs(template.FuncMap{
		"demo":   func() bool { return demo },
		"https":  https,
		"indent": indent,
	})
	entries, err := files.ReadDir(".")
	for _, entry := range entries {
		template.Must(pages.New(entry.Name()).Parse(read(entry.Name())))
	}
	return template.Must(pages, err)
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

// read gives a file with the line ends that a browser makes of any, and hashes.
func read(name string) string {
	text, err := files.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

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
