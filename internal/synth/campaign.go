package synth

import (
	"bytes"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// lane returns the campaign and the number of the post in it for the n-th
// campaign row. Campaigns run in Concurrent lanes; lane l is ahead of lane 0 by
// l parts of a campaign, so that the starts are evenly apart. The first
// campaigns of all lanes but 0 are therefore cut short: they began before row 0.
func (g *Generator) lane(n int64) (campaign, post int64) {
	lanes, size := int64(g.cfg.Campaigns.Concurrent), int64(g.cfg.Campaigns.Posts)
	l := n % lanes
	at := n/lanes + l*size/lanes
	return at/size*lanes + l, at % size
}

// campaign plants one copy of a campaign's text.
func (g *Generator) campaign(r *row) {
	n, post := g.lane(r.ordinal)
	fixed := rng{mix(g.seeds[saltCampaign], uint64(n))}
	g.id = strconv.AppendInt(append(g.id, 'c'), n, 10)
	r.lang = &g.t.langs[g.t.campaigns[fixed.below(len(g.t.campaigns))]]
	group := int(fixed.next() >> 33)

	// What the template's slots are filled with is the campaign's own.
	g.link = appendURL(g.link[:0], &fixed, true)
	g.tag = append(g.tag[:0], '#')
	g.tag = appendName(g.tag, r.lang, uint32(fixed.next()))
	t := pick(r.lang.planted[plantCampaign], &fixed)
	media := fixed.next()
	g.raw = g.fill(g.raw, t, r.lang, &fixed, fixed.next())
	if media&3 == 0 {
		r.media = media
	} else {
		r.media = 0
	}

	accounts := g.cfg.Campaigns.Accounts
	m := int(post)
	if m >= accounts {
		m = r.rnd.below(accounts)
	}
	r.author = g.campaignAccount(r.lang, group, m)
	r.detail = "exact"
	if post > 0 {
		r.detail = g.edit(r)
	}
}

// campaignAccount returns the m-th account of a campaign: three of four are
// new, the others taken over. Accounts of one campaign differ.
func (g *Generator) campaignAccount(l *language, group, m int) int {
	slot := int(l.slots[group%len(l.slots)])
	if m%4 == 3 {
		groups := g.authors.old / langSlots
		return (group+m)%groups*langSlots + slot
	}
	groups := (g.authors.total - g.authors.old) / langSlots
	return g.authors.old + (group+m)%groups*langSlots + slot
}

// edits are the ways in which a copy differs from its original, with weights
// out of a hundred.
var edits = [...]struct {
	name   string
	weight int
	apply  func(g *Generator, r *row) bool
}{
	{"exact", 35, func(*Generator, *row) bool { return true }},
	{"hashtag", 12, addHashtag},
	{"emoji", 10, addEmoji},
	{"typo", 12, typo},
	{"word_swap", 12, wordSwap},
	{"truncated", 9, truncate},
	{"mention", 6, addMention},
	{"case", 4, changeCase},
}

// edit changes g.raw and returns the kind of the edit. An edit that does not
// fit the text leaves an exact copy.
func (g *Generator) edit(r *row) string {
	v := r.rnd.below(100)
	for i := range edits {
		e := &edits[i]
		if v -= e.weight; v < 0 {
			if e.apply(g, r) {
				return e.name
			}
			break
		}
	}
	return "exact"
}

func addHashtag(g *Generator, r *row) bool {
	for range 1 + r.rnd.below(2) {
		g.raw = g.hashtag(g.raw, r.lang, &r.rnd)
	}
	return true
}

func addEmoji(g *Generator, r *row) bool {
	g.raw = append(g.raw, ' ')
	for range 1 + r.rnd.below(3) {
		g.raw = append(g.raw, emoji[r.rnd.below(len(emoji))]...)
	}
	return true
}

func addMention(g *Generator, r *row) bool {
	g.edited = append(g.edited[:0], '@')
	g.edited = g.appendHandle(g.edited, g.authors.active(uint32(r.rnd.next())))
	g.edited = append(append(g.edited, ' '), g.raw...)
	g.raw, g.edited = g.edited, g.raw
	return true
}

// typo swaps two unlike letters that stand side by side in the first half,
// where no link or hashtag is.
func typo(g *Generator, r *row) bool {
	for range 8 {
		at := r.rnd.below(len(g.raw)/2 + 1)
		for at > 0 && !utf8.RuneStart(g.raw[at]) {
			at--
		}
		a, n := utf8.DecodeRune(g.raw[at:])
		b, _ := utf8.DecodeRune(g.raw[at+n:])
		if a == b || !unicode.IsLetter(a) || !unicode.IsLetter(b) {
			continue
		}
		utf8.AppendRune(utf8.AppendRune(g.raw[at:at], b), a) // in place: as many bytes
		return true
	}
	return false
}

// words notes in g.starts where the space-separated words of the text start.
func (g *Generator) words() []int {
	g.starts = g.starts[:0]
	for i := range g.raw {
		if g.raw[i] != ' ' && (i == 0 || g.raw[i-1] == ' ') {
			g.starts = append(g.starts, i)
		}
	}
	return g.starts
}

// wordSwap makes two neighbouring words of the first half change places.
func wordSwap(g *Generator, r *row) bool {
	at := g.words()
	if len(at) < 6 {
		return false
	}
	k := 1 + r.rnd.below(len(at)/2-1)
	a, b, end := at[k-1], at[k], at[k+1]
	first := bytes.TrimRight(g.raw[a:b], " ")
	second := bytes.TrimRight(g.raw[b:end], " ")
	if bytes.Equal(first, second) || b-a != len(first)+1 {
		return false
	}
	g.edited = append(g.edited[:0], second...)
	g.edited = append(append(g.edited, ' '), first...)
	copy(g.raw[a:], g.edited)
	return true
}

// truncate cuts the text to 55 to 90 percent of its letters and says so.
func truncate(g *Generator, r *row) bool {
	keep := len(g.raw) * (55 + r.rnd.below(36)) / 100
	for keep > 0 && !utf8.RuneStart(g.raw[keep]) {
		keep--
	}
	g.raw = append(bytes.TrimRight(g.raw[:keep], " "), "…"...)
	return true
}

// changeCase writes the first words in capitals where the script has them.
func changeCase(g *Generator, _ *row) bool {
	stop := bytes.IndexAny(g.raw, ".!?:,。،")
	if link := bytes.Index(g.raw, []byte("https:")); link >= 0 && link < stop {
		stop = link // links stay as they are
	}
	if stop < 0 {
		return false
	}
	g.edited = g.edited[:0]
	for i := 0; i < stop; {
		c, n := utf8.DecodeRune(g.raw[i:])
		g.edited = utf8.AppendRune(g.edited, unicode.ToUpper(c))
		i += n
	}
	if bytes.Equal(g.edited, g.raw[:stop]) {
		return false
	}
	g.edited = append(g.edited, g.raw[stop:]...)
	g.raw, g.edited = g.edited, g.raw
	return true
}
