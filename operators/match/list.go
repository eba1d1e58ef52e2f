package match

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math"

	"github.com/sluicehq/sluice/internal/listfile"
	"github.com/sluicehq/sluice/internal/termlist"
	"github.com/sluicehq/sluice/pipeline"
)

// source is where a list's terms come from, for messages.
type source struct{ list, path, field string }

// fail returns an error at a line of the source: with the list, the place and
// what to do, under the config's field.
func (s source) fail(line int, format string, args ...any) error {
	place := s.path
	if place == "" {
		place = "terms"
	}
	if line > 0 {
		place = fmt.Sprintf("%s:%d", place, line)
	}
	return &pipeline.FieldError{
		Path: s.field,
		Err:  fmt.Errorf("match: list %q (%s): %w", s.list, place, fmt.Errorf(format, args...)),
	}
}

// part is the terms of one source.
type part struct {
	source
	*termlist.List
	errs listfile.Errors // of the terms that the list does not have
}

// readList returns the terms of one list: those of the file, then those that
// the config has.
func readList(files pipeline.Files, logger *slog.Logger, name string, l *List) (parts []part, err error) {
	add := func(src source, list *termlist.List, err error) error {
		p := part{source: src, List: list}
		if err != nil && !errors.As(err, &p.errs) {
			return src.fail(0, "%w", err)
		}
		parts = append(parts, p)
		return nil
	}
	if l.Path != "" {
		src := source{list: name, path: l.Path, field: "lists." + name + ".path"}
		data, err := files.ReadFile(l.Path)
		if err != nil {
			return nil, src.fail(0, "%w", err)
		}
		list, err := termlist.Parse(l.Path, data, l.byDefault())
		switch {
		case err == nil && len(list.Entries) == 0:
			return nil, src.fail(0, "no terms in it; add one or delete the list")
		case len(list.Ignored) > 0:
			logger.Info("match: columns of a list mean nothing here, ignored", "list", name, "path", l.Path, "columns", list.Ignored)
		}
		if err := add(src, list, err); err != nil {
			return nil, err
		}
	}
	if len(l.Terms) > 0 {
		list, err := termlist.FromTerms(l.Terms, l.byDefault())
		if err := add(source{list: name, field: "lists." + name + ".terms"}, list, err); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// versionOf returns the version of a list: see [pipeline.MetaListVersionPrefix].
func versionOf(l *List, parts []part) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n", l.on(), l.view())
	var buf []byte
	for _, p := range parts {
		for i := range p.Entries {
			e := &p.Entries[i]
			buf = binary.AppendUvarint(buf, uint64(len(e.Term)))
			buf = append(buf, e.Term...)
			buf = append(buf, byte(e.Match), byte(e.View))
			buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(e.Weight))
			buf = append(append(buf, p.Languages[e.Language]...), 0)
			if len(buf) > 1<<15 {
				h.Write(buf)
				buf = buf[:0]
			}
		}
	}
	h.Write(buf)
	return hex.EncodeToString(h.Sum(nil)[:8])
}
