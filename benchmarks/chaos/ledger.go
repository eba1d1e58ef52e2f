package main

import (
	"context"
	"fmt"
	"strings"
)

// left returns how many messages are in no epoch that the ledger has. More than
// all in it is a fault too, which checkLedger tells. A database that is not
// there yet has nothing.
func (r *run) left(ctx context.Context) (int64, error) {
	known, err := value[uint64](ctx, r.store, "SELECT count() FROM system.tables WHERE database = ? AND name = 'epochs'", r.name)
	if err != nil {
		return 0, err
	}
	ends, left := map[string]int64{}, int64(0)
	for p, places := range r.in.partitions {
		ends[fmt.Sprintf("%s/%d", r.name, p)] = int64(len(places))
	}
	if known > 0 {
		err = r.store.each(ctx, "SELECT source_partition, sum(toInt64OrZero(to_position) - toInt64OrZero(from_position)) FROM "+r.name+".epochs FINAL GROUP BY source_partition",
			func(scan func(...any) error) error {
				var name string
				var n int64
				err := scan(&name, &n)
				ends[name] -= n
				return err
			})
	}
	for _, n := range ends {
		left += max(n, 0)
	}
	return left, err
}

// checkLedger checks that the epochs of each partition join from its begin to
// its end, and say how many rows there are. An epoch that is there twice is an
// overlap.
func (r *run) checkLedger(ctx context.Context, res *result) error {
	at := map[string]int64{}
	var sums [3]uint64
	err := r.store.each(ctx, "SELECT source_partition, toInt64OrZero(from_position) AS begin, toInt64OrZero(to_position), posts, detections, rejected FROM "+r.name+".epochs ORDER BY source_partition, begin",
		func(scan func(...any) error) error {
			var name string
			var from, to int64
			var n [3]uint64
			if err := scan(&name, &from, &to, &n[0], &n[1], &n[2]); err != nil {
				return err
			}
			if from != at[name] {
				res.wrong("ledger: an epoch of %s starts at %d, the one before it ends at %d", name, from, at[name])
			}
			at[name] = max(at[name], to)
			for i := range sums {
				sums[i] += n[i]
			}
			res.epochs++
			return nil
		})
	if err != nil {
		return err
	}
	for p, places := range r.in.partitions {
		if name := fmt.Sprintf("%s/%d", r.name, p); at[name] != int64(len(places)) {
			res.wrong("ledger: %s ends at %d, want %d", name, at[name], len(places))
		}
	}
	for i, table := range []string{"posts", "detections", "rejected"} {
		rows, err := value[uint64](ctx, r.store, "SELECT count() FROM "+r.name+"."+table)
		if err != nil {
			return err
		}
		if rows != sums[i] {
			res.wrong("ledger: it has %d %s, the table %d", sums[i], table, rows)
		}
	}
	return nil
}

// checkPlaces checks that each message that was acknowledged is there once, at
// its place: a post by its id, poison in the table rejected. It asks nothing of
// the undisturbed run.
func (r *run) checkPlaces(ctx context.Context, res *result) error {
	ids := make([]string, r.in.posts)
	for i := range ids {
		row := r.in.gen.AppendRow(nil, int64(i))
		_, rest, ok := strings.Cut(string(row), `{"id":"`)
		id, _, whole := strings.Cut(rest, `"`)
		if !ok || !whole {
			return fmt.Errorf("post %d has no id: %s", i, row)
		}
		ids[i] = strings.Clone(id) // the row is not kept
	}
	faults := 0
	for p, places := range r.in.partitions {
		seen := make([]uint8, len(places))
		wrong := func(offset int64, format string, args ...any) {
			if faults++; faults <= shown {
				res.wrong("%s/%d at %d: "+format, append([]any{r.name, p, offset}, args...)...)
			}
		}
		for _, t := range []struct {
			from string
			is   func(int32) bool
		}{{"SELECT source_offset, id FROM %s.posts WHERE source = '%s/%d'", isPost}, {"SELECT source_offset, reason FROM %s.rejected WHERE source = '%s/%d'", isPoison}} {
			err := r.store.each(ctx, fmt.Sprintf(t.from, r.name, r.name, p), func(scan func(...any) error) error {
				var offset int64
				var text string
				if err := scan(&offset, &text); err != nil {
					return err
				}
				switch {
				case offset < 0 || offset >= int64(len(places)) || !t.is(places[offset]):
					wrong(offset, "a row (%s) that belongs to no such message", text)
				case isPost(places[offset]) && text != ids[places[offset]]:
					wrong(offset, "post %s, want %s", text, ids[places[offset]])
				default:
					if seen[offset]++; seen[offset] == 2 {
						wrong(offset, "%s is there more than once", text)
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		for offset, what := range places {
			if seen[offset] == 0 && !isTombstone(what) {
				wrong(int64(offset), "an acknowledged message is missing")
			}
		}
	}
	if faults > shown {
		res.wrong("%d places are wrong in all", faults)
	}
	return nil
}
