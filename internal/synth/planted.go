package synth

import (
	"bytes"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// plantedRow writes a row of any kind but organic: its text is put together in
// g.raw, and entities are looked for in the finished text.
func (g *Generator) plantedRow(dst []byte, r *row) []byte {
	g.raw, g.id = g.raw[:0], g.id[:0]
	r.post = "post"
	switch r.kind {
	case Campaign:
		g.campaign(r)
	case Term, Disguise:
		g.termRow(r)
	case Burst:
		g.burst(r)
	case News:
		g.news(r)
	case Lookalike:
		g.lookalike(r)
	}
	dst = g.appendFront(dst, r)
	dst = appendEscaped(dst, g.raw)
	g.findEntities()
	return g.appendBack(dst, g.raw, r)
}

// pick draws one of the templates.
func pick(list []template, r *rng) template { return list[r.below(len(list))] }

func (g *Generator) plant(t template, r *row) {
	g.raw = g.fill(g.raw, t, r.lang, &r.rnd, r.rnd.next())
}

// speak makes the row's author one who speaks l.
func (g *Generator) speak(r *row, l *language) {
	r.lang = l
	r.author = g.authors.activeOf(l, &r.rnd)
}

// termRow plants a term, as it is or in disguise.
func (g *Generator) termRow(r *row) {
	t := &g.t.terms[r.rnd.below(len(g.t.terms))]
	g.speak(r, &g.t.langs[t.langs[r.rnd.below(len(t.langs))]])
	g.id, r.detail = append(g.id, t.text...), "plain"
	g.term = append(g.term[:0], t.text...)
	if r.kind == Disguise {
		d := &disguises[r.rnd.below(len(disguises))]
		for !d.fits(t) {
			d = &disguises[r.rnd.below(len(disguises))]
		}
		g.term = d.write(g.term[:0], t.text, &r.rnd)
		r.detail = d.name
	}
	if r.rnd.percent(40) {
		g.raw = append(g.sentence(g.raw, r.lang, &r.rnd), ' ')
	}
	g.plant(pick(r.lang.planted[plantTerm], &r.rnd), r)
	if r.rnd.percent(20) {
		g.raw = append(g.raw, emoji[r.rnd.below(len(emoji))]...)
	}
	if r.rnd.percent(20) {
		g.raw = g.hashtag(g.raw, r.lang, &r.rnd)
	}
	if r.rnd.percent(30) {
		g.raw = appendURL(append(g.raw, ' '), &r.rnd, true)
	}
}

// news plants reporting or counter-speech: it names a term and is no use of it.
func (g *Generator) news(r *row) {
	t := &g.t.terms[r.rnd.below(len(g.t.terms))]
	g.speak(r, &g.t.langs[t.langs[r.rnd.below(len(t.langs))]])
	g.id = append(g.id, t.text...)
	g.term = append(g.term[:0], t.text...)
	group := plantNews
	switch v := r.rnd.below(100); {
	case v < 60:
		r.detail = "news"
	case v < 88:
		group, r.detail = plantCounter, "counter"
	default:
		group, r.detail = plantUnlisted, "counter_unlisted"
	}
	g.plant(pick(r.lang.planted[group], &r.rnd), r)
	if group == plantNews && r.rnd.percent(60) {
		g.raw = appendURL(append(g.raw, ' '), &r.rnd, false)
	}
}

// lookalike plants words that contain a term, the words of a phrase out of
// order, or a line of a song that many quote.
func (g *Generator) lookalike(r *row) {
	if r.rnd.percent(50) {
		at := g.t.songs[r.rnd.below(len(g.t.songs))]
		g.speak(r, &g.t.langs[at])
		songs := r.lang.planted[plantLyrics]
		n := r.rnd.below(len(songs))
		g.id = append(append(append(g.id, "song-"...), r.lang.code...), '-')
		g.id, r.detail = strconv.AppendInt(g.id, int64(n), 10), "lyrics"
		// Its own random numbers: a song is the same whoever quotes it.
		fixed := rng{mix(g.seeds[saltCampaign]+1, uint64(at*1000+n))}
		g.raw = append(g.raw, "♪ "...)
		g.raw = g.fill(g.raw, songs[n], r.lang, &fixed, fixed.next())
		g.raw = append(g.raw, " ♪"...)
		if r.rnd.percent(30) {
			g.raw = append(append(g.raw, ' '), emoji[r.rnd.below(len(emoji))]...)
		}
		return
	}
	t := &g.t.terms[r.rnd.below(len(g.t.terms))]
	g.speak(r, &g.t.langs[t.langs[r.rnd.below(len(t.langs))]])
	g.id, r.detail = append(g.id, t.text...), "substring"
	g.term = append(g.term[:0], t.lookalike[r.rnd.below(len(t.lookalike))]...)
	if a, b, phrase := strings.Cut(t.text, " "); phrase && r.rnd.percent(50) {
		r.detail = "split"
		g.term = append(append(append(g.term[:0], b...), ' '), a...)
	}
	g.plant(pick(r.lang.planted[plantLookalike], &r.rnd), r)
	if r.rnd.percent(50) {
		g.raw = g.sentence(append(g.raw, ' '), r.lang, &r.rnd)
	}
}

// burst plants one post of a burst: bursts of even number are of an author,
// the others of a hashtag.
func (g *Generator) burst(r *row) {
	n := r.ordinal / int64(g.cfg.BurstSize)
	fixed := rng{mix(g.seeds[saltBurst], uint64(n))}
	g.id = strconv.AppendInt(append(g.id, 'b'), n, 10)
	l := &g.t.langs[g.t.bySlot[fixed.below(langSlots)]]
	if n%2 == 0 {
		r.detail, r.lang = "author", l
		r.author = g.authors.activeOf(l, &fixed)
	} else {
		r.detail = "hashtag"
		g.speak(r, l)
	}
	for range 1 + r.rnd.below(3) {
		g.raw = append(g.sentence(g.raw, l, &r.rnd), ' ')
	}
	if n%2 == 0 {
		g.raw = g.raw[:len(g.raw)-1]
		return
	}
	g.raw = append(g.raw, '#')
	g.raw = appendName(g.raw, l, uint32(fixed.next()))
	g.raw = strconv.AppendInt(g.raw, 100+int64(fixed.below(900)), 10)
}

// isTagRune reports whether c may stand in a hashtag or handle.
func isTagRune(c rune) bool {
	return c == '_' || unicode.IsLetter(c) || unicode.IsDigit(c) || unicode.IsMark(c)
}

// findEntities notes the hashtags, mentions and URLs of g.raw.
func (g *Generator) findEntities() {
	g.nents = 0
	b := g.raw
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '#' || c == '@':
			end := i + 1
			for end < len(b) {
				c, n := utf8.DecodeRune(b[end:])
				if !isTagRune(c) {
					break
				}
				end += n
			}
			if end > i+1 {
				kind := uint8(entHashtag)
				if c == '@' {
					kind = entMention
				}
				g.note(kind, i+1, end)
			}
			i = end - 1
		case c == 'h' && bytes.HasPrefix(b[i:], []byte("https://")):
			end := i
			for end < len(b) && b[end] > ' ' && b[end] < 0x7f {
				end++
			}
			if end > i+len("https://") {
				g.note(entURL, i, end)
			}
			i = end - 1
		}
	}
}
