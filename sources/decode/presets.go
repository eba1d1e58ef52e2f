package decode

import "github.com/sluicehq/sluice/pipeline"

// preset says where the columns of a post lie in one platform's records.
type preset struct {
	name     string
	platform string            // constant of the platform column; "" for none
	columns  map[string]string // standard column -> path expression
	all      []string          // list columns that take all alternatives, not the first
	computed []string          // columns that finish fills
	aux      []auxPath         // further values, for finish
	strict   bool              // a scalar where an object or array belongs is an error

	// finish completes the values of a record before they are checked: ids
	// that are put together, texts that are cleaned, kinds. It returns the
	// reason to reject the record, or "".
	finish func(r *row) Reason
}

// auxPath is a value that is no column by itself; its place among the
// preset's aux paths is its number.
type auxPath struct {
	path string
	list bool
}

// presets returns all formats.
func presets() []preset {
	return []preset{plainPreset(), jetstreamPreset(), mastodonPreset(), twitterV1Preset(), twitterV2Preset(), {name: "custom", strict: true}}
}

func presetNames() []string {
	var names []string
	for _, p := range presets() {
		names = append(names, p.name)
	}
	return names
}

func presetByName(name string) (preset, bool) {
	for _, p := range presets() {
		if p.name == name {
			return p, true
		}
	}
	return preset{}, false
}

// plainPreset is our own format: the columns by their names, the author's in
// an object.
func plainPreset() preset {
	return preset{
		name: "plain", strict: true,
		columns: map[string]string{
			pipeline.ColID:              "id",
			pipeline.ColCreatedAt:       "created_at",
			pipeline.ColAuthorID:        "author.id",
			pipeline.ColAuthorHandle:    "author.handle",
			pipeline.ColAuthorFollowers: "author.followers",
			pipeline.ColAuthorFollowing: "author.following",
			pipeline.ColAuthorCreatedAt: "author.created_at",
			pipeline.ColText:            "text",
			pipeline.ColLang:            "lang",
			pipeline.ColKind:            "kind",
			pipeline.ColReplyTo:         "reply_to",
			pipeline.ColQuoteOf:         "quote_of",
			pipeline.ColRepostOf:        "repost_of",
			pipeline.ColURLs:            "urls",
			pipeline.ColHashtags:        "hashtags",
			pipeline.ColMentions:        "mentions",
			pipeline.ColMediaHashes:     "media_hashes",
			pipeline.ColPlatform:        "platform",
		},
	}
}
