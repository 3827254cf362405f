package metadata

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

const (
	// oldestOverview is the first version of Metadata that asks for all topics by naming none.
	oldestOverview = 1
	// newestOverview is the last one that overviewReader knows.
	newestOverview = 12
	// maxBrokers bounds the brokers of one cluster: whoever answers as an external one chooses how many there are.
	maxBrokers = 10_000
	// readAhead is how much of an answer is in memory at once. A string has to fit into it.
	readAhead = 64 << 10
)

// overviewReader counts what an answer to Metadata tells of all topics while it arrives: a cluster of a million partitions is described by
// some 50 MB, which decoded are 250. The format is that of MetadataResponse.json in Kafka's source, versions 1 to 12.
type overviewReader struct {
	in       *bufio.Reader
	version  int16
	flexible bool
	err      error
	// charge takes a part of the budget for what is kept, of which kept is not charged yet; nil where there is no budget.
	charge func(bytes int64) error
	kept   int64
	// refusals are those by code: there may be as many as topics.
	refusals map[int16]error

	// partitions are those of the topic that is being read.
	partitions []partitionEpoch
}

// partitionEpoch is the epoch of a partition's leader, -1 when it is not told.
type partitionEpoch struct{ id, epoch int32 }

var errTooLongString = errors.New("a name in the answer is too long")

func (r *overviewReader) take(n int) []byte {
	if r.err != nil {
		return nil
	}
	if n < 0 || n > readAhead {
		r.err = errTooLongString
		return nil
	}
	b, err := r.in.Peek(n)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		r.err = err
		return nil
	}
	_, r.err = r.in.Discard(n)
	return b
}

func (r *overviewReader) int16() int16 {
	if b := r.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (r *overviewReader) int32() int32 {
	if b := r.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (r *overviewReader) bool() bool {
	b := r.take(1)
	return b != nil && b[0] != 0
}

func (r *overviewReader) uvarint() int {
	if r.err != nil {
		return 0
	}
	v, err := binary.ReadUvarint(r.in)
	if err == nil && v > wire.MaxResponseSize {
		err = errTooLongString
	}
	if err != nil {
		r.err = err
		return 0
	}
	return int(v)
}

// length is that of an array or a string, -1 for null.
func (r *overviewReader) length(fixed int) int {
	switch {
	case r.flexible:
		return r.uvarint() - 1
	case fixed == 2:
		return int(r.int16())
	}
	return int(r.int32())
}

func (r *overviewReader) text() string {
	n := r.length(2)
	if n <= 0 {
		return ""
	}
	return string(r.take(n))
}

// tags skips the tagged fields of a structure (KIP-482).
func (r *overviewReader) tags() {
	if !r.flexible {
		return
	}
	for range r.uvarint() {
		if r.uvarint(); r.err != nil {
			return
		}
		n := r.uvarint()
		if r.err == nil {
			_, r.err = r.in.Discard(n)
		}
	}
}

// each calls read for the elements of an array. There may be fewer of them than it says, then reading ends.
func (r *overviewReader) each(read func()) (n int) {
	total := r.length(4)
	for ; n < total && r.err == nil; n++ {
		read()
	}
	return n
}

// cluster reads what comes before the topics.
func (r *overviewReader) cluster() (info transport.ClusterInfo, controller int32, throttle int32) {
	if r.version >= 3 {
		throttle = r.int32()
	}
	r.each(func() {
		b := transport.BrokerInfo{ID: r.int32(), Host: r.text(), Port: r.int32(), Rack: r.text()}
		r.tags()
		if info.Brokers = append(info.Brokers, b); len(info.Brokers) > maxBrokers && r.err == nil {
			r.err = fmt.Errorf("the answer names more than %d brokers", maxBrokers)
		}
	})
	if r.version >= 2 {
		info.ID = r.text()
	}
	return info, r.int32(), throttle
}

// topics reads all topics into an overview.
func (r *overviewReader) topics(o *overview, older func(TopicID, []partitionEpoch) bool) {
	r.each(func() {
		code := r.int16()
		name := r.text()
		topic := TopicCounts{LastBroker: -1}
		if r.version >= 10 {
			copy(topic.ID[:], r.take(len(topic.ID)))
		}
		topic.Internal = r.bool()
		err := r.counts(&topic, o.hosts, code == 0)
		if r.version >= 8 {
			r.int32()
		}
		r.tags()
		switch {
		case r.err != nil:
		case code != 0:
			// It is there, or would not be named.
			o.refused[name] = refusedTopic{topic.ID, r.refusal(code)}
		case err != nil:
			o.refused[name] = refusedTopic{topic.ID, errMalformed}
		case older(topic.ID, r.partitions):
			o.older = append(o.older, name)
		default:
			o.topics[name] = topic
		}
		r.keep(topicBytes + int64(len(name)))
	})
	if r.version >= 8 && r.version <= 10 {
		r.int32()
	}
	r.tags()
}

// errMalformed is about a topic that cannot be as the broker tells of it.
var errMalformed = errors.New("the broker's answer has partitions of the topic that cannot be")

// keep notes that so many bytes more are kept.
func (r *overviewReader) keep(bytes int64) {
	if r.kept += bytes; r.kept < chargedBytes || r.charge == nil || r.err != nil {
		return
	}
	r.err = r.charge(r.kept)
	r.kept = 0
}

func (r *overviewReader) refusal(code int16) error {
	err := r.refusals[code]
	if err == nil {
		err = kafkaerr.New(kafkaerr.OpDescribeTopic, "", code, nil, 0)
		r.refusals[code] = err
	}
	return err
}

// counts reads the partitions of a topic. Its error is about a topic that cannot be, as in Topic.tidy.
func (r *overviewReader) counts(topic *TopicCounts, hosts map[int32]BrokerCounts, described bool) error {
	r.partitions = r.partitions[:0]
	topic.Partitions = int32(r.each(func() {
		r.int16()
		id, leader, epoch := r.int32(), r.int32(), int32(-1)
		if r.version >= 7 {
			epoch = r.int32()
		}
		r.partitions = append(r.partitions, partitionEpoch{id, epoch})
		replicas := r.each(func() {
			broker := r.int32()
			topic.LastBroker = max(topic.LastBroker, broker)
			if described {
				r.host(hosts, broker, BrokerCounts{Replicas: 1})
			}
		})
		if n := int32(replicas); n > 0 && (topic.Replicas == 0 || n < topic.Replicas) {
			topic.Replicas = n
		}
		if inSync := r.each(func() { r.int32() }); inSync < replicas {
			topic.UnderReplicated++
		}
		if r.version >= 5 {
			r.each(func() { r.int32() })
		}
		r.tags()
		if leader < 0 {
			topic.WithoutLeader++
		} else if described {
			r.host(hosts, leader, BrokerCounts{Leaders: 1})
		}
	}))
	if r.err != nil {
		return nil
	}
	return checkPartitions(r.partitions)
}

// host adds to what a broker hosts.
func (r *overviewReader) host(hosts map[int32]BrokerCounts, id int32, more BrokerCounts) {
	has, known := hosts[id]
	if !known && len(hosts) >= maxBrokers {
		if r.err == nil {
			r.err = fmt.Errorf("the answer has replicas on more than %d brokers", maxBrokers)
		}
		return
	}
	has.Leaders += more.Leaders
	has.Replicas += more.Replicas
	hosts[id] = has
}

// checkPartitions sorts the partitions that a broker tells of, and refuses those that cannot be: each id is there once, and there is one at
// least.
func checkPartitions(partitions []partitionEpoch) error {
	slices.SortFunc(partitions, func(a, b partitionEpoch) int { return int(a.id) - int(b.id) })
	for i, p := range partitions {
		if p.id < 0 || i > 0 && p.id == partitions[i-1].id {
			return fmt.Errorf("the broker's answer has a partition %d too many", p.id)
		}
	}
	if len(partitions) == 0 {
		return errors.New("the broker's answer has no partitions")
	}
	return nil
}

const (
	// overviewWeight is how much memory a byte of such an answer takes beside what is kept of each topic.
	overviewWeight = 1
	// overviewMost is what a byte takes with what is kept of topics, measured on those that have one partition.
	overviewMost = 8
	// topicBytes is what is kept of a topic beside its name: 64 bytes of counts and of the name's place, 64 of what was heard, and the room that
	// their maps have for more.
	topicBytes = 220
	// chargedBytes are charged at once.
	chargedBytes = 1 << 20
)

// readOverview asks for all topics over a link, and reads the answer as it comes.
func readOverview(l *wire.Link, judge judgement) (overview, error) {
	offered, ok := l.Offers.APIs[int16(kmsg.Metadata)]
	version := min(offered.Max, newestOverview)
	if !ok || version < max(offered.Min, oldestOverview) {
		text := fmt.Sprintf("the broker does not offer Metadata in version %d or later", oldestOverview)
		return overview{}, kafkaerr.New(kafkaerr.OpListTopics, "", kafkaerr.UnsupportedVersion, &text, 0)
	}
	req := kmsg.NewMetadataRequest()
	req.Topics, req.AllowAutoTopicCreation = nil, false
	req.SetVersion(version)
	l.Conn.Intake.Weigh(overviewWeight, overviewMost)
	body, err := l.Send(&req)
	if err != nil {
		return overview{}, err
	}
	r := newOverviewReader(body, version)
	r.charge = l.Conn.Intake.Charge
	if corr := r.int32(); r.err == nil && corr != l.Corr {
		return overview{}, fmt.Errorf("answer to request %d, want %d", corr, l.Corr)
	}
	r.tags()
	return r.read(l.Addr, l.Offers.Mode(), judge)
}

func newOverviewReader(in io.Reader, version int16) *overviewReader {
	return &overviewReader{in: bufio.NewReaderSize(in, readAhead), version: version, flexible: version >= 9, refusals: map[int16]error{}}
}

// read reads the answer of a broker at an address, behind its header.
func (r *overviewReader) read(addr string, mode wire.Mode, judge judgement) (overview, error) {
	info, controller, throttle := r.cluster()
	o := overview{addr: addr, throttled: wire.Millis(throttle), directory: transport.NewDirectory(info, controller, mode),
		topics: map[string]TopicCounts{}, hosts: map[int32]BrokerCounts{}, refused: map[string]refusedTopic{}}
	r.topics(&o, judge(o.directory))
	if r.err != nil {
		return overview{}, fmt.Errorf("decode the answer: %w", r.err)
	}
	if _, err := r.in.ReadByte(); !errors.Is(err, io.EOF) {
		return overview{}, errors.New("decode the answer: it has more than it should")
	}
	return o, nil
}
