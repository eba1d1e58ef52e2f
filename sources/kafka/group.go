package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/internal/kafka"
	"github.com/sluicehq/sluice/pipeline"
)

// group is a source whose partitions are divided among all processes of the
// consumer group: a pipeline.Shared. Each of its consumers is a member.
//
// What is recorded of a partition is the offset committed to the group, and in the
// metadata of the same commit the epochs that are pending, and from where the state
// of steps can be built: so the broker
// itself refuses both from a member that has lost its partitions. What epochs
// are computed with goes to a topic of its own: see objects.
type group struct {
	source
	objects objects
	owner   pipeline.Owner
}

var _ pipeline.Shared = (*group)(nil)

// Join implements pipeline.Shared.
func (g *group) Join(o pipeline.Owner) { g.owner = o }

// Open joins the group. Partitions come when it gives them.
func (g *group) Open(ctx context.Context, _ map[string]pipeline.Resume) (err error) {
	defer func() {
		if err != nil {
			g.release()
		}
	}()
	if err := g.connect(g.instance); err != nil {
		return err
	}
	if _, err := g.topics(ctx, g.readers[0].c); err != nil {
		return err
	}
	g.reading.Store(1) // until the end of days
	for _, r := range g.readers {
		m := &member{reader: r, g: g}
		r.member = m
		if err := r.c.SubscribeTopics(g.cfg.Topics, m.rebalance); err != nil {
			return fmt.Errorf("kafka: subscribing: %w", err)
		}
		g.start(r, r.consume)
	}
	return nil
}

// instance gives each consumer of a static member a name of its own.
func (g *group) instance(nth int) client.ConfigMap {
	if name := g.cfg.Settings[instanceID]; name != "" && nth > 0 {
		return client.ConfigMap{instanceID: name + "-" + strconv.Itoa(nth)}
	}
	return nil
}

// closeTime bounds the leaving of the group: brokers may be away.
const closeTime = 5 * time.Second

// Close leaves the group. What waits for brokers that are away is given up: a
// commit whose outcome is not known does no harm, and the group finds out by
// itself that the member is gone.
func (g *group) Close(context.Context) error {
	left := make(chan struct{})
	go func() {
		defer close(left)
		g.release()
		g.objects.close()
	}()
	select {
	case <-left:
	case <-time.After(closeTime):
		g.logger.Warn("kafka: the brokers do not answer: the group takes this process for gone when its session has ended", "group", g.group)
	}
	return nil
}

// Commit is not called: see Record.
func (g *group) Commit(context.Context, string, pipeline.Position) error {
	return errors.New("kafka: Commit of a shared source: a defect")
}

// Record implements pipeline.Shared: one commit to the group.
func (g *group) Record(ctx context.Context, name string, p pipeline.Recorded) error {
	offset, err := parsePosition(p.Committed)
	if err != nil {
		return err
	}
	g.mu.RLock()
	part := g.index[name]
	g.mu.RUnlock()
	if part == nil {
		return pipeline.Retryable(fmt.Errorf("kafka: %s has just been taken away", name)) // the owner is being told
	}
	metadata := formatRecorded(p)
	at := []client.TopicPartition{{Topic: &part.topic, Partition: part.num, Offset: client.Offset(offset), Metadata: &metadata}}
	done := make(chan error, 1)
	part.commits.Add(1)
	g.running.Go(func() {
		defer part.commits.Done()
		res, err := part.reader.c.CommitOffsets(at)
		for _, tp := range res {
			if err == nil {
				err = tp.Error
			}
		}
		done <- err
	})
	select {
	case err = <-done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err != nil {
		if end := part.reader.member.leaving.Load(); end != nil && expelled(err) {
			(*end)() // nothing more of what it gives up can be recorded
		}
		return fmt.Errorf("kafka: committing %s to group %s: %w", name, g.group, kafka.ClassifyKnown(err))
	}
	return nil
}

// expelled reports whether the group refused a commit because it goes on without
// the member, which learns that by itself when it next joins.
func expelled(err error) bool {
	var ke client.Error
	if !errors.As(err, &ke) {
		return false
	}
	switch ke.Code() {
	case client.ErrUnknownMemberID, client.ErrIllegalGeneration, client.ErrFencedInstanceID, client.ErrFencedMemberEpoch:
		return true
	}
	return false
}

// Offer implements pipeline.Shared.
func (g *group) Offer(ctx context.Context, hash string, contents []byte) error {
	return g.objects.put(ctx, hash, contents)
}

// Fetch implements pipeline.Shared.
func (g *group) Fetch(ctx context.Context, hash string) ([]byte, error) {
	return g.objects.get(ctx, hash)
}
