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

//go:embed *.html
var pages embed.FS

//go:embed style.css
var style string

//go:embed script.js
var script string

// maxNesting is how many arrays and objects indented JSON may have. A usual profile has 3;
// thousands, one in the other, would take a thousand times their size.
const maxNesting = 64

// Parse gives all pages, each a template under its own name. On a demo they say so. It
// panics if one doesn't parse.
func Parse(demo bool) *template.Template {
	return template.Must(template.New("").Funcs(template.FuncMap{
		"style":  func() template.CSS { return template.CSS(style) },
		"script": func() template.JS { return template.JS(script) },
		"demo":   func() bool { return demo },
		"https":  https,
		"indent": indent,
	}).ParseFS(pages, "*.html"))
}

// SecurityPolicy gives the Content-Security-Policy of the pages: nothing but their own style
// and script, by hash, their icon and an https picture, and no form but to formAction.
func SecurityPolicy(formAction string) string {
	return "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action " + formAction +
		"; img-src https: data:; style-src " + hash(style) + "; script-src " + hash(script)
}

// hash gives the source that allows an inlined text.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// https gives s if it is an https URL, else "".
func https(s string) string {
	if strings.HasPrefix(s, "https://") {
		return s
	}
	return ""
}

// indent gives JSON for reading; with more than maxNesting arrays and objects as it is.
func indent(data []byte) string {
	var indented bytes.Buffer
	if bytes.Count(data, []byte("{"))+bytes.Count(data, []byte("[")) > maxNesting ||
		json.Indent(&indented, bytes.TrimSpace(data), "", "  ") != nil {
		return string(data)
	}
	return indented.String()
}
