package decode

import "github.com/sluicehq/sluice/pipeline"

// Aux values of twitter_v2.
const (
	v2RefType = iota
	v2RefID
	v2UserID
	v2UserHandle
	v2UserCreated
	v2UserFollowers
	v2UserFollowing
	v2TweetID
	v2TweetText
	v2TweetNote
	v2Data
	v2Errors
)

// twitterV2Preset reads X's v2 objects: one post a record, either bare or as
// {"data": ..., "includes": ...}. The author is looked up in includes.users, the
// text of a retweet in includes.tweets, since what the retweet itself holds is
// cut. Mentions are user names.
func twitterV2Preset() preset {
	both := func(path string) string { return "data." + path + " | " + path }
	return preset{
		name: "twitter_v2", platform: "twitter",
		columns: map[string]string{
			pipeline.ColID:        both("id"),
			pipeline.ColCreatedAt: both("created_at"),
			pipeline.ColAuthorID:  both("author_id"),
			pipeline.ColText:      both("note_tweet.text") + " | " + both("text"),
			pipeline.ColLang:      both("lang"),
			pipeline.ColURLs:      both("entities.urls[*].(unwound_url|expanded_url|url)"),
			pipeline.ColHashtags:  both("entities.hashtags[*].tag"),
			pipeline.ColMentions:  both("entities.mentions[*].(username|id)"),
		},
		aux: []auxPath{
			v2RefType:       {both("referenced_tweets[*].type"), true},
			v2RefID:         {both("referenced_tweets[*].id"), true},
			v2UserID:        {"includes.users[*].id", true},
			v2UserHandle:    {"includes.users[*].username", true},
			v2UserCreated:   {"includes.users[*].created_at", true},
			v2UserFollowers: {"includes.users[*].public_metrics.followers_count", true},
			v2UserFollowing: {"includes.users[*].public_metrics.following_count", true},
			v2TweetID:       {"includes.tweets[*].id", true},
			v2TweetText:     {"includes.tweets[*].text", true},
			v2TweetNote:     {"includes.tweets[*].note_tweet.text", true},
			v2Data:          {"data", false},
			v2Errors:        {"errors", false},
		},
		finish: finishV2,
	}
}

// maxReferenced bounds the references that are looked at; there are three kinds.
const maxReferenced = 16

func finishV2(r *row) Reason {
	slots := r.w.slots
	if d := r.aux(v2Data); d.kind == jsonArray {
		return r.reject(WrongType, int(d.off), "data", "this is an array: write one post a record")
	} else if d.kind == absent && slots[colID].kind == absent && r.aux(v2Errors).kind != absent {
		return r.notAPost("an error message of the API")
	}
	r.noUnd()
	types, ids := r.auxList(v2RefType).items, r.auxList(v2RefID)
	for _, t := range types[:min(len(types), maxReferenced)] {
		to := -1
		switch string(r.text(t.value)) {
		case "replied_to":
			to = colReplyTo
		case "quoted":
			to = colQuoteOf
		case "retweeted":
			to = colRepostOf
		}
		if to >= 0 {
			r.fill(to, ids.of(t.number))
		}
	}
	if user := r.find(v2UserID, slots[colAuthorID]); user > 0 {
		r.fill(colAuthorHandle, r.auxList(v2UserHandle).of(user))
		r.fill(colAuthorCreatedAt, r.auxList(v2UserCreated).of(user))
		r.fill(colAuthorFollowers, r.auxList(v2UserFollowers).of(user))
		r.fill(colAuthorFollowing, r.auxList(v2UserFollowing).of(user))
	}
	if tweet := r.find(v2TweetID, slots[colRepostOf]); tweet > 0 && !r.p.scalars[colText].byConfig {
		text := r.auxList(v2TweetNote).of(tweet)
		if text.kind == absent {
			text = r.auxList(v2TweetText).of(tweet)
		}
		if text.kind != absent {
			slots[colText] = text
		}
	}
	return ""
}

// of returns the value that element number gave to the list.
func (l *list) of(number uint32) value {
	for _, it := range l.items {
		if it.number == number {
			return it.value
		}
	}
	return value{}
}

// find returns the number of the element whose value in aux list k has the text
// of v; 0 for none.
func (r *row) find(k int, v value) uint32 {
	if v.kind != str && v.kind != number {
		return 0
	}
	want := r.w.buf[v.off:v.end]
	for _, it := range r.auxList(k).items {
		if (it.kind == str || it.kind == number) && string(r.w.buf[it.off:it.end]) == string(want) {
			return it.number
		}
	}
	return 0
}

// fill sets a column that has no value and that the config leaves to the preset.
func (r *row) fill(col int, v value) {
	if r.w.slots[col].kind == absent && !r.p.scalars[col].byConfig {
		r.w.slots[col] = v
	}
}
