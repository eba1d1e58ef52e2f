// Package kafka reads posts from topics of Kafka: JSON, one post or several
// lines a message, or Arrow IPC streams.
//
// Each topic partition is a partition of the source, and its position is an
// offset. There are two ways to divide them:
//
//   - With assign: group the processes of a consumer group share them: see
//     group. What is known of a partition is in the group's commits, so that
//     any process can go on with it.
//   - With assign: all one process reads them all. They are assigned by hand,
//     and the group has no members. The engine's checkpoint says where reading
//     goes on; the offsets that are committed to the group follow it, for tools
//     that show lag, and for a start without a checkpoint.
//
// Each consumer has a reader: a goroutine that polls librdkafka, copies the
// messages of a partition one after another into a chunk, and hands full chunks
// on. What is ahead of the pipeline is bounded: by the prefetch in librdkafka's
// queues, and by a few chunks here. When nobody takes chunks, polling stops, the
// queue fills up, and librdkafka stops fetching; a member of a group goes on
// polling, and is paused.
package kafka

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/kafka"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/sources/decode"
)

// Config is the source's config. The fields of kafka.Connection and of
// decode.Config stand beside it.
type Config struct {
	kafka.Connection
	Topics         []string          `koanf:"topics" doc:"Topics to read, all their partitions."`
	Group          string            `koanf:"group" doc:"Consumer group that offsets are committed to; default: sluice- and the pipeline's name."`
	Assign         string            `koanf:"assign" enum:"auto,group,all" doc:"Who reads the partitions: group (all processes of the group share them), all (this process reads them all), or auto: group with follow, all without."`
	Consumers      int               `koanf:"consumers" min:"1" max:"64" doc:"Consumers in this process, among which the partitions are divided. One takes some 150,000 messages a second."`
	Start          string            `koanf:"start" doc:"Where a partition begins that has no checkpoint and no committed offset: earliest, latest, or a time such as 2026-01-01T00:00:00Z."`
	Offsets        map[string]int64  `koanf:"offsets" doc:"Where partitions without a checkpoint begin, as topic/partition: offset; goes before the committed offset."`
	Follow         bool              `koanf:"follow" doc:"Wait for more at the end. Without, the pipeline ends where the partitions ended when it was started."`
	Messages       string            `koanf:"messages" enum:"post,lines,arrow" doc:"What a message holds: post (one JSON record), lines (any number of them, one a line) or arrow (an Arrow IPC stream of any number of posts)."`
	Tombstones     string            `koanf:"tombstones" enum:"skip,reject" doc:"What to do with messages without a value: skip or reject."`
	OnLost         string            `koanf:"on_lost" enum:"fail,skip" doc:"What to do when the broker has deleted messages that were not read, or that the state of steps is built from: fail, or go on behind them with a warning."`
	KeyColumn      string            `koanf:"key_column" doc:"Name of a column that gets the message's key."`
	TimeColumn     string            `koanf:"time_column" doc:"Name of a column that gets the message's time."`
	Headers        map[string]string `koanf:"headers" doc:"Columns that get a header's last value: column: header."`
	ReleaseTimeout time.Duration     `koanf:"release_timeout" min:"0s" max:"2m" doc:"How long what was read of partitions that go to another process may take to be written; after it that process does it again."`
	ObjectsTopic   string            `koanf:"objects_topic" doc:"Compacted topic by which the processes of a group share config, rules, lists and models of epochs under way; made if it is not there. Default: the group's name and -objects."`
	Prefetch       pipeline.ByteSize `koanf:"prefetch" doc:"How much the consumers together fetch ahead; 1MiB to 2GiB."`
	ChunkSize      pipeline.ByteSize `koanf:"chunk_size" doc:"How much of a partition is handed on at a time; 4KiB to 16MiB."`
	decode.Config
}

// Defaults returns the config with its default values.
func Defaults() Config {
	return Config{
		Connection: kafka.DefaultConnection(), Assign: "auto", ReleaseTimeout: 15 * time.Second, Consumers: 1, Start: "earliest", Follow: true, Messages: "post",
		Tombstones: "skip", OnLost: "fail", Prefetch: 64 << 20, ChunkSize: 256 << 10, Config: decode.Defaults(),
	}
}

// instanceID is the setting by which a process keeps its place in the group over
// a restart.
const instanceID = "group.instance.id"

// shared reports whether the partitions are shared with other processes.
func (c *Config) shared() bool { return c.Assign == "group" || c.Assign == "auto" && c.Follow }

// reserved has the settings that the source makes itself, with the reason.
func (c *Config) reserved() map[string]string {
	const position = "the checkpoint keeps the position"
	out := map[string]string{
		"group.id": "set group instead", "enable.auto.commit": position, "auto.commit.enable": position, "auto.commit.interval.ms": position,
		"enable.auto.offset.store": position, "auto.offset.reset": "set start instead",
		"enable.partition.eof": "the source needs it", "queued.max.messages.kbytes": "set prefetch instead",
	}
	if c.shared() {
		return out
	}
	for _, name := range []string{
		instanceID, "group.protocol", "partition.assignment.strategy", "group.remote.assignor",
		"session.timeout.ms", "heartbeat.interval.ms", "max.poll.interval.ms",
	} {
		out[name] = "with assign: all the group has no members"
	}
	return out
}

// Validate checks the config. Errors are *pipeline.FieldError, joined.
func (c *Config) Validate() error {
	errs := c.Connection.Validate(c.reserved())
	fail := func(path, format string, args ...any) {
		errs = append(errs, &pipeline.FieldError{Path: path, Err: fmt.Errorf(format, args...)})
	}
	if len(c.Topics) == 0 {
		fail("topics", "no topic")
	}
	for i, t := range c.Topics {
		switch {
		case !validTopic(t):
			fail(fmt.Sprintf("topics.%d", i), "%q is not a topic's name: use letters, digits, '.', '_' and '-'", t)
		case slices.Contains(c.Topics[:i], t):
			fail(fmt.Sprintf("topics.%d", i), "%q is there twice", t)
		}
	}
	if c.Consumers < 1 || c.Consumers > 64 {
		fail("consumers", "%d is out of range: use 1 to 64", c.Consumers)
	}
	if c.Start != "earliest" && c.Start != "latest" {
		if _, err := time.Parse(time.RFC3339Nano, c.Start); err != nil {
			fail("start", "%q: use earliest, latest or a time such as 2026-01-01T00:00:00Z", c.Start)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Offsets)) {
		topic, _, err := parsePartition(name)
		switch {
		case err != nil:
			fail("offsets."+name, "write topic/partition, such as posts/0")
		case !slices.Contains(c.Topics, topic):
			fail("offsets."+name, "topic %q is not among topics", topic)
		case c.Offsets[name] < 0:
			fail("offsets."+name, "%d: an offset is 0 or more", c.Offsets[name])
		}
	}
	oneOf := func(path, v string, of ...string) {
		if !slices.Contains(of, v) {
			fail(path, "%q: use %s", v, strings.Join(of, " or "))
		}
	}
	oneOf("assign", c.Assign, "auto", "group", "all")
	if c.Assign == "group" && !c.Follow {
		fail("assign", "group needs follow: a partition may come at any time, so there is no end")
	}
	if c.ReleaseTimeout < 0 || c.ReleaseTimeout > 2*time.Minute {
		fail("release_timeout", "%s is out of range: use 0s to 2m", c.ReleaseTimeout)
	}
	if c.ObjectsTopic != "" && !validTopic(c.ObjectsTopic) {
		fail("objects_topic", "%q is not a topic's name: use letters, digits, '.', '_' and '-'", c.ObjectsTopic)
	}
	oneOf("messages", c.Messages, "post", "lines", "arrow")
	if c.Messages == "arrow" && c.Format != "plain" {
		fail("format", "%q is a format of JSON: with messages: arrow columns have the names of the posts' columns; leave it out", c.Format)
	}
	oneOf("tombstones", c.Tombstones, "skip", "reject")
	oneOf("on_lost", c.OnLost, "fail", "skip")
	if c.Prefetch < 1<<20 || c.Prefetch > 2<<30 {
		fail("prefetch", "%s is out of range: use 1MiB to 2GiB", c.Prefetch)
	}
	if c.ChunkSize < 4<<10 || c.ChunkSize > 16<<20 {
		fail("chunk_size", "%s is out of range: use 4KiB to 16MiB", c.ChunkSize)
	}
	errs = append(errs, c.Config.Validate())
	return errors.Join(errs...)
}

// validTopic reports whether Kafka allows the name. So it holds no '/'.
func validTopic(s string) bool {
	if s == "" || s == "." || s == ".." || len(s) > 249 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// partitionName is the name of a topic partition in checkpoints and keys, and
// the origin of its posts.
func partitionName(topic string, n int32) string { return topic + "/" + strconv.Itoa(int(n)) }

// parsePartition is the inverse of partitionName.
func parsePartition(name string) (topic string, n int32, err error) {
	topic, number, _ := strings.Cut(name, "/")
	v, err := strconv.ParseInt(number, 10, 32)
	if err != nil || v < 0 || !validTopic(topic) || partitionName(topic, int32(v)) != name {
		return "", 0, fmt.Errorf("kafka: %q is no topic/partition: the checkpoint is of another source", name)
	}
	return topic, int32(v), nil
}

// position writes an offset: that of the first message that was not read.
func position(offset int64) pipeline.Position {
	return pipeline.Position(strconv.FormatInt(offset, 10))
}

// parsePosition is the inverse of position; the empty position is offset 0.
func parsePosition(p pipeline.Position) (int64, error) {
	if p == "" {
		return 0, nil
	}
	v, err := strconv.ParseInt(string(p), 10, 64)
	if err != nil || v < 0 || position(v) != p {
		return 0, fmt.Errorf("kafka: %q is no offset: the checkpoint is of another source", p)
	}
	return v, nil
}
