package main

import (
	"bytes"
	"fmt"

	"github.com/sluicehq/sluice/internal/synth"
)

// What a place of the topic holds that is no post.
const (
	poison    = -1 // bytes that are no post: a row of the table rejected
	tombstone = -2 // no value: no row
)

// input makes the messages: a pure function of its seed. Posts go to partitions
// by chance, with poison and tombstones in between.
type input struct {
	seed       uint64
	posts      int
	gen        *synth.Generator
	partitions [][]int32 // by partition and offset: the number of the post, or poison, or tombstone
}

func newInput(seed uint64, posts, partitions int) (*input, error) {
	cfg := synth.DefaultConfig()
	cfg.Seed = seed
	g, err := synth.New(cfg)
	if err != nil {
		return nil, err
	}
	return &input{seed: seed, posts: posts, gen: g, partitions: make([][]int32, partitions)}, nil
}

// message is one place of the topic.
type message struct {
	partition int32
	offset    int64 // that it must get, since nothing else writes to the topic
	value     []byte
}

// each calls f for each message, in the order in which they are produced.
func (in *input) each(f func(message) error) error {
	for i := range in.posts {
		h := hash(in.seed, uint64(i))
		if err := in.place(h, int32(i), bytes.TrimSpace(in.gen.AppendRow(nil, int64(i))), f); err != nil {
			return err
		}
		if (h>>32)%1000 == 0 {
			if err := in.place(h>>8, poison, badValue(h, i), f); err != nil {
				return err
			}
		}
		if (h>>32)%5000 == 1 {
			if err := in.place(h>>8, tombstone, nil, f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (in *input) place(h uint64, what int32, value []byte, f func(message) error) error {
	p := int32(h % uint64(len(in.partitions)))
	m := message{partition: p, offset: int64(len(in.partitions[p])), value: value}
	in.partitions[p] = append(in.partitions[p], what)
	return f(m)
}

// badValue is what a decoder must reject.
func badValue(h uint64, i int) []byte {
	switch (h >> 16) % 4 {
	case 0:
		return fmt.Appendf(nil, "poison %d", i)
	case 1:
		return fmt.Appendf(nil, `{"id":"poison-%d","text":"cut off`, i)
	case 2:
		return fmt.Appendf(nil, "\xff\xfe\x00%d", i)
	default:
		return fmt.Appendf(nil, `[%d]`, i)
	}
}

// count returns how many messages of a kind there are: posts, poison or
// tombstones.
func (in *input) count(is func(int32) bool) (n int) {
	for _, p := range in.partitions {
		for _, what := range p {
			if is(what) {
				n++
			}
		}
	}
	return n
}

func isPost(what int32) bool      { return what >= 0 }
func isPoison(what int32) bool    { return what == poison }
func isTombstone(what int32) bool { return what == tombstone }

// hash mixes two numbers (SplitMix64, Steele, Lea and Flood 2014).
func hash(a, b uint64) uint64 {
	z := a*0x9e3779b97f4a7c15 + b + 0x632be59bd9b4e019
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
