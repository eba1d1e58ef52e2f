package file

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/sluicehq/sluice/pipeline"
)

// maxSafe bounds a name that comes from outside; longer ones end in a hash.
const maxSafe = 80

// safe returns s as a part of a file's name: letters, digits and "._-" stand
// for themselves, other bytes are %XX, so different names stay different and
// none leaves the folder.
func safe(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		plain := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-' || c == '.' && i > 0
		if plain {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	switch out := b.String(); {
	case out == "":
		return "%"
	case len(out) > maxSafe:
		sum := sha256.Sum256([]byte(s))
		return out[:maxSafe-17] + "-" + hex.EncodeToString(sum[:8])
	default:
		return out
	}
}

// expand fills a template in, except for {part}.
func expand(template string, stream pipeline.Stream, span pipeline.Span) string {
	return strings.NewReplacer(
		"{stream}", stream.String(),
		"{partition}", safe(span.Partition),
		"{epoch}", epochName(span),
	).Replace(template)
}

// epochName tells the epochs of a partition apart.
func epochName(span pipeline.Span) string {
	return safe(string(span.From)) + "-" + safe(string(span.To))
}
