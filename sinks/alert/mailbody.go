package alert

import (
	"fmt"
	"html/template"
	"strings"
)

// plain is the mail's text. No line of it is a post's alone, so that a post
// cannot write what looks like ours.
func (m *Message) plain() string {
	var b strings.Builder
	b.WriteString(strings.ToUpper(m.Status) + " " + defang(m.title()) + "\n\n")
	for _, f := range m.facts() {
		fmt.Fprintf(&b, "%-11s %s\n", f.Name, f.mailed())
	}
	if len(m.Examples) > 0 {
		b.WriteString("\nExamples, with the matches between [[ and ]]:\n")
		for line := range strings.SplitSeq(m.examples("[[", "]]"), "\n") {
			b.WriteString("> " + defang(line) + "\n")
		}
	}
	if m.SQL != "" {
		b.WriteString("\nAll of them:\n" + defangSQL(m.SQL) + "\n")
	}
	b.WriteString("\nAlert " + m.AlertID + ", message " + fmt.Sprint(m.Sequence) + ", route " + m.Route + "\n")
	return b.String()
}

// htmlMail is the mail's page. html/template escapes each value for its place.
const htmlMail = `<!DOCTYPE html>
<html><head><meta charset="utf-8"></head><body style="font-family:sans-serif;font-size:14px">
<p><b>{{.Status}}</b> {{.Title}}</p>
<table cellpadding="3">
{{range .Facts}}<tr><td style="color:#666">{{.Name}}</td><td>{{if eq .Name "Runbook"}}<a href="{{.Value}}">{{.Value}}</a>{{else}}{{mailed .}}{{end}}</td></tr>
{{end}}</table>
{{if .Examples}}<p>Examples:</p>
{{range .Examples}}<blockquote style="border-left:3px solid #ccc;margin:4px 0;padding:4px 8px" dir="auto"><small>{{defang .PostID}} by {{defang .AuthorID}}</small><br>
{{range .Pieces}}{{if .Match}}<mark><b>{{defang .Text}}</b></mark>{{else}}{{defang .Text}}{{end}}{{end}}</blockquote>
{{end}}{{end}}{{if .SQL}}<p>All of them:</p>
<pre style="white-space:pre-wrap;background:#f4f4f4;padding:8px">{{sql .SQL}}</pre>
{{end}}<p style="color:#666"><small>Alert {{.AlertID}}, message {{.Sequence}}, route {{.Route}}</small></p>
</body></html>
`

// html is the same as a page.
func (m *Message) html() (string, error) {
	t, err := template.New("mail").Funcs(template.FuncMap{"defang": defang, "sql": defangSQL, "mailed": fact.mailed}).Parse(htmlMail)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.Execute(&b, struct {
		*Message
		Status, Title string
		Facts         []fact
	}{m, strings.ToUpper(m.Status), defang(m.title()), m.facts()})
	return b.String(), err
}

func (f fact) mailed() string {
	if f.Ours {
		return f.Value
	}
	return defang(f.Value)
}

// defangSQL does as defang in the literals of a query, by escapes that leave it
// the query that it was.
func defangSQL(query string) string {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(query); i++ {
		switch c := query[i]; {
		case quoted && c == '\\' && i+1 < len(query):
			b.WriteString(query[i : i+2])
			i++
		case c == '\'':
			quoted = !quoted
			b.WriteByte(c)
		case quoted && strings.IndexByte(".@:", c) >= 0:
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
