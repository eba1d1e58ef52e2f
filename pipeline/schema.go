package pipeline

import (
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
)

// Names of the columns that every post has, as the decoder makes them. Text is
// valid UTF-8. A column that the input does not have is empty (strings and
// lists), or null where the field is nullable.
const (
	ColID              = "id"                // Utf8, never empty, unique in its platform
	ColCreatedAt       = "created_at"        // Timestamp(ms, UTC): event time
	ColAuthorID        = "author_id"         // Utf8
	ColAuthorHandle    = "author_handle"     // Utf8
	ColAuthorFollowers = "author_followers"  // Int64, nullable
	ColAuthorFollowing = "author_following"  // Int64, nullable
	ColAuthorCreatedAt = "author_created_at" // Timestamp(ms, UTC), nullable
	ColText            = "text"              // Utf8, the text as it was written: all spans refer to its bytes
	ColLang            = "lang"              // Utf8, BCP 47 as the platform gave it, lower case; "" unknown
	ColKind            = "kind"              // Utf8: post, reply, quote, repost
	ColReplyTo         = "reply_to"          // Utf8: id of the post that this one replies to
	ColQuoteOf         = "quote_of"          // Utf8
	ColRepostOf        = "repost_of"         // Utf8
	ColURLs            = "urls"              // List<Utf8>, expanded where the platform gave that
	ColHashtags        = "hashtags"          // List<Utf8>, without '#'
	ColMentions        = "mentions"          // List<Utf8>, ids or handles without '@'
	ColMediaHashes     = "media_hashes"      // List<Utf8>, "pdq:<64 hex digits>" or "md5:<hex>" and so on
	ColPlatform        = "platform"          // Utf8
	ColSource          = "source"            // Utf8: Chunk.Origin
	ColSourceOffset    = "source_offset"     // Int64: offset of the record within the origin
)

// Names of the columns that operators add, settled here because rules, sinks
// and SQL refer to them.
const (
	// normalize. Each view is a whole text (Utf8, transient). Where a post has
	// nothing that a view undoes, the view's row has the bytes of the folded one.
	ColTextFolded   = "text_folded"   // NFKC, case, invisible characters, diacritics
	ColTextSkeleton = "text_skeleton" // folded, with look-alikes of words of mixed script undone
	ColTextSqueezed = "text_squeezed" // skeleton, with leet, repeats and spacing undone

	// normalize: what tells of evasion. Stored.
	ColInvisibleChars = "invisible_chars"    // Uint32: default ignorables, bidi and other controls
	ColMixedScript    = "mixed_script_words" // Uint32: words with letters of more than one script
	ColFoldDistance   = "fold_distance"      // Float32, 0..1: share of characters that folding replaced, beyond case
	ColEntropy        = "entropy"            // Float32, bits: Shannon entropy of the folded view's bytes

	// language.
	ColLanguage           = "language"            // Utf8: lang where the post says it, else the detected one; "" unknown
	ColLanguageConfidence = "language_confidence" // Float32, 0..1; 1 where the post says it

	// tokenize. The three token columns have equal list offsets; spans are
	// byte offsets into text_folded, half open. All three are transient.
	ColTokenHash  = "tokens.hash"  // List<Uint64>: hash of the folded token
	ColTokenStart = "tokens.start" // List<Uint32>
	ColTokenEnd   = "tokens.end"   // List<Uint32>
	ColTokenKind  = "tokens.kind"  // List<Uint8>: a text.Kind (word, number, hashtag, ...)
	ColTokenCount = "token_count"  // Uint32: words, numbers, hashtags, mentions, bigrams
	ColURLDomains = "url_domains"  // List<Utf8>: registrable domains of urls and of URLs in the text

	// fingerprint.
	ColTextHash = "text_hash" // Uint64: hash of the folded tokens in order, without a leading "RT @user"; equal for copies
	ColSimHash  = "simhash"   // Uint64: Charikar's SimHash; 0 for a post of no tokens
	ColMinHash  = "minhash"   // List<Uint32>: MinHash bands, number<<16 | 16 bits; near copies share some

	// match. The columns have equal list offsets: one element a hit.
	// Spans are byte offsets into text (not the folded view), half open.
	ColHitList     = "hits.list"     // List<Utf8>: the list's name
	ColHitTerm     = "hits.term"     // List<Utf8>: the term as the list writes it
	ColHitStart    = "hits.start"    // List<Uint32>
	ColHitEnd      = "hits.end"      // List<Uint32>
	ColHitView     = "hits.view"     // List<Utf8>: raw, folded, skeleton or squeezed: the first view that shows the term
	ColHitDisguise = "hits.disguise" // List<Utf8>: what hid the term, such as "leet+spaced"; "" nothing beyond the folded view; of a bank's hash "distance=2" and so on, "" where it is equal
	ColHitWeight   = "hits.weight"   // List<Float32>: the term's weight, 1 where the list gives none
	// ColMatchPrefix + list name: Int32, number of hits of one list (transient).
	ColMatchPrefix = "match."
	// ColWeightPrefix + list name: Float32, sum of the weights of these hits (transient).
	ColWeightPrefix = "weight."

	// score. ColScorePrefix + head name: Float32, the calibrated probability 0..1.
	ColScorePrefix = "score."
)

// MetaTransient marks a column (Field.Metadata key, value "true") that steps
// use among themselves and sinks do not store.
const MetaTransient = "sluice.transient"

// Timestamp is the type of all times: milliseconds since the Unix epoch, UTC.
var Timestamp = &arrow.TimestampType{Unit: arrow.Millisecond, TimeZone: "UTC"}

func str(name string) arrow.Field { return arrow.Field{Name: name, Type: arrow.BinaryTypes.String} }
func strs(name string) arrow.Field {
	return arrow.Field{Name: name, Type: ListOf(arrow.BinaryTypes.String)}
}

// ListOf returns a list type with a non-nullable element.
func ListOf(elem arrow.DataType) *arrow.ListType { return arrow.ListOfNonNullable(elem) }

// PostsSchema returns the columns that a decoder gives, followed by extra ones.
func PostsSchema(extra ...arrow.Field) *arrow.Schema {
	i64 := arrow.PrimitiveTypes.Int64
	fields := []arrow.Field{
		str(ColID),
		{Name: ColCreatedAt, Type: Timestamp},
		str(ColAuthorID), str(ColAuthorHandle),
		{Name: ColAuthorFollowers, Type: i64, Nullable: true},
		{Name: ColAuthorFollowing, Type: i64, Nullable: true},
		{Name: ColAuthorCreatedAt, Type: Timestamp, Nullable: true},
		str(ColText), str(ColLang), str(ColKind),
		str(ColReplyTo), str(ColQuoteOf), str(ColRepostOf),
		strs(ColURLs), strs(ColHashtags), strs(ColMentions), strs(ColMediaHashes),
		str(ColPlatform), str(ColSource),
		{Name: ColSourceOffset, Type: i64},
	}
	return arrow.NewSchema(append(fields, extra...), nil)
}

// DetectionsSchema returns the schema of the detections stream: one row for
// each rule (or model, campaign, burst) that fired on a post.
//
// The spans columns are parallel lists, one element a piece of evidence, with
// byte offsets into the post's text. The values columns are parallel lists
// too: the names and the printed values of what the condition looked at.
func DetectionsSchema() *arrow.Schema {
	u32 := arrow.PrimitiveTypes.Uint32
	return arrow.NewSchema([]arrow.Field{
		str("post_id"),
		{Name: "created_at", Type: Timestamp}, // of the post
		str("author_id"),
		str("platform"),
		str("lang"),
		str("kind"), // rule, score, campaign, burst
		str("rule_id"),
		{Name: "rule_version", Type: u32},
		str("rule_hash"), // hex SHA-256 of the rule's canonical form
		str("severity"),  // info, low, medium, high, critical
		str("mode"),      // live, shadow
		str("owner"),
		strs("labels"),
		{Name: "score", Type: arrow.PrimitiveTypes.Float32}, // 0..1; 1 for rules
		strs("spans.list"),
		strs("spans.term"),
		{Name: "spans.start", Type: ListOf(u32)},
		{Name: "spans.end", Type: ListOf(u32)},
		strs("spans.view"),
		strs("spans.disguise"),
		// A term's weight, or what an n-gram added to a score's logit.
		{Name: "spans.weight", Type: ListOf(arrow.PrimitiveTypes.Float32)},
		// The lists that the condition names, with the hex of their contents' hash.
		strs("lists.name"),
		strs("lists.version"),
		strs("values.name"),
		strs("values.value"),
		// Of the post: evidence outlives the post's deletion.
		str("text"),
		// 0 when no fingerprint step ran.
		{Name: "text_hash", Type: arrow.PrimitiveTypes.Uint64},
		{Name: "simhash", Type: arrow.PrimitiveTypes.Uint64},
		str(ColSource),
		{Name: ColSourceOffset, Type: arrow.PrimitiveTypes.Int64},
	}, nil)
}

// RejectedSchema returns the schema of the rejected stream.
func RejectedSchema() *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{
		str(ColSource),
		{Name: ColSourceOffset, Type: arrow.PrimitiveTypes.Int64},
		str("step"),   // "decode" or the step's name
		str("reason"), // one of a fixed set, such as "invalid_json": a metric's label
		str("detail"), // what is wrong and where in the record, for a person
		{Name: "raw", Type: arrow.BinaryTypes.Binary}, // the record's bytes, cut to 64 KiB
		{Name: "raw_size", Type: arrow.PrimitiveTypes.Int64},
	}, nil)
}

// Transient returns f marked as a column that sinks do not store.
func Transient(f arrow.Field) arrow.Field {
	f.Metadata = arrow.NewMetadata([]string{MetaTransient}, []string{"true"})
	return f
}

// Stored returns the schema of what sinks are given of posts of schema s: its
// columns that are not transient. It is s itself when none is.
func Stored(s *arrow.Schema) *arrow.Schema {
	fields := slices.DeleteFunc(s.Fields(), IsTransient)
	if len(fields) == s.NumFields() {
		return s
	}
	md := s.Metadata()
	return arrow.NewSchema(fields, &md)
}

// Plain returns s without metadata, as files and messages have it: no column is
// transient any more.
func Plain(s *arrow.Schema) *arrow.Schema {
	fields := s.Fields()
	for i, f := range fields {
		fields[i] = arrow.Field{Name: f.Name, Type: f.Type, Nullable: f.Nullable}
	}
	return arrow.NewSchema(fields, nil)
}

// IsTransient reports whether f was marked by Transient.
func IsTransient(f arrow.Field) bool {
	i := f.Metadata.FindKey(MetaTransient)
	return i >= 0 && f.Metadata.Values()[i] == "true"
}

// AppendFields returns schema with fields added at its end, which is how an
// operator that adds columns makes its output schema. It fails when a name is
// there already: two steps of one kind need different column names.
func AppendFields(schema *arrow.Schema, fields ...arrow.Field) (*arrow.Schema, error) {
	for _, f := range fields {
		if schema.HasField(f.Name) {
			return nil, &DuplicateColumnError{Name: f.Name}
		}
	}
	md := schema.Metadata()
	return arrow.NewSchema(append(slices.Clone(schema.Fields()), fields...), &md), nil
}

// Column returns the position of the column name in schema and checks its
// type. The error names the column and the step that makes it, when known.
func Column(schema *arrow.Schema, name string, want arrow.DataType) (int, error) {
	i := schema.FieldIndices(name)
	if len(i) == 0 {
		return -1, &MissingColumnError{Name: name}
	}
	if got := schema.Field(i[0]).Type; !arrow.TypeEqual(got, want) {
		return -1, &MissingColumnError{Name: name, Got: got, Want: want}
	}
	return i[0], nil
}

// MetaListPrefix, with a list's name behind it, is a key in the metadata of
// the schema that leaves a match step. The value is the path of the list's
// file, which later steps may read through Files; it is empty for a list that
// has terms in the config, since the file alone would not be the whole list.
const MetaListPrefix = "sluice.list."

// MetaListVersionPrefix, with a list's name behind it, is a key in the same
// metadata. The value is the list's version: the first 16 hex digits of the
// SHA-256 of its terms as they were read, so it changes when they do.
const MetaListVersionPrefix = "sluice.list_version."
