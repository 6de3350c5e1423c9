// Package templates holds what people see: the pages, with their one style sheet and their one
// script inlined, so that a page is one response.
package templates

import (
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"strings"
	"unicode"
)

//go:embed *.html style.css script.js
var files embed.FS

// accountTypes has words for Zoom's types of users.
var accountTypes = map[int]string{1: "Basic", 2: "Licensed", 4: "Unassigned", 99: "None"}

// Parse returns the pages, each a template of its own; those of a demo say so. It panics if one
// doesn't parse.
func Parse(demo bool) *template.Template {
	pages := template.New("").Funcs(template.FuncMap{
		"name":        name,
		"initials":    initials,
		"accountType": func(number int) string { return accountTypes[number] },
		"https":       https,
	})
	names := []string{"layout.html", "profile.html", "problems.html", "style.css", "script.js"}
	if demo {
		names = append(names, "demo.html") // last, since it replaces some of the others' parts
	}
	for _, name := range names {
		template.Must(pages.New(name).Parse(read(name)))
	}
	return pages
}

// SecurityPolicy returns the pages' Content-Security-Policy. It allows their own style and
// script, by hash, their icon and a picture over https.
func SecurityPolicy() string {
	return "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'" +
		"; img-src https: data:" +
		"; style-src " + hash("style.css") + "; script-src " + hash("script.js")
}

// hash returns the source expression that allows an inlined file. The file must have no comments:
// html/template leaves them out of the page, so that the hash would be of something else.
func hash(name string) string {
	sum := sha256.Sum256([]byte(read(name)))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// read returns a file with \n at the end of each line, which is what a browser hashes.
func read(name string) string {
	text, err := files.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

// name returns the first and last name or, if both are blank, the first of others that isn't,
// or "Zoom user".
func name(first, last string, others ...string) string {
	full := strings.TrimSpace(first + " " + last)
	for _, other := range others {
		full = cmp.Or(full, strings.TrimSpace(other))
	}
	return cmp.Or(full, "Zoom user")
}

// initials returns the first letters of the first and the last word of a name, in capitals. The
// name must not be blank.
func initials(name string) string {
	words := strings.Fields(name)
	letters := firstLetter(words[0])
	if last := len(words) - 1; last > 0 {
		letters += firstLetter(words[last])
	}
	return strings.ToUpper(letters)
}

// firstLetter returns the first letter in word, or "".
func firstLetter(word string) string {
	for _, c := range word {
		if unicode.IsLetter(c) {
			return string(c)
		}
	}
	return ""
}

// https returns url if it begins with https://, else "".
func https(url string) string {
	if strings.HasPrefix(url, "https://") {
		return url
	}
	return ""
}
