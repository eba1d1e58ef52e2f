package synth

import (
	"math/bits"
	"strconv"
	"time"
)

// handleParts are put together to handles; none of them is part of a term.
const handleParts = "ka mi lo ra ne to su vi be da fo gi hu je ki la mo na pe ri sa ta un wo xi yo ze bo ci du el fa " +
	"go ha in jo ku li ma no ol pa ro si te um va wi ya zu an co di er fe ga he is ju ko le me ni or"

// followerQuantiles are the 0th, 16th, ... percentiles of the followers of an
// account, long-tailed as on real platforms.
var followerQuantiles = [17]uint32{
	0, 3, 9, 18, 30, 47, 70, 98, 135, 182, 246, 340, 490, 760, 1450, 4800, 900_000,
}

const authorZipfBits = 11

// authorEpochDay is 2008-01-01 in days since 1970: the oldest account.
const authorEpochDay = 13879

// authorTables are drawn up once for a Config and shared by clones.
type authorTables struct {
	old   int // accounts before this one are old, those from it on are new
	total int
	// zipf are quantiles of the activity of old accounts: account number at
	// each of 2^authorZipfBits equal parts of the posts.
	zipf     [1<<authorZipfBits + 1]uint32
	days     []byte // "2008-01-01" and so on, up to the day of Start
	oldDays  int    // old accounts were made on the first oldDays days
	handles  [64]string
	idScheme uint32
}

func newAuthorTables(cfg *Config) *authorTables {
	a := &authorTables{total: cfg.Authors / langSlots * langSlots}
	newGroups := max(cfg.Authors/newPart/langSlots, 1)
	a.old = a.total - newGroups*langSlots
	a.idScheme = uint32(mix(cfg.Seed, saltAuthor))
	a.fillZipf()

	startDay := int(cfg.Start.UTC().Unix() / 86400)
	first := time.Unix(authorEpochDay*86400, 0).UTC()
	for d := range startDay - authorEpochDay + 1 {
		a.days = first.AddDate(0, 0, d).AppendFormat(a.days, time.DateOnly)
	}
	a.oldDays = startDay - authorEpochDay - 60
	for i := range a.handles {
		a.handles[i] = handleParts[i*3 : i*3+2]
	}
	return a
}

// fillZipf inverts the cumulative activity of old accounts, weight 1/(n+200)
// for account n, in integers.
func (a *authorTables) fillZipf() {
	const unit, flat = 1 << 40, 200
	total := uint64(0)
	for n := range a.old {
		total += unit / uint64(n+flat)
	}
	parts := uint64(len(a.zipf) - 1)
	sum, at := uint64(0), uint64(0)
	for n := range a.old {
		for ; at <= parts && at*(total/parts) <= sum; at++ {
			a.zipf[at] = uint32(n)
		}
		sum += unit / uint64(n+flat)
	}
	for ; at <= parts; at++ {
		a.zipf[at] = uint32(a.old - 1)
	}
}

// active draws an old account by activity from 32 random bits.
func (a *authorTables) active(u uint32) int {
	i := u >> (32 - authorZipfBits)
	lo, hi := a.zipf[i], a.zipf[i+1]
	frac := u << authorZipfBits >> (authorZipfBits + 11) // the next 10 bits
	return int(lo + uint32(uint64(hi-lo)*uint64(frac)>>10))
}

// activeOf draws an account that speaks a language.
func (a *authorTables) activeOf(l *language, r *rng) int {
	n := a.active(uint32(r.next()))
	return n&^(langSlots-1) | int(l.slots[r.below(len(l.slots))])
}

// appendHandle writes an account's handle, which is unique by its digits.
func (g *Generator) appendHandle(dst []byte, author int) []byte {
	h := mix(g.seeds[saltAuthor], uint64(author))
	p := &g.authors.handles
	dst = append(dst, p[h&63]...)
	dst = append(dst, p[h>>6&63]...)
	if h>>12&1 == 0 {
		dst = append(dst, p[h>>13&63]...)
	}
	if h>>19&3 == 0 {
		dst = append(dst, '_')
	}
	return strconv.AppendUint(dst, uint64(author), 10)
}

// appendAuthor writes the author object with its key.
func (g *Generator) appendAuthor(dst []byte, author int) []byte {
	a := g.authors
	h := mix(g.seeds[saltAuthor], uint64(author)+1<<32)
	dst = append(dst, `,"author":{"id":"u`...)
	// A bijection of 32 bits: ids are unique and tell nothing of the account.
	id := (uint32(author) ^ a.idScheme) * 0x9e3779b1
	dst = strconv.AppendUint(dst, uint64(id^id>>15), 10)
	dst = append(dst, `","handle":"`...)
	dst = g.appendHandle(dst, author)

	followers, following := quantile(uint32(h)), quantile(uint32(h>>8))/4+uint32(h>>40&127)
	var day uint32
	if author >= a.old {
		followers /= 32
		day = uint32(a.oldDays+59) - uint32(h>>20%20)
	} else {
		hi, _ := bits.Mul64(h<<24, uint64(a.oldDays))
		day = uint32(hi)
	}
	dst = append(dst, `","followers":`...)
	dst = strconv.AppendUint(dst, uint64(followers), 10)
	dst = append(dst, `,"following":`...)
	dst = strconv.AppendUint(dst, uint64(following), 10)
	dst = append(dst, `,"created_at":"`...)
	dst = append(dst, a.days[day*10:day*10+10]...)
	dst = appendClock(dst, uint32(h>>17%86_400))
	return append(dst, `Z"}`...)
}

// quantile draws from followerQuantiles by the low 16 bits of u.
func quantile(u uint32) uint32 {
	i, frac := u>>12&15, u&4095
	lo, hi := followerQuantiles[i], followerQuantiles[i+1]
	if i == 15 {
		// The last sixteenth is a power law: a straight line would put half of
		// it above 450,000.
		frac = uint32(uint64(frac) * uint64(frac) >> 12 * uint64(frac) >> 12 * uint64(frac) >> 12)
		return lo + uint32(uint64(hi-lo)*uint64(frac)>>12)
	}
	return lo + (hi-lo)*frac>>12
}

// pairs are the numbers 00 to 99.
const pairs = "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899"

// appendClock writes "T15:04:05" for seconds of the day.
func appendClock(dst []byte, s uint32) []byte {
	m := s / 60
	s -= m * 60
	h := m / 60
	m -= h * 60
	return append(dst, 'T', pairs[h*2], pairs[h*2+1], ':', pairs[m*2], pairs[m*2+1], ':',
		pairs[s*2], pairs[s*2+1])
}
