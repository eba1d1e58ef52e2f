package synth

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"
)

// Generator makes rows. It keeps scratch memory, so each goroutine needs its
// own: see Clone.
type Generator struct {
	cfg     Config
	t       *tables
	authors *authorTables
	ppm     [plantedKind]int64
	seeds   [saltBurst + 1]uint64
	startMS int64
	jitter  int
	rows    int64

	blocks [16]block

	day     int64 // dayText is this day's date, in days since 1970
	dayText [10]byte
	ents    [24]entity
	nents   int
	raw     []byte // text of a planted row, before escaping
	edited  []byte
	term    []byte // what fills the slots of planted templates
	link    []byte
	tag     []byte
	starts  []int
	cur     row    // the row being written; here so that it is not allocated
	id      []byte // truth.id
}

// New returns a generator. An error is a joined list of *FieldError.
func New(cfg Config) (*Generator, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	t, err := loadTables()
	if err != nil {
		return nil, fmt.Errorf("synth: reading the embedded tables: %w", err)
	}
	g := &Generator{cfg: cfg, t: t, authors: newAuthorTables(&cfg), startMS: cfg.Start.UnixMilli()}
	for k, s := range cfg.Shares.list() {
		g.ppm[k] = int64(s*1e6 + 0.5)
	}
	for salt := range g.seeds {
		g.seeds[salt] = mix(cfg.Seed, uint64(salt)+0x5eed)
	}
	g.jitter = int(cfg.Jitter.Milliseconds())
	g.rows = cfg.MaxRows()
	g.reset()
	return g, nil
}

// reset empties the caches.
func (g *Generator) reset() {
	for i := range g.blocks {
		g.blocks[i].number = -1
	}
	g.day = -1 << 62
}

// Clone returns a generator of the same rows for another goroutine. The tables
// are shared.
func (g *Generator) Clone() *Generator {
	c := *g
	c.raw, c.edited, c.term, c.link, c.tag, c.starts, c.id = nil, nil, nil, nil, nil, nil, nil
	c.cur = row{}
	c.reset()
	return &c
}

// MaxRows is the number of rows that the config can make: valid row numbers
// are 0 to MaxRows-1.
func (g *Generator) MaxRows() int64 { return g.rows }

// Time returns the event time of row i before jitter, in Unix milliseconds.
func (g *Generator) Time(i int64) int64 {
	return g.startMS + i*1000/g.cfg.EventRate
}

// AppendLines appends rows [from, from+n), each a JSON object and '\n'.
func (g *Generator) AppendLines(dst []byte, from int64, n int) []byte {
	for i := from; i < from+int64(n); i++ {
		dst = append(g.AppendRow(dst, i), '\n')
	}
	return dst
}

// Write writes rows [from, from+n) as JSON lines.
func Write(w io.Writer, cfg Config, from, n int64) error {
	g, err := New(cfg)
	if err != nil {
		return err
	}
	if from < 0 || n < 0 || from > g.rows-n {
		return fmt.Errorf("synth: rows %d to %d are out of range: the config makes %d", from, from+n, g.rows)
	}
	b := bufio.NewWriterSize(w, 1<<20)
	for i := from; i < from+n; i++ {
		line := append(g.AppendRow(b.AvailableBuffer(), i), '\n')
		if _, err := b.Write(line); err != nil {
			return err
		}
	}
	return b.Flush()
}

// maxRow is more than any row takes, so that one check of the room serves all
// appends of a row.
const maxRow = 8 << 10

// row is what is settled before a row is written.
type row struct {
	i       int64
	rnd     rng
	kind    Kind
	ordinal int64
	author  int
	lang    *language

	post   string // post, reply, quote, repost
	parent int64  // row that is answered, quoted or reposted
	media  uint64 // seed of the media hash; 0 for none
	detail string // truth.detail
}

// AppendRow appends row i as one JSON object, without a line end.
// 0 <= i < MaxRows.
func (g *Generator) AppendRow(dst []byte, i int64) []byte {
	dst = slices.Grow(dst, maxRow)
	r := &g.cur
	*r = row{}
	g.head(r, i)
	if r.kind == Organic {
		return g.organicRow(dst, r)
	}
	return g.plantedRow(dst, r)
}

// head settles what other rows may ask of row i: its kind and, if it is
// organic, its author.
func (g *Generator) head(r *row, i int64) {
	r.i = i
	r.kind, r.ordinal = g.classify(i)
	r.rnd = rng{mix(g.seeds[saltHead], uint64(i))}
	u := r.rnd.next()
	r.author = g.authors.active(uint32(u))
	r.lang = &g.t.langs[g.t.bySlot[r.author&(langSlots-1)]]
	switch v := u >> 32 & 255; {
	case v < 31: // 12 %
		r.post = "repost"
	case v < 82: // 20 %
		r.post = "reply"
	case v < 95: // 5 %
		r.post = "quote"
	default:
		r.post = "post"
	}
	if u>>40&15 == 0 {
		r.media = u | 1
	}
}

func (g *Generator) organicRow(dst []byte, r *row) []byte {
	var p row
	textRow, replyTo, found := r.i, -1, false
	switch r.post {
	case "repost":
		if replyTo, found = g.original(r, &p); found {
			textRow, r.media = p.i, p.media
		}
	case "reply":
		if found = g.parent(r, &p); found {
			replyTo = p.author
		}
	case "quote":
		found = g.parent(r, &p)
	}
	if found {
		r.parent = p.i
	} else {
		r.post = "post"
	}
	dst = g.appendFront(dst, r)
	if r.post == "repost" {
		r.lang = p.lang
	}
	g.nents = 0
	dst = g.organicText(dst, r.lang, textRow, replyTo)
	return g.appendBack(dst, dst, r)
}

// lookBack returns the row that row i would refer to at a try: mostly a near
// one, down to 32,768 rows back.
func (g *Generator) lookBack(i, try int64) int64 {
	u := mix(g.seeds[saltHead]+1, uint64(i))
	return i - 1 - int64(u&0x7fff)>>(u>>16&15) - try
}

const parentTries = 4

// parent finds the row that r answers or quotes: an organic row that is no
// repost. It reports false when there is none near.
func (g *Generator) parent(r, p *row) bool {
	for try := range int64(parentTries) {
		i := g.lookBack(r.i, try)
		if i < 0 {
			return false
		}
		if g.head(p, i); p.kind == Organic && p.post != "repost" {
			return true
		}
	}
	return false
}

// original finds the row that r reposts, and the account that it answers or
// -1. Every 32nd row is popular, and those after it when it cannot serve.
func (g *Generator) original(r, p *row) (replyTo int, ok bool) {
	for try := range int64(parentTries) {
		i := g.lookBack(r.i, 0)&^31 + try
		if i < 0 || i >= r.i {
			return -1, false
		}
		if g.head(p, i); p.kind != Organic || p.post == "repost" {
			continue
		}
		var answered row
		if p.post == "reply" && g.parent(p, &answered) {
			return answered.author, true
		}
		return -1, true
	}
	return -1, false
}

// appendFront writes a row up to the text's opening quote.
func (g *Generator) appendFront(dst []byte, r *row) []byte {
	dst = append(dst, `{"id":"`...)
	dst = appendID(dst, r.i)
	dst = append(dst, `","created_at":"`...)
	t := g.Time(r.i)
	if g.jitter > 0 {
		t -= int64(r.rnd.below(g.jitter + 1))
	}
	dst = g.appendTime(dst, t)
	dst = append(dst, '"')
	dst = g.appendAuthor(dst, r.author)
	return append(dst, `,"text":"`...)
}

// appendID writes a row's id: 10^15 + i.
func appendID(dst []byte, i int64) []byte {
	return strconv.AppendInt(dst, 1_000_000_000_000_000+i, 10)
}

func (g *Generator) appendTime(dst []byte, ms int64) []byte {
	const dayMS = 86_400_000
	day := ms / dayMS // times are after 1970
	if day != g.day {
		g.day = day
		time.UnixMilli(ms).UTC().AppendFormat(g.dayText[:0], time.DateOnly)
	}
	dst = append(dst, g.dayText[:]...)
	left := uint32(ms - day*dayMS)
	s := left / 1000
	left -= s * 1000
	dst = appendClock(dst, s)
	c := left / 10
	return append(dst, '.', byte('0'+c/10), byte('0'+c%10), byte('0'+left%10), 'Z')
}

// appendBack writes a row from the text's closing quote on. Entities are
// copied from text, which is dst itself or the raw text of a planted row.
func (g *Generator) appendBack(dst, text []byte, r *row) []byte {
	dst = append(dst, `","lang":"`...)
	dst = append(dst, r.lang.code...)
	dst = append(dst, `","kind":"`...)
	dst = append(dst, r.post...)
	dst = append(dst, '"')
	if r.post != "post" {
		dst = append(dst, `,"`...)
		switch r.post {
		case "reply":
			dst = append(dst, "reply_to"...)
		case "quote":
			dst = append(dst, "quote_of"...)
		default:
			dst = append(dst, "repost_of"...)
		}
		dst = append(dst, `":"`...)
		dst = appendID(dst, r.parent)
		dst = append(dst, '"')
	}
	if g.nents > 0 {
		dst = g.appendEntities(dst, text)
	}
	if r.media != 0 {
		dst = appendMedia(dst, r.media)
	}
	dst = append(dst, `,"platform":"synthetic"`...)
	if !g.cfg.Truth {
		return append(dst, '}')
	}
	dst = append(dst, `,"truth":{"kind":"`...)
	dst = append(dst, kindNames[r.kind]...)
	if r.kind != Organic {
		dst = append(dst, `","id":"`...)
		dst = append(dst, g.id...)
		dst = append(dst, `","detail":"`...)
		dst = append(dst, r.detail...)
	}
	return append(dst, `"}}`...)
}

var entityKeys = [numEntities]string{`,"hashtags":[`, `,"mentions":[`, `,"urls":[`}

func (g *Generator) appendEntities(dst, text []byte) []byte {
	for kind, key := range entityKeys {
		first := true
		for _, e := range g.ents[:g.nents] {
			if int(e.kind) != kind {
				continue
			}
			if first {
				dst = append(dst, key...)
				first = false
			} else {
				dst = append(dst, ',')
			}
			dst = append(dst, '"')
			dst = append(dst, text[e.start:e.end]...)
			dst = append(dst, '"')
		}
		if !first {
			dst = append(dst, ']')
		}
	}
	return dst
}

// appendMedia writes the hash of one picture: the same seed, the same picture.
func appendMedia(dst []byte, seed uint64) []byte {
	dst = append(dst, `,"media_hashes":["pdq:`...)
	r := rng{seed}
	for range 4 {
		u := r.next()
		for range 16 {
			dst = append(dst, base36[u&15])
			u >>= 4
		}
	}
	return append(dst, `"]`...)
}
