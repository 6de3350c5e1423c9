// Package templates has the app's pages. Their style sheet and their script are inlined, so that a
// page is one response.
package templates

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"strings"
	"unicode"
)

//go:embed *.html style.css script.js
var files embed.FS

// Pages returns a set of templates, one for each page. It panics if one has a mistake.
func Pages() *template.Template {
	return template.Must(template.New("").Funcs(template.FuncMap{
		"accountType": func(number int) string { return accountTypes[number] },
		"firstOf":     firstOf,
		"initials":    initials,
		"https":       https,
	}).ParseFS(files, "layout.html", "profile.html", "problems.html", "style.css", "script.js"))
}

// Demo returns the pages of a demo, which say that this is one. It panics if one has a mistake.
func Demo() *template.Template {
	return template.Must(Pages().ParseFS(files, "demo.html")) // which redefines some templates
}

// accountTypes has Zoom's names for the types of its users.
var accountTypes = map[int]string{1: "Basic", 2: "Licensed", 4: "Unassigned", 99: "None"}

// SecurityPolicy returns the pages' Content-Security-Policy. It allows their own style sheet and
// script, which it names by a hash, their icon, and pictures over https.
func SecurityPolicy() string {
	return "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'" +
		"; img-src https: data:" +
		"; style-src " + hash("style.css") + "; script-src " + hash("script.js")
}

// hash returns the hash of a file as a policy has it. There must be no comments in the file:
// html/template leaves them out of the page, and the browser then gets another hash.
func hash(name string) string {
	text, err := files.ReadFile(name)
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(text)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// firstOf returns the first text with a visible character in it, without space around it, or "".
func firstOf(texts ...string) string {
	isVisible := func(c rune) bool { return unicode.IsGraphic(c) && !unicode.IsSpace(c) }
	for _, text := range texts {
		if strings.ContainsFunc(text, isVisible) {
			return strings.TrimSpace(text)
		}
	}
	return ""
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
