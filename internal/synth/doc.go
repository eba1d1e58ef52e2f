// Package synth makes a synthetic firehose of posts: JSON lines in Sluice's
// plain format, in twelve languages, with planted campaigns, made-up extremist
// terms, disguises, bursts and benign look-alikes, and the truth of each row.
//
// Row i is a pure function of the [Config] and i, so that a reader can resume
// at any row at once, and two machines make the same bytes: the arithmetic is
// in integers only, and no clock or map order plays a part.
//
// # How rows are dealt out
//
// Rows are cut into blocks of 4,096. In each block every kind of planted row
// has a quota, the integer steps of share x rows, and a permutation keyed by
// seed and block says which rows get them. So the shares are exact at every
// block's end, and the n-th planted row of a kind is found without counting:
// campaign c's posts are exactly Campaigns.Posts in number.
//
// # What the words are
//
// Sentences come from templates over word classes (tables/*.txt), each class
// drawn by Zipf's law, with a long tail of invented names. The texts of planted
// rows are in planted/*.txt; their terms are invented words that mean nothing.
package synth
