package kafka

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sluicehq/sluice/pipeline"
)

// The metadata of a commit begins with its version, behind which are fields, each
// after a space. A broker takes up to 4,096 bytes (offset.metadata.max.bytes).
//
// In version 1 a field is an epoch that is pending: the offset at which it ends, a
// colon, and the hash of its manifest. Version 2, which is written when steps say
// how far their state goes back, has a field before these: the offset from which
// state can be built, the latest event time before it, and the reach, as a
// pipeline.Replay has them, with colons between. The metadata of a commit with
// neither is empty.
const (
	versionPending = "sluice/1"
	versionReplay  = "sluice/2"
)

// formatRecorded returns the metadata of a commit, whose offset is p.Committed.
func formatRecorded(p pipeline.Recorded) string {
	var b strings.Builder
	switch r := p.Replay; {
	case r.From != "":
		fmt.Fprintf(&b, "%s %s:%d:%d", versionReplay, r.From, r.Latest, r.Reach)
	case len(p.Pending) > 0:
		b.WriteString(versionPending)
	}
	for _, e := range p.Pending {
		fmt.Fprintf(&b, " %s:%s", e.To, e.Manifest)
	}
	return b.String()
}

// parseRecorded is the inverse, for a commit of offset.
func parseRecorded(offset int64, metadata string) (pipeline.Recorded, error) {
	out := pipeline.Recorded{Committed: position(offset)}
	if metadata == "" {
		return out, nil
	}
	damaged := fmt.Errorf("its metadata %q is damaged", shorten(metadata))
	fields := strings.Split(metadata, " ")
	version, fields := fields[0], fields[1:]
	switch version {
	case versionPending:
	case versionReplay:
		if len(fields) == 0 {
			return pipeline.Recorded{}, damaged
		}
		var ok bool
		if out.Replay, ok = parseReplay(offset, fields[0]); !ok {
			return pipeline.Recorded{}, damaged
		}
		fields = fields[1:]
	default:
		return pipeline.Recorded{}, fmt.Errorf("its metadata %q is not known: if a newer version of sluice has written it, run that", shorten(metadata))
	}
	for _, f := range fields {
		to, manifest, _ := strings.Cut(f, ":")
		end, err := parsePosition(pipeline.Position(to))
		if err != nil || to == "" || end < offset || !validHash(manifest) {
			return pipeline.Recorded{}, damaged
		}
		offset = end
		out.Pending = append(out.Pending, pipeline.Pending{To: pipeline.Position(to), Manifest: manifest})
	}
	return out, nil
}

func parseReplay(offset int64, field string) (r pipeline.Replay, ok bool) {
	parts := strings.Split(field, ":")
	if len(parts) != 3 {
		return r, false
	}
	from, err := parsePosition(pipeline.Position(parts[0]))
	if err != nil || parts[0] == "" || from > offset {
		return r, false
	}
	r.From = pipeline.Position(parts[0])
	if r.Latest, err = strconv.ParseInt(parts[1], 10, 64); err != nil || strconv.FormatInt(r.Latest, 10) != parts[1] {
		return r, false
	}
	if r.Reach, err = strconv.ParseInt(parts[2], 10, 64); err != nil || strconv.FormatInt(r.Reach, 10) != parts[2] || r.Reach <= 0 {
		return r, false
	}
	return r, true
}

// shorten bounds what an error quotes.
func shorten(s string) string { return s[:min(len(s), 200)] }

// validHash reports whether h is a SHA-256 in lower-case hex.
func validHash(h string) bool {
	return len(h) == 64 && strings.Trim(h, "0123456789abcdef") == ""
}
