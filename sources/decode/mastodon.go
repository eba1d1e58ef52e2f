package decode

import (
	"bytes"

	"github.com/sluicehq/sluice/internal/jsonscan"
	"github.com/sluicehq/sluice/pipeline"
)

// Aux values of mastodon.
const (
	mdEvent = iota
	mdPayload
	mdCard
	mdReblogCard
)

// mastodonPreset reads Mastodon statuses, bare or in the envelope of the
// streaming API, {"event":"update","payload":"<the status as a string>"}.
// Other events are not_a_post. The text is that of the content without its
// HTML; urls are its links, without those to profiles and hashtags, and the
// preview card's. A boost's text, tags and links are those of the original.
// The id is the server's own, to which in_reply_to_id refers.
func mastodonPreset() preset {
	both := func(path string) string { return "reblog." + path + " | " + path }
	return preset{
		name: "mastodon", platform: "mastodon",
		columns: map[string]string{
			pipeline.ColID:              "id",
			pipeline.ColCreatedAt:       "created_at",
			pipeline.ColAuthorID:        "account.id",
			pipeline.ColAuthorHandle:    "account.acct | account.username",
			pipeline.ColAuthorFollowers: "account.followers_count",
			pipeline.ColAuthorFollowing: "account.following_count",
			pipeline.ColAuthorCreatedAt: "account.created_at",
			pipeline.ColText:            both("content"),
			pipeline.ColLang:            both("language"),
			pipeline.ColReplyTo:         "in_reply_to_id",
			pipeline.ColQuoteOf:         "quote.quoted_status.id | quote.quoted_status_id | quote_id",
			pipeline.ColRepostOf:        "reblog.id",
			pipeline.ColHashtags:        both("tags[*].name"),
			pipeline.ColMentions:        both("mentions[*].acct"),
		},
		aux: []auxPath{
			mdEvent: {"event", false}, mdPayload: {"payload", false},
			mdCard: {"card.url", false}, mdReblogCard: {"reblog.card.url", false},
		},
		finish: finishMastodon,
	}
}

func finishMastodon(r *row) Reason {
	if event := r.aux(mdEvent); event.kind == str {
		if reason := r.openEnvelope(event); reason != "" {
			return reason
		}
	}
	r.links = r.links[:0]
	if v := r.w.slots[colText]; (v.kind == str || v.kind == escaped) && !r.p.scalars[colText].byConfig {
		r.html = append(r.html[:0], r.text(v)...)
		from := len(r.scratch)
		r.scratch, r.links = stripHTML(r.scratch, r.html, r.links)
		r.scratch = r.scratch[:from+len(bytes.TrimRight(r.scratch[from:], "\n"))]
		r.w.slots[colText] = r.make(from)
	}
	if r.p.lists[colURLs].byConfig {
		return ""
	}
	for _, l := range r.links {
		from := len(r.scratch)
		r.scratch = appendReferences(r.scratch, r.html[l.from:l.to])
		r.add(colURLs, r.make(from))
	}
	for _, k := range [...]int{mdReblogCard, mdCard} {
		if v := r.aux(k); v.kind == str || v.kind == escaped {
			r.addNew(colURLs, v)
		}
	}
	return ""
}

// openEnvelope decodes the status that a message of the streaming API holds as
// a string. From then on all values are of that status.
func (r *row) openEnvelope(event value) Reason {
	payload := r.aux(mdPayload)
	if !r.is(event, "update") && !r.is(event, "status.update") || payload.kind != str && payload.kind != escaped {
		return r.notAPost("an event that brings no status")
	}
	r.inner = append(r.inner[:0], r.text(payload)...)
	if at, st := r.w.walk(r.p.root, r.inner); st != jsonscan.OK {
		reason := r.rejectStatus(at, st, true)
		r.what = "payload"
		return reason
	}
	if w := &r.w; w.mismatch == r.p.root {
		return r.reject(WrongType, 0, "payload", "this is not an object")
	}
	r.resolve()
	return ""
}
