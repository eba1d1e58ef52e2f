package alert

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/internal/kafka"
)

// changelog keeps a store in a compacted topic, as one message for each thing
// that it has, under a key; what is over is a message without a value. A change
// is a transaction. Beginning one's transactional id ends the one before, so what
// is read behind that changes no more but by this process.
//
// Keys are a kind, a slash, and an id: an alert's, a delivery's, a report's
// number, for counted epochs the source's partition; and "read".
//
// The sink's lock guards it.
type changelog struct {
	topic string
	p     *client.Producer
	later []*client.Message // that is to be written with the next change, or soon
	err   error             // why nothing can be written any more
	last  time.Time         // when something was written last
}

// Kinds of keys.
const (
	kindAlert  = "alert/"
	kindSend   = "send/"
	kindReport = "report/"
	kindEpoch  = "epoch/"
	keyRead    = "read"
)

const (
	// writeTime is how long a change may take before the place is given up.
	writeTime = 5 * time.Second
	// callSlice is how long one call of a transaction may take before it is made
	// again: they do not end with a context.
	callSlice = 500 * time.Millisecond
	// flushEvery is how long what need not be lasting waits for company.
	flushEvery = 20 * time.Millisecond
	// proveAfter is after how long without a change a message is sent only when
	// this process has shown that it is still the one that tells.
	proveAfter = time.Second
	// loadTime is how long nothing may come while the topic is read.
	loadTime = 20 * time.Second
)

// commit writes a change. After an error nothing can be said of it but that this
// process can write nothing more.
func (l *changelog) commit(st *store, rec *record) error {
	if l.err != nil {
		return l.err
	}
	messages, err := l.messages(st, rec)
	if err != nil {
		return err // nothing was begun
	}
	l.later = append(l.later, messages...)
	if !rec.lasting() {
		return nil
	}
	return l.flush()
}

// messages are those of a change.
func (l *changelog) messages(st *store, rec *record) (out []*client.Message, err error) {
	put := func(kind, id string, v any) {
		m := &client.Message{TopicPartition: client.TopicPartition{Topic: &l.topic, Partition: 0}, Key: []byte(kind + id)}
		if v != nil {
			var e error
			if m.Value, e = json.Marshal(v); err == nil {
				err = e
			}
		}
		out = append(out, m)
	}
	for partition, epochs := range rec.Counted {
		put(kindEpoch, partition, epochs)
	}
	for _, a := range rec.Alerts {
		put(kindAlert, a.ID, a)
	}
	for _, id := range rec.Drop {
		put(kindAlert, id, nil)
	}
	for _, d := range rec.Add {
		put(kindSend, d.ID, d)
	}
	for _, id := range rec.Done {
		put(kindSend, id, nil)
	}
	for _, r := range rec.Reports {
		put(kindReport, strconv.FormatUint(r.N, 10), r)
	}
	for _, r := range st.reports {
		if r.N <= rec.Reported {
			put(kindReport, strconv.FormatUint(r.N, 10), nil)
		}
	}
	if rec.Read != nil {
		put(keyRead, "", *rec.Read)
	}
	return out, err
}

// flush writes what waits, as one transaction.
func (l *changelog) flush() error {
	if l.err != nil || len(l.later) == 0 {
		return l.err
	}
	deadline := time.Now().Add(writeTime)
	err := l.p.BeginTransaction()
	for i := 0; err == nil && i < len(l.later); {
		switch e := l.p.Produce(l.later[i], nil); {
		case e == nil:
			i++
		case codeIs(e, client.ErrQueueFull) && time.Now().Before(deadline):
			l.p.Flush(100)
		default:
			err = e
		}
	}
	if err == nil {
		err = insist(context.Background(), deadline, l.p.CommitTransaction)
	}
	if err != nil {
		if fatal := l.p.GetFatalError(); fatal != nil {
			err = fatal
		}
		l.err = fmt.Errorf("topic %s: %w", l.topic, err)
		return l.err
	}
	l.later, l.last = nil, time.Now()
	return nil
}

// prove reports whether this process is the one that tells. It may have been
// suspended, and another tells: then what it writes fails.
func (l *changelog) prove(st *store) bool {
	if l.err == nil && time.Since(l.last) > proveAfter {
		_ = l.commit(st, &record{Read: &st.read}) // says nothing new
	}
	return l.err == nil
}

func codeIs(err error, code client.ErrorCode) bool {
	var ke client.Error
	return errors.As(err, &ke) && ke.Code() == code
}

// insist makes a call of a transaction again and again, as librdkafka says that
// they are to be.
func insist(ctx context.Context, deadline time.Time, call func(context.Context) error) error {
	for {
		within, end := context.WithTimeout(context.Background(), callSlice)
		err := call(within)
		end()
		passing := kafka.Again(err) || errors.Is(err, context.DeadlineExceeded)
		if err == nil || !passing || ctx.Err() != nil || time.Now().After(deadline) {
			return err
		}
	}
}

// close ends the producer. A transaction that is open is ended by whoever begins
// the next.
func (l *changelog) close() {
	_ = l.flush()                                           // what is delivered, so that it is not delivered again
	_ = l.p.Purge(client.PurgeInFlight | client.PurgeQueue) // nobody waits for it
	l.p.Close()
	if l.err == nil {
		l.err = errors.New("it was closed")
	}
}

// flush writes what need not be lasting, a little later.
func (s *Sink) flush() {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.mu.Lock()
			_ = s.st.log.flush() // whoever waits for what is written finds out: see turn
			s.mu.Unlock()
		case <-s.closing:
			return
		}
	}
}

// takeOver makes this process the one that tells, and returns what is known.
func (x *sharing) takeOver(ctx context.Context) (*store, error) {
	p, err := x.newProducer(client.ConfigMap{"transactional.id": x.id, "go.delivery.reports": false})
	if err != nil {
		return nil, err
	}
	l := &changelog{topic: x.cfg.stateTopic(), p: p}
	if err = insist(ctx, time.Now().Add(askTimeout), p.InitTransactions); err == nil {
		var st *store
		if st, err = x.load(ctx, l); err == nil {
			return st, nil
		}
	}
	p.Close()
	return nil, fmt.Errorf("taking over as %s: %w", x.id, err)
}

// kept is a message of the topic.
type kept struct {
	key   string
	value []byte
	at    client.Offset
}

// load reads the topic to its end.
func (x *sharing) load(ctx context.Context, l *changelog) (*store, error) {
	settings := x.settings(false, client.ConfigMap{"group.id": x.id, "isolation.level": "read_committed", "auto.offset.reset": "error"})
	have := map[string]kept{}
	err := kafka.ReadAll(ctx, *settings, l.topic, loadTime, func(m *client.Message) {
		if key := string(m.Key); m.Value == nil {
			delete(have, key)
		} else {
			have[key] = kept{key, m.Value, m.TopicPartition.Offset}
		}
	})
	if err != nil {
		return nil, err
	}
	return restore(l, have)
}

// restore makes the store of what the topic has, in the order in which it was written.
func restore(l *changelog, have map[string]kept) (*store, error) {
	st := newStore()
	st.log, st.read = l, -1
	list := make([]kept, 0, len(have))
	for _, k := range have {
		list = append(list, k)
	}
	slices.SortFunc(list, func(a, b kept) int { return cmp.Compare(a.at, b.at) })
	for _, k := range list {
		rec, err := change(k)
		if err != nil {
			return nil, fmt.Errorf("topic %s: the message at offset %d is not of this sink, or of another version: %w", l.topic, k.at, err)
		}
		st.apply(rec)
	}
	return st, nil
}

// change reads one message as a change.
func change(k kept) (rec record, err error) {
	switch kind := k.key[:strings.IndexByte(k.key, '/')+1]; {
	case kind == kindAlert:
		a := &alert{}
		err = json.Unmarshal(k.value, a)
		rec.Alerts = []*alert{a}
	case kind == kindSend:
		d := &delivery{}
		if err = json.Unmarshal(k.value, d); err == nil && d.Msg == nil {
			err = errors.New("a delivery without a message")
		}
		rec.Add = []*delivery{d}
	case kind == kindReport:
		r := &report{}
		err = json.Unmarshal(k.value, r)
		rec.Reports = []*report{r}
	case kind == kindEpoch:
		var epochs []counted
		err = json.Unmarshal(k.value, &epochs)
		rec.Counted = map[string][]counted{strings.TrimPrefix(k.key, kindEpoch): epochs}
	case k.key == keyRead:
		rec.Read = new(int64)
		err = json.Unmarshal(k.value, rec.Read)
	default:
		err = fmt.Errorf("its key is %q", cut(k.key, 100))
	}
	return rec, err
}
