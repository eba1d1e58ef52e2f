package alert

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// Parts of Slack's Block Kit.
type (
	slackMessage struct {
		Text        string       `json:"text"` // of notifications
		Blocks      []slackBlock `json:"blocks"`
		UnfurlLinks bool         `json:"unfurl_links"`
		UnfurlMedia bool         `json:"unfurl_media"`
	}
	slackBlock struct {
		Type     string         `json:"type"`
		Text     *slackText     `json:"text,omitempty"`
		Elements []slackElement `json:"elements,omitempty"`
	}
	slackText struct {
		Type  string `json:"type"`
		Text  string `json:"text"`
		Emoji *bool  `json:"emoji,omitempty"`
	}
	slackElement struct {
		Type     string         `json:"type"`
		Text     string         `json:"text,omitempty"`
		URL      string         `json:"url,omitempty"`
		Style    *slackStyle    `json:"style,omitempty"`
		Elements []slackElement `json:"elements,omitempty"`
	}
	slackStyle struct {
		Bold bool `json:"bold,omitempty"`
		Code bool `json:"code,omitempty"`
	}
)

// Bounds that Slack sets, with some room, in bytes.
const (
	maxSlackHeader = 140
	maxSlackText   = 2900
)

// escapeSlack takes the meaning from the three characters that have one in
// Slack's texts: mentions of everybody and links are written with them.
func escapeSlack(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// request writes texts of posts as elements of rich text: these are shown as
// they are, no markup in them is looked at, and a mention or a link would be
// an element of another type. The two plain texts are escaped.
func (sl *Slack) request(ctx context.Context, m *Message, _ time.Time) (*http.Request, error) {
	no := false
	title := strings.ToUpper(m.Status) + " " + m.title()
	text := func(s string) slackElement { return slackElement{Type: "text", Text: cut(s, maxSlackText)} }
	section := func(e ...slackElement) slackElement { return slackElement{Type: "rich_text_section", Elements: e} }
	var facts strings.Builder
	for i, f := range m.facts() {
		if f.Name == factRunbook {
			continue
		}
		if i > 0 {
			facts.WriteByte('\n')
		}
		facts.WriteString(f.Name + ": " + f.Value)
	}
	body := []slackElement{section(text(facts.String()))}
	if m.Runbook != "" {
		// The rule's own address: the only link there is.
		body = append(body, section(slackElement{Type: "link", URL: m.Runbook, Text: "Runbook"}))
	}
	for _, e := range m.Examples {
		quote := slackElement{Type: "rich_text_quote", Elements: []slackElement{text(e.PostID + " by " + e.AuthorID + ": ")}}
		for _, p := range e.Pieces {
			el := text(p.Text)
			if p.Match {
				el.Style = &slackStyle{Bold: true, Code: true}
			}
			quote.Elements = append(quote.Elements, el)
		}
		body = append(body, quote)
	}
	if m.SQL != "" {
		body = append(body, slackElement{Type: "rich_text_preformatted", Elements: []slackElement{text(m.SQL)}})
	}
	req, _, err := post(ctx, sl.URL.Reveal(), slackMessage{
		Text: escapeSlack(cut(title, maxSlackText/5)),
		Blocks: []slackBlock{
			// An escape is up to five bytes, so the text is cut before.
			{Type: "header", Text: &slackText{Type: "plain_text", Text: escapeHeader(title), Emoji: &no}},
			{Type: "rich_text", Elements: body},
		},
	})
	return req, err
}

// escapeHeader escapes as much of s as fits a header.
func escapeHeader(s string) string {
	for n := maxSlackHeader; ; n -= 8 {
		if out := escapeSlack(cut(s, n)); len(out) <= maxSlackHeader {
			return out
		}
	}
}
