package file

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/sluicehq/sluice/pipeline"
)

// place is what a Position says: an offset into a file's decompressed
// contents. It is written <offset>:<name>. The name is the path as the config
// gives it, or the file's identity when it is followed.
type place struct {
	offset int64
	name   string
}

func (p place) position() pipeline.Position {
	return pipeline.Position(strconv.FormatInt(p.offset, 10) + ":" + p.name)
}

func parsePlace(p pipeline.Position) (place, error) {
	offset, name, ok := strings.Cut(string(p), ":")
	n, err := strconv.ParseInt(offset, 10, 64)
	if !ok || err != nil || n < 0 || name == "" {
		return place{}, fmt.Errorf("file: %q is no position of a file source: was the checkpoint written by another source?", string(p))
	}
	return place{n, name}, nil
}

// resume is a pipeline.Resume that was read.
type resume struct {
	from  place
	begun bool // there is a from
	last  pipeline.Position
	until []place
}

func parseResume(r pipeline.Resume) (resume, error) {
	out := resume{last: r.From}
	var err error
	if r.From != "" {
		out.begun = true
		if out.from, err = parsePlace(r.From); err != nil {
			return out, err
		}
	}
	for _, u := range r.Until {
		p, err := parsePlace(u)
		if err != nil {
			return out, err
		}
		out.until = append(out.until, p)
	}
	return out, nil
}

// limit returns the next recorded end within the file after offset, or -1.
func (r *resume) limit(name string, offset int64) int64 {
	for _, u := range r.until {
		if u.name == name && u.offset > offset {
			return u.offset
		}
	}
	return -1
}

// lag counts bytes for source.Lag.
type lag struct {
	known atomic.Bool
	total atomic.Int64 // size of all files; 0 when they are followed
	done  atomic.Int64 // files that are read to their end
	now   atomic.Int64 // of the file that is being read
	left  atomic.Int64 // when following
}

func (l *lag) get() (left, total int64, unit string, known bool) {
	if total = l.total.Load(); total == 0 {
		return l.left.Load(), 0, "bytes", l.known.Load()
	}
	return max(0, total-l.done.Load()-l.now.Load()), total, "bytes", l.known.Load()
}
