package kafka

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("sluice_kafka_"+name, help, append([]string{"component"}, labels...), nil)
}

// The labels are those of the brokers, and of the topics and partitions that
// are read: nothing that stands in messages is one.
var (
	lagDesc        = desc("partition_lag", "Messages between what is durable and the partition's end.", "topic", "partition")
	lowDesc        = desc("partition_low_offset", "Offset of the first message that the broker has.", "topic", "partition")
	highDesc       = desc("partition_high_offset", "Offset behind the last message that the broker has.", "topic", "partition")
	fetchDesc      = desc("fetch_queue_messages", "Messages that were fetched and not yet taken.", "topic", "partition")
	fetchBytesDesc = desc("fetch_queue_bytes", "Bytes that were fetched and not yet taken.", "topic", "partition")
	upDesc         = desc("broker_up", "Whether a client is connected to the broker: 1 or 0.", "broker")
	rttDesc        = desc("broker_rtt_seconds", "Time to an answer over the last interval, the slowest client's; a fetch waits for messages for up to fetch.wait.max.ms.", "broker", "quantile")
	throttleDesc   = desc("broker_throttle_seconds", "How long the broker made requests wait, on average over the last interval.", "broker")
	txDesc         = desc("broker_tx_bytes_total", "Bytes sent to the broker.", "broker")
	rxDesc         = desc("broker_rx_bytes_total", "Bytes received from the broker.", "broker")
	txErrorsDesc   = desc("broker_tx_errors_total", "Requests that could not be sent.", "broker")
	rxErrorsDesc   = desc("broker_rx_errors_total", "Answers that could not be received.", "broker")
	messagesDesc   = desc("messages_total", "Messages received by a source, or sent by a sink.")
	queueDesc      = desc("queue_messages", "Messages of a sink that are not yet acknowledged.")
	queueBytesDesc = desc("queue_bytes", "Bytes of these messages.")
	rebalanceDesc  = desc("rebalances_total", "Rebalances of the consumer group that the source took part in.")
	assignedDesc   = desc("assigned_partitions", "Partitions that the source reads.")
)

// Describe implements prometheus.Collector.
func (s *Stats) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		lagDesc, lowDesc, highDesc, fetchDesc, fetchBytesDesc, upDesc, rttDesc, throttleDesc, txDesc, rxDesc,
		txErrorsDesc, rxErrorsDesc, messagesDesc, queueDesc, queueBytesDesc, rebalanceDesc, assignedDesc,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. Without statistics yet it has
// nothing.
func (s *Stats) Collect(ch chan<- prometheus.Metric) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.clients) == 0 {
		return
	}
	var sum clientStats
	assigned, brokers := int64(0), map[string]brokerStats{}
	for _, c := range s.clients {
		sum.Type = c.Type
		sum.Sent, sum.Got = sum.Sent+c.Sent, sum.Got+c.Got
		sum.Queued, sum.Bytes = sum.Queued+c.Queued, sum.Bytes+c.Bytes
		sum.Group.Rebalances += c.Group.Rebalances
		for _, b := range c.Brokers {
			if b.ID >= 0 && b.Address != "" {
				brokers[b.Address] = b.plus(brokers[b.Address])
			}
		}
		for topic, t := range c.Topics {
			for _, p := range t.Partitions {
				if p.Partition >= 0 && p.Fetch != "none" && p.Fetch != "stopped" && p.Fetch != "" {
					assigned++
					s.partition(ch, topic, &p)
				}
			}
		}
	}
	for address, b := range brokers {
		s.broker(ch, address, &b)
	}
	s.send(ch, messagesDesc, prometheus.CounterValue, s.before+sum.Sent+sum.Got)
	if sum.Type == "producer" {
		s.send(ch, queueDesc, prometheus.GaugeValue, sum.Queued)
		s.send(ch, queueBytesDesc, prometheus.GaugeValue, sum.Bytes)
		return
	}
	s.send(ch, rebalanceDesc, prometheus.CounterValue, sum.Group.Rebalances)
	s.send(ch, assignedDesc, prometheus.GaugeValue, assigned)
}

func (s *Stats) send(ch chan<- prometheus.Metric, d *prometheus.Desc, kind prometheus.ValueType, v int64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, kind, float64(v), append([]string{s.component}, labels...)...)
}

// seconds sends a gauge that librdkafka counts in units of so many a second.
func (s *Stats) seconds(ch chan<- prometheus.Metric, d *prometheus.Desc, v int64, unit float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v)/unit, append([]string{s.component}, labels...)...)
}

// partition sends what is known of a partition: negative numbers are not.
func (s *Stats) partition(ch chan<- prometheus.Metric, topic string, p *partitionStats) {
	number := strconv.Itoa(int(p.Partition))
	known := func(d *prometheus.Desc, v int64) {
		if v >= 0 {
			s.send(ch, d, prometheus.GaugeValue, v, topic, number)
		}
	}
	known(lagDesc, p.lag())
	known(lowDesc, p.Low)
	known(highDesc, p.High)
	known(fetchDesc, p.FetchQueue)
	known(fetchBytesDesc, p.FetchBytes)
}

func (s *Stats) broker(ch chan<- prometheus.Metric, address string, b *brokerStats) {
	up := int64(0)
	if b.State == "UP" {
		up = 1
	}
	s.send(ch, upDesc, prometheus.GaugeValue, up, address)
	s.send(ch, txDesc, prometheus.CounterValue, b.Tx, address)
	s.send(ch, rxDesc, prometheus.CounterValue, b.Rx, address)
	s.send(ch, txErrorsDesc, prometheus.CounterValue, b.TxErrors, address)
	s.send(ch, rxErrorsDesc, prometheus.CounterValue, b.RxErrors, address)
	if b.RTT.Count > 0 { // else nothing was asked
		s.seconds(ch, rttDesc, b.RTT.P50, 1e6, address, "0.5")
		s.seconds(ch, rttDesc, b.RTT.P99, 1e6, address, "0.99")
	}
	s.seconds(ch, throttleDesc, b.Throttle.Avg, 1e3, address)
}

// plus adds another client's figures of the same broker: times are the longest.
func (b brokerStats) plus(o brokerStats) brokerStats {
	b.Tx, b.Rx = b.Tx+o.Tx, b.Rx+o.Rx
	b.TxErrors, b.RxErrors = b.TxErrors+o.TxErrors, b.RxErrors+o.RxErrors
	b.RTT.Count += o.RTT.Count
	b.RTT.P50, b.RTT.P99 = max(b.RTT.P50, o.RTT.P50), max(b.RTT.P99, o.RTT.P99)
	b.Throttle.Avg = max(b.Throttle.Avg, o.Throttle.Avg)
	if o.State == "UP" {
		b.State = o.State
	}
	return b
}
