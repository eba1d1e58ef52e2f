package kafka

import (
	"encoding/json"
	"log/slog"
	"sync"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// StatsInterval is how often librdkafka tells its statistics, in ms, unless
// settings say otherwise.
const StatsInterval = 5000

// Stats keeps the newest statistics of the librdkafka clients of one component,
// and is a prometheus.Collector that shows them. Any goroutine may call it.
type Stats struct {
	component string
	logger    *slog.Logger

	mu      sync.Mutex
	clients map[string]*clientStats // by librdkafka's name of the client
	before  int64                   // messages of clients that are forgotten
}

// NewStats returns an empty one. Component is the value of its label: "source",
// or a sink's name.
func NewStats(component string, logger *slog.Logger) *Stats {
	return &Stats{component: component, logger: logger, clients: map[string]*clientStats{}}
}

// Take takes statistics that a client has emitted.
func (s *Stats) Take(e *kafka.Stats) { s.take(e.String()) }

func (s *Stats) take(text string) {
	c := new(clientStats)
	if err := json.Unmarshal([]byte(text), c); err != nil {
		s.logger.Warn("kafka: librdkafka's statistics can not be read", "error", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[c.Name] = c
}

// Forget forgets one client, which is closed, but not what it has counted.
func (s *Stats) Forget(client string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.clients[client]; c != nil {
		s.before += c.Sent + c.Got
		delete(s.clients, client)
	}
}

// Reset forgets all clients, which are closed.
func (s *Stats) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.clients)
	s.before = 0
}

// clientStats is what we use of librdkafka's STATISTICS.md.
type clientStats struct {
	Name    string                 `json:"name"`
	Type    string                 `json:"type"`     // consumer or producer
	Queued  int64                  `json:"msg_cnt"`  // of a producer
	Bytes   int64                  `json:"msg_size"` // of these
	Sent    int64                  `json:"txmsgs"`
	Got     int64                  `json:"rxmsgs"`
	Brokers map[string]brokerStats `json:"brokers"`
	Topics  map[string]struct {
		Partitions map[string]partitionStats `json:"partitions"`
	} `json:"topics"`
	Group struct {
		Rebalances int64 `json:"rebalance_cnt"`
	} `json:"cgrp"`
}

type brokerStats struct {
	ID       int32  `json:"nodeid"` // -1 of addresses to begin with, and of roles
	Address  string `json:"nodename"`
	State    string `json:"state"`
	Tx       int64  `json:"txbytes"`
	Rx       int64  `json:"rxbytes"`
	TxErrors int64  `json:"txerrs"`
	RxErrors int64  `json:"rxerrs"`
	RTT      window `json:"rtt"`      // µs
	Throttle window `json:"throttle"` // ms
}

// window is what librdkafka says of the values of one interval.
type window struct {
	Count int64 `json:"cnt"`
	Avg   int64 `json:"avg"`
	P50   int64 `json:"p50"`
	P99   int64 `json:"p99"`
}

type partitionStats struct {
	Partition  int32  `json:"partition"` // -1 for messages without one
	Fetch      string `json:"fetch_state"`
	Low        int64  `json:"lo_offset"`
	High       int64  `json:"hi_offset"`
	Stored     int64  `json:"consumer_lag_stored"` // messages from the offset that was stored to the end; -1 unknown
	Committed  int64  `json:"consumer_lag"`        // and from the offset that the group has
	FetchQueue int64  `json:"fetchq_cnt"`
	FetchBytes int64  `json:"fetchq_size"`
}

// lag returns the messages behind what is durable: a source of its own stores
// that offset, and a member of a group commits it. -1 is unknown.
func (p *partitionStats) lag() int64 {
	if p.Stored >= 0 {
		return p.Stored
	}
	return p.Committed
}
