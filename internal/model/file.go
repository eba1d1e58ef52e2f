package model

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
)

// A model's file, conventionally *.slm. Numbers are little-endian.
//
//	8 bytes   magic
//	4 bytes   version of the format
//	4 bytes   length of the card
//	...       the card, JSON
//	heads x 256 x 4 bytes    calibration tables, float32
//	buckets x heads bytes    weights, int8, the heads of a bucket together
//	32 bytes  SHA-256 of all before
const (
	magic         = "sluice\x00m"
	formatVersion = 1
	fixedSize     = len(magic) + 8
	maxCard       = 1 << 20
)

// Errors of Read; each comes wrapped, with what was found.
var (
	ErrNotModel = errors.New("not a model file")
	ErrVersion  = errors.New("a format version that this build does not know")
	ErrChecksum = errors.New("the checksum is wrong: the file was changed or cut; fetch or train it again")
	ErrCard     = errors.New("the card is not valid")
	ErrFeatures = errors.New("the model looks at what this build does not compute; train it again with `sluice train`")
)

// Read returns the model that data holds, which it does not keep. It takes any
// bytes: what is not a whole, valid model is refused with an error that wraps
// one of the above.
func Read(data []byte) (*Model, error) {
	if len(data) < fixedSize+sha256.Size || string(data[:len(magic)]) != magic {
		return nil, fmt.Errorf("%w: it does not begin with the mark of one", ErrNotModel)
	}
	if v := binary.LittleEndian.Uint32(data[len(magic):]); v != formatVersion {
		return nil, fmt.Errorf("%w: %d; this build reads %d", ErrVersion, v, formatVersion)
	}
	body := data[:len(data)-sha256.Size]
	sum := sha256.Sum256(body)
	if !bytes.Equal(sum[:], data[len(body):]) {
		return nil, fmt.Errorf("%w (it has %x..., its bytes give %x...)", ErrChecksum, data[len(body):len(body)+8], sum[:8])
	}
	size := int64(binary.LittleEndian.Uint32(body[len(magic)+4:]))
	if size > maxCard || size > int64(len(body)-fixedSize) {
		return nil, fmt.Errorf("%w: its length is given as %d bytes", ErrCard, size)
	}
	m := &Model{sum: hex.EncodeToString(sum[:])}
	if err := readCard(&m.card, body[fixedSize:fixedSize+int(size)]); err != nil {
		return nil, err
	}
	return m, m.readWeights(body[fixedSize+int(size):])
}

// readCard parses the card. Unknown keys are refused: a later build may have
// given them a meaning that the scores depend on.
func readCard(c *Card, text []byte) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(c); err != nil {
		return fmt.Errorf("%w: %w", ErrCard, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("%w: there is more behind it", ErrCard)
	}
	if err := c.Features.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrFeatures, err)
	}
	if err := c.check(); err != nil {
		return fmt.Errorf("%w: %w", ErrCard, err)
	}
	if have := Probe(); c.Features.Text != have {
		return fmt.Errorf("%w: it was trained on the text kernels %q, this build has %q", ErrFeatures, c.Features.Text, have)
	}
	return nil
}

// readWeights takes what stands behind the card.
func (m *Model) readWeights(b []byte) error {
	heads, buckets := len(m.card.Heads), 1<<m.card.Features.Bits
	if want := heads*TableSize*4 + heads*buckets; len(b) != want {
		return fmt.Errorf("%w: %d bytes of weights and calibration; %d heads of %d buckets have %d", ErrCard, len(b), heads, buckets, want)
	}
	for h := range heads {
		table := make([]float32, TableSize)
		for i := range table {
			table[i] = math.Float32frombits(binary.LittleEndian.Uint32(b))
			b = b[4:]
		}
		if err := checkTable(table); err != nil {
			return fmt.Errorf("%w: head %q: %w", ErrCard, m.card.Heads[h].Name, err)
		}
		m.setTable(h, table)
	}
	m.table, m.shift = make([]uint64, buckets+1), uint(64-m.card.Features.Bits)
	m.table[buckets] = noWeights
	for i := range buckets {
		w := uint64(noWeights)
		for h := range heads {
			w ^= uint64(b[h]) << (8 * h)
		}
		m.table[i] = w
		b = b[heads:]
	}
	return nil
}

// encode returns the file without its checksum. The same model gives the same
// bytes.
func (m *Model) encode() ([]byte, error) {
	var card bytes.Buffer
	enc := json.NewEncoder(&card)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(&m.card); err != nil {
		return nil, err
	}
	if card.Len() > maxCard {
		return nil, fmt.Errorf("a card of %d bytes; at most %d are read", card.Len(), maxCard)
	}
	b := binary.LittleEndian.AppendUint32([]byte(magic), formatVersion)
	b = binary.LittleEndian.AppendUint32(b, uint32(card.Len()))
	b = append(b, card.Bytes()...)
	for h := range m.card.Heads {
		for _, e := range m.fast.table[h] {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(e.p))
		}
	}
	for i := range 1 << m.card.Features.Bits {
		for h := range m.card.Heads {
			b = append(b, byte(m.weight(h, uint32(i))))
		}
	}
	return b, nil
}

// Encode returns the bytes of the model's file.
func (m *Model) Encode() ([]byte, error) {
	b, err := m.encode()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...), nil
}

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
