package decode

import "github.com/sluicehq/sluice/pipeline"

// Aux values of twitter_v1.
const (
	v1Event = iota
)

// twitterV1Preset reads Twitter's v1.1 status objects, as the streaming and
// search APIs gave them. A retweet's text and entities are those of the
// original, in full: what the retweet itself holds is cut to 140 characters.
// Mentions are screen names. "und" as language is none.
func twitterV1Preset() preset {
	entities := func(list string) string {
		return "retweeted_status.extended_tweet.entities." + list +
			" | retweeted_status.entities." + list +
			" | extended_tweet.entities." + list +
			" | entities." + list
	}
	return preset{
		name: "twitter_v1", platform: "twitter",
		columns: map[string]string{
			pipeline.ColID:              "id_str | id",
			pipeline.ColCreatedAt:       "created_at | timestamp_ms",
			pipeline.ColAuthorID:        "user.id_str | user.id",
			pipeline.ColAuthorHandle:    "user.screen_name",
			pipeline.ColAuthorFollowers: "user.followers_count",
			pipeline.ColAuthorFollowing: "user.friends_count",
			pipeline.ColAuthorCreatedAt: "user.created_at",
			pipeline.ColText: "retweeted_status.extended_tweet.full_text | retweeted_status.full_text | retweeted_status.text" +
				" | extended_tweet.full_text | full_text | text",
			pipeline.ColLang:     "lang",
			pipeline.ColReplyTo:  "in_reply_to_status_id_str | in_reply_to_status_id",
			pipeline.ColQuoteOf:  "quoted_status_id_str | quoted_status_id | quoted_status.id_str",
			pipeline.ColRepostOf: "retweeted_status.id_str | retweeted_status.id",
			pipeline.ColURLs:     entities("urls[*].(expanded_url|url)"),
			pipeline.ColHashtags: entities("hashtags[*].text"),
			pipeline.ColMentions: entities("user_mentions[*].(screen_name|id_str)"),
		},
		// What a stream carries beside statuses.
		aux: []auxPath{v1Event: {path: "delete | limit | warning | disconnect | scrub_geo | status_withheld |" +
			" user_withheld | friends | friends_str | event | control | user_update"}},
		finish: func(r *row) Reason {
			if r.w.slots[colID].kind == absent && r.aux(v1Event).kind != absent {
				return r.notAPost("a message of the stream that is no status")
			}
			r.noUnd()
			return ""
		},
	}
}

// noUnd empties the language that Twitter calls undetermined.
func (r *row) noUnd() {
	if v := &r.w.slots[colLang]; v.kind == str && string(r.w.buf[v.off:v.end]) == "und" {
		v.kind = absent
	}
}

// notAPost rejects a valid record that is no post. The text is constant: most
// records of some sources end here.
func (r *row) notAPost(what string) Reason { return r.reject(NotAPost, -1, "", what) }
