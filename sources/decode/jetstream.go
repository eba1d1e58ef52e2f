package decode

import (
	"bytes"

	"github.com/sluicehq/sluice/pipeline"
)

// Aux values of jetstream.
const (
	jsKind = iota
	jsOperation
	jsCollection
	jsDID
	jsRkey
	jsTime
	jsQuote
	jsQuoteWithMedia
	jsImages
	jsMediaImages
	jsVideo
	jsMediaVideo
	jsLink
	jsMediaLink
)

const postCollection = "app.bsky.feed.post"

// jetstreamPreset reads the events of Bluesky's Jetstream. Only created posts
// are posts; likes, follows, deletions, identity events and so on are rejected
// as not_a_post. The id is the post's AT URI, authors and mentions are DIDs.
//
// created_at is the earlier of the record's createdAt, which the author's
// client sets, and the event's time_us, which the relay sets: the rule by which
// Bluesky itself sorts ("sortAt"). So no post lies in the future. A createdAt
// that is missing or no time is passed over.
func jetstreamPreset() preset {
	const rec = "commit.record."
	return preset{
		name: "jetstream", platform: "bluesky",
		columns: map[string]string{
			pipeline.ColCreatedAt: rec + "createdAt",
			pipeline.ColAuthorID:  "did",
			pipeline.ColText:      rec + "text",
			pipeline.ColLang:      rec + "langs[0]",
			pipeline.ColReplyTo:   rec + "reply.parent.uri",
			pipeline.ColURLs:      rec + "facets[*].features[*].uri",
			pipeline.ColHashtags:  rec + "facets[*].features[*].tag | " + rec + "tags[*]",
			pipeline.ColMentions:  rec + "facets[*].features[*].did",
		},
		all:      []string{pipeline.ColHashtags},
		computed: []string{pipeline.ColID},
		aux: []auxPath{
			jsKind:           {"kind", false},
			jsOperation:      {"commit.operation", false},
			jsCollection:     {"commit.collection", false},
			jsDID:            {"did", false},
			jsRkey:           {"commit.rkey", false},
			jsTime:           {"time_us", false},
			jsQuote:          {rec + "embed.record.uri", false},
			jsQuoteWithMedia: {rec + "embed.record.record.uri", false},
			jsImages:         {rec + `embed.images[*].image.ref.$link`, true},
			jsMediaImages:    {rec + `embed.media.images[*].image.ref.$link`, true},
			jsVideo:          {rec + `embed.video.ref.$link`, false},
			jsMediaVideo:     {rec + `embed.media.video.ref.$link`, false},
			jsLink:           {rec + "embed.external.uri", false},
			jsMediaLink:      {rec + "embed.media.external.uri", false},
		},
		finish: finishJetstream,
	}
}

func finishJetstream(r *row) Reason {
	if !r.is(r.aux(jsKind), "commit") {
		return r.notAPost("an event that is no commit")
	}
	if !r.is(r.aux(jsCollection), postCollection) || !r.is(r.aux(jsOperation), "create") {
		return r.notAPost("a commit that creates no post")
	}
	did, rkey := r.aux(jsDID), r.aux(jsRkey)
	if did.off < did.end && rkey.off < rkey.end {
		from := len(r.scratch)
		r.scratch = append(r.scratch, "at://"...)
		r.scratch = append(r.scratch, r.text(did)...)
		r.scratch = append(r.scratch, "/"+postCollection+"/"...)
		r.scratch = append(r.scratch, r.text(rkey)...)
		r.fill(colID, r.make(from))
	}
	if !r.p.scalars[colCreatedAt].byConfig {
		r.sortAt()
	}
	for _, k := range [...]int{jsQuote, jsQuoteWithMedia} {
		// Lists and feeds are embedded in the same way as posts.
		if q := r.aux(k); q.kind == str && bytes.Contains(r.text(q), []byte("/"+postCollection+"/")) {
			r.fill(colQuoteOf, q)
		}
	}
	if !r.p.lists[colMediaHashes].byConfig {
		r.mediaCIDs()
	}
	for _, k := range [...]int{jsLink, jsMediaLink} {
		if link := r.aux(k); (link.kind == str || link.kind == escaped) && !r.p.lists[colURLs].byConfig {
			r.addNew(colURLs, link)
		}
	}
	return ""
}

// is reports whether v is the string want.
func (r *row) is(v value, want string) bool {
	return v.kind == str && string(r.w.buf[v.off:v.end]) == want
}

// sortAt sets the time of a post: see jetstreamPreset.
func (r *row) sortAt() {
	created, seen := r.w.slots[colCreatedAt], r.aux(jsTime)
	seenMs, ok := int64(0), false
	if seen.kind == number {
		seenMs, ok = unixTime(r.text(seen), "unix_us")
	}
	if !ok || seenMs < r.p.minTime || seenMs >= r.p.maxTime {
		return
	}
	if created.kind == str {
		if ms, ok := r.times.parse(r.text(created), false); ok && ms <= seenMs && ms >= r.p.minTime {
			return
		}
	}
	r.w.slots[colCreatedAt] = value{off: uint32(seenMs), end: uint32(seenMs >> 32), kind: madeTime}
}

// mediaCIDs takes the content ids of images and videos as their hashes: a CID
// is a SHA-256 of the bytes.
func (r *row) mediaCIDs() {
	for _, k := range [...]int{jsImages, jsMediaImages} {
		for _, it := range r.auxList(k).items {
			r.addPrefixed(colMediaHashes, "cid:", it.value)
		}
	}
	for _, k := range [...]int{jsVideo, jsMediaVideo} {
		r.addPrefixed(colMediaHashes, "cid:", r.aux(k))
	}
}

func (r *row) addPrefixed(col int, prefix string, v value) {
	if v.kind != str || v.off == v.end {
		return
	}
	from := len(r.scratch)
	r.scratch = append(append(r.scratch, prefix...), r.text(v)...)
	r.add(col, r.make(from))
}

// maxCompared bounds the search for duplicates in a list.
const maxCompared = 64

// addNew adds an element to a standard list unless one of the first is equal.
func (r *row) addNew(col int, v value) {
	r.key = append(r.key[:0], r.text(v)...)
	for _, it := range r.lists[col][:min(len(r.lists[col]), maxCompared)] {
		if bytes.Equal(r.text(it.value), r.key) {
			return
		}
	}
	r.add(col, v)
}
