package synth

import (
	"strconv"
	"unicode/utf8"
)

// lengthQuantiles are the 0th, 16th, ... percentiles of the bytes at which a
// text stops adding sentences: log-normal in shape, as posts are.
var lengthQuantiles = [17]uint16{3, 8, 14, 20, 26, 33, 40, 48, 57, 67, 79, 92, 108, 128, 156, 196, 280}

const (
	entHashtag = iota
	entMention
	entURL
	numEntities
)

// entity is a hashtag, mention or URL at dst[start:end] of the row's bytes;
// mark signs ('#', '@') are not part of it.
type entity struct {
	kind       uint8
	start, end int
}

func (g *Generator) note(kind uint8, start, end int) {
	if g.nents < len(g.ents) {
		g.ents[g.nents] = entity{kind, start, end}
		g.nents++
	}
}

// sentence appends one sentence of a language. Each random word serves seven
// slots of nine bits.
func (g *Generator) sentence(dst []byte, l *language, r *rng) []byte {
	u := r.next()
	t := l.sentences[l.sentZipf[u>>55]]
	start := len(dst)
	dst = g.fill(dst, t, l, r, u)
	if u>>52&3 != 0 {
		capitalize(dst[start:])
	}
	return dst
}

// fill appends a template with its slots filled in. The low bits of u are the
// first random bits.
func (g *Generator) fill(dst []byte, t template, l *language, r *rng, u uint64) []byte {
	left := 5
	for i := range t {
		p := &t[i]
		dst = append(dst, p.lit...)
		if left == 0 {
			u, left = r.next(), 7
		}
		if p.slot < numWords {
			c := &l.words[p.slot]
			dst = append(dst, c.entries[c.zipf[u&511]]...)
			u >>= 9
			left--
			continue
		}
		switch p.slot {
		case slotName:
			dst = appendName(dst, l, uint32(r.next()))
		case slotNum:
			dst = strconv.AppendUint(dst, 2+u&511%98, 10)
			u >>= 9
			left--
		case slotTerm:
			dst = append(dst, g.term...)
		case slotLink:
			dst = append(dst, g.link...)
		case slotTag:
			dst = append(dst, g.tag...)
		}
	}
	return dst
}

// appendName writes an invented name of two or three syllables; cubing the
// random number makes few names common and a long tail rare.
func appendName(dst []byte, l *language, u uint32) []byte {
	n := uint64(len(l.syllables))
	x := uint64(u >> 12)        // 20 bits
	x = x * x >> 20 * x >> 20   // skewed towards 0
	x = x * n * n * n / 4 >> 20 // a quarter of all triples
	dst = append(dst, l.capitals[x%n]...)
	dst = append(dst, l.syllables[x/n%n]...)
	if x >= n*n {
		dst = append(dst, l.syllables[x/(n*n)%n]...)
	}
	return dst
}

// capitalize makes a first ASCII or Russian letter upper case in place.
func capitalize(b []byte) {
	switch {
	case len(b) == 0:
	case b[0]-'a' < 26:
		b[0] -= 'a' - 'A'
	case len(b) > 1 && b[0] == 0xd0 && b[1] >= 0xb0 && b[1] <= 0xbf: // а to п
		b[1] -= 0x20
	case len(b) > 1 && b[0] == 0xd1 && b[1] >= 0x80 && b[1] <= 0x8f: // р to я
		b[0], b[1] = 0xd0, b[1]+0x20
	}
}

var emoji = [...]string{
	"😂", "❤️", "😍", "🙏", "😭", "🔥", "😊", "👍", "✨", "🤣", "🎉", "☕", "🐱", "🌞", "🤔", "👏",
	"🥰", "😅", "🚲", "📷", "🍕", "⚽", "🎶", "👩‍🌾", "👍🏽", "🇪🇺", "👨‍👩‍👧", "🌧️", "🐶", "📚", "🌈", "🙃",
}

// hosts are under names that RFC 2606 and RFC 6761 reserve.
var hosts = [...]string{
	"www.daily-herald.example", "photos.example", "example.com", "clips.test", "shop.greengrocer.example", "blog.example.org",
	"news.channel-five.example", "maps.example.net", "recipes.example", "radio-wave.example", "weather.test", "podcasts.example",
	"www.city-library.example", "tickets.example", "scores.sport.example", "example.org",
}

// shortHosts are link shorteners, in few organic and many planted rows.
var shortHosts = [...]string{"lnk.test", "tiny.example", "go2.test", "qlink.example"}

const base36 = "0123456789abcdefghijklmnopqrstuvwxyz"

func appendURL(dst []byte, r *rng, short bool) []byte {
	u := r.next()
	dst = append(dst, "https://"...)
	n := 6
	if short {
		dst = append(dst, shortHosts[u&3]...)
	} else {
		dst = append(dst, hosts[u>>2&15]...)
		dst = append(dst, "/2026/"...)
		n = 9
	}
	if short {
		dst = append(dst, '/')
	}
	u >>= 6
	for range n {
		dst = append(dst, base36[u%36])
		u /= 36
	}
	return dst
}

// organicText appends an everyday text, escaped for JSON, and notes its
// entities. replyTo is the account that is answered, or -1.
func (g *Generator) organicText(dst []byte, l *language, i int64, replyTo int) []byte {
	r := rng{mix(g.seeds[saltText], uint64(i))}
	u := r.next()
	start := len(dst)
	if replyTo >= 0 {
		dst = append(g.mention(dst, replyTo), ' ')
	}
	q := u & 15
	lo, hi := lengthQuantiles[q], lengthQuantiles[q+1]
	stop := start + int(lo) + int(uint64(hi-lo)*(u>>4&255)>>8)
	dst = g.sentence(dst, l, &r)
	for len(dst) < stop {
		if u>>12&31 == 0 {
			dst = append(dst, `\n`...)
		} else {
			dst = append(dst, ' ')
		}
		if u>>17&63 == 0 {
			dst = append(dst, `\"`...)
			dst = g.sentence(dst, l, &r)
			dst = append(dst, `\"`...)
		} else {
			dst = g.sentence(dst, l, &r)
		}
	}
	return g.decorate(dst, l, &r, u>>23)
}

// mention appends "@handle" and notes it.
func (g *Generator) mention(dst []byte, author int) []byte {
	dst = append(dst, '@')
	start := len(dst)
	dst = g.appendHandle(dst, author)
	g.note(entMention, start, len(dst))
	return dst
}

// decorate appends emoji, hashtags, mentions and URLs. u has 41 random bits.
func (g *Generator) decorate(dst []byte, l *language, r *rng, u uint64) []byte {
	if u&3 == 0 { // a quarter
		dst = append(dst, ' ')
		e := emoji[u>>2&31]
		for n := u >> 7 & 3; ; n-- {
			dst = append(dst, e...)
			if n <= 1 {
				break
			}
		}
	}
	if v := u >> 9 & 1023; v < 180 { // 18 %
		n := 1 + v%3
		if v < 3 {
			n = 9 + v // stuffed with hashtags
		}
		for range n {
			dst = g.hashtag(dst, l, r)
		}
	}
	if u>>19&31 == 0 { // 3 %
		dst = g.mention(append(dst, ' '), g.authors.active(uint32(r.next())))
	}
	if v := u >> 24 & 1023; v < 174 { // 17 %
		dst = append(dst, ' ')
		start := len(dst)
		dst = appendURL(dst, r, v < 8)
		g.note(entURL, start, len(dst))
	}
	return dst
}

// hashtag appends " #tag" and notes it; one in eight bears a number.
func (g *Generator) hashtag(dst []byte, l *language, r *rng) []byte {
	u := r.next()
	dst = append(dst, ' ', '#')
	start := len(dst)
	dst = append(dst, l.tags.entries[l.tags.zipf[u&511]]...)
	if u>>9&7 == 0 {
		dst = strconv.AppendUint(dst, u>>12&31, 10)
	}
	g.note(entHashtag, start, len(dst))
	return dst
}

// appendEscaped appends raw text as the inside of a JSON string.
func appendEscaped(dst, raw []byte) []byte {
	for len(raw) > 0 {
		c := raw[0]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', '0'+c>>4, "0123456789abcdef"[c&15])
		case c >= utf8.RuneSelf:
			_, n := utf8.DecodeRune(raw)
			dst = append(dst, raw[:n]...)
			raw = raw[n:]
			continue
		default:
			dst = append(dst, c)
		}
		raw = raw[1:]
	}
	return dst
}
