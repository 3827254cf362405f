package records

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/metadata"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkarecord"
)

// producing is the part of a call of Produce that one partition has.
type producing struct {
	c         *Records
	topic     metadata.Topic
	partition int32
	// producer is shared with the other partitions until it has to be replaced for this one.
	producer *Producer
	// written has all of the caller's records; those of the partition's batches are this part's to note.
	written []WrittenRecord
}

const (
	// producePause is the time between two attempts.
	producePause = 150 * time.Millisecond
	// minProduceVersion is the first with batches, lastNamedProduceVersion the last that names topics instead of giving their ids.
	minProduceVersion       = 3
	lastNamedProduceVersion = 12
)

// namedProduce is for topics without an id.
type namedProduce struct{ *kmsg.ProduceRequest }

// MaxVersion implements kmsg.Request.
func (namedProduce) MaxVersion() int16 { return lastNamedProduceVersion }

// all writes batches one after the other. After a failure the rest is not tried: it would overtake.
func (w *producing) all(ctx context.Context, batches []*kafkarecord.Builder) {
	var failed error
	for _, b := range batches {
		if failed != nil {
			for _, i := range b.Records {
				w.written[i].Err = failed
			}
			continue
		}
		if err := w.batch(ctx, b); err != nil {
			failed = fmt.Errorf("not sent, because a record before it in the same partition failed: %w", definite(err))
		}
	}
}

// definite is an error without its doubt: what was not sent was not written.
func definite(err error) error {
	var unknown *kafkaerr.UnknownOutcomeError
	if errors.As(err, &unknown) {
		return unknown.Err
	}
	return err
}

// batch writes one batch and notes what became of its records.
func (w *producing) batch(ctx context.Context, b *kafkarecord.Builder) error {
	select {
	case w.c.produces <- struct{}{}:
		defer func() { <-w.c.produces }()
	case <-ctx.Done():
		err := w.c.Failed(ctx, kafkaerr.OpProduce, w.topic.Name, context.Cause(ctx))
		w.note(b, nil, err)
		return err
	}
	answer, err := w.send(ctx, b)
	w.note(b, answer, err)
	return err
}

func (w *producing) note(b *kafkarecord.Builder, answer *kmsg.ProduceResponseTopicPartition, err error) {
	blamed := map[int]string{}
	if answer != nil {
		for _, e := range answer.ErrorRecords {
			if i := int(e.RelativeOffset); i >= 0 && i < len(b.Records) && e.ErrorMessage != nil {
				blamed[i] = *e.ErrorMessage
			}
		}
	}
	for i, index := range b.Records {
		r := &w.written[index]
		if r.Err = err; err == nil {
			if answer.BaseOffset >= 0 {
				r.Offset = answer.BaseOffset + int64(i)
			}
			if answer.LogAppendTime >= 0 {
				r.Timestamp = time.UnixMilli(answer.LogAppendTime).UTC()
			}
			continue
		}
		if len(blamed) == 0 || kafkaerr.IsUnknownOutcome(err) {
			continue
		}
		text, is := blamed[i]
		if !is {
			text = "another record of its batch was refused, so the batch was"
		}
		r.Err = kafkaerr.New(kafkaerr.OpProduce, w.object(), answer.ErrorCode, &text, 0)
	}
}

// send sends a batch until its outcome is known or the context ends. An attempt after which the batch may have been written is
// followed by others with the same sequence number only; when none is answered the outcome is unknown.
func (w *producing) send(ctx context.Context, b *kafkarecord.Builder) (*kmsg.ProduceResponseTopicPartition, error) {
	c, p := w.c, w.producer
	key := ProducerKey{w.topic.Name, w.partition}
	records := b.Encode(p.id, p.epoch, p.Begin(key))
	believed, leader := w.topic, w.leader(w.topic)
	start := time.Now()
	doubt, renewed, disputed := false, false, false
	fail := func(answer *kmsg.ProduceResponseTopicPartition, err error) (*kmsg.ProduceResponseTopicPartition, error) {
		if doubt {
			return answer, &kafkaerr.UnknownOutcomeError{Op: kafkaerr.OpProduce, Object: w.object(), Err: err}
		}
		// A producer whose numbers the brokers dispute is none to use again.
		if !disputed {
			p.Settle(key, 0)
		}
		return answer, err
	}
	renew := func() error {
		fresh, err := c.newProducer(ctx)
		if err != nil {
			return err
		}
		p, w.producer = fresh, fresh
		records = b.Encode(p.id, p.epoch, p.Begin(key))
		return nil
	}
	var answer *kmsg.ProduceResponseTopicPartition
	var err error
	for {
		if p.cluster != c.Producers.now() {
			// To another cluster the producer is somebody else.
			if doubt {
				return fail(answer, err)
			}
			if err := renew(); err != nil {
				return fail(nil, err)
			}
		}
		answer, err = w.attempt(ctx, leader, records)
		code := kafkaerr.CodeOf(err)
		switch {
		case err == nil, doubt && answer != nil && code == kafkaerr.DuplicateSequenceNumber:
			p.Settle(key, len(b.Records))
			if err != nil {
				answer.BaseOffset, answer.LogAppendTime = -1, -1
			}
			return answer, nil
		case unproven(answer, err):
			doubt = true
		case !doubt && answer != nil && kafkaerr.OfSequence(code):
			// The brokers have forgotten the producer, or lost records of it. This batch they have not taken, so it may go under another.
			disputed = true
			if renewed {
				return fail(answer, err)
			}
			if err := renew(); err != nil {
				return fail(answer, err)
			}
			renewed, disputed = true, false
			continue
		case doubt && code == kafkaerr.ThrottlingQuotaExceeded:
		case ctx.Err() == nil && !retriableProduce(answer, err):
			return fail(answer, err)
		}
		if ctx.Err() != nil || !doubt && time.Since(start) > c.Opts.VerdictTimeout || c.Pause(ctx, producePause) != nil {
			return fail(answer, c.Failed(ctx, kafkaerr.OpProduce, w.object(), err))
		}
		c.Contradicted(believed, err)
		now, found, _, lookup := c.TopicAgain(ctx, w.topic)
		switch {
		case lookup != nil:
		case !found:
			text := "the topic was deleted meanwhile"
			return fail(answer, kafkaerr.New(kafkaerr.OpProduce, w.topic.Name, kafkaerr.UnknownTopicOrPartition, &text, 0))
		default:
			believed, leader = now, w.leader(now)
			w.topic.ID = now.ID
		}
	}
}

func (w *producing) object() string { return transport.PartitionObject(w.topic.Name, w.partition) }

func (w *producing) leader(topic metadata.Topic) int32 {
	for _, p := range topic.Partitions {
		if p.ID == w.partition {
			return p.Leader
		}
	}
	return -1
}

// attempt sends a batch to a leader once. The answer is there whenever the broker gave one.
func (w *producing) attempt(ctx context.Context, leader int32, records []byte) (*kmsg.ProduceResponseTopicPartition, error) {
	c := w.c
	if leader < 0 {
		return nil, kafkaerr.New(kafkaerr.OpProduce, w.object(), kafkaerr.LeaderNotAvailable, nil, 0)
	}
	addr, err := c.Address(ctx, leader, false)
	if err != nil {
		return nil, err
	}
	l, err := c.Pool.Acquire(ctx, addr, wire.LaneProduce, c.Opts.ConnectTimeout)
	if err != nil {
		return nil, transport.OfBroker(leader, err)
	}
	resp, err := transport.Exchange(ctx, c.Cluster, l, int16(kmsg.Produce), wire.ByKmsg[*kmsg.ProduceResponse](func() kmsg.Request {
		return w.request(ctx, records)
	}, minProduceVersion))
	if err != nil {
		return nil, transport.OfBroker(leader, err)
	}
	for i := range resp.Topics {
		if t := &resp.Topics[i]; t.Topic != w.topic.Name && (w.topic.ID.IsZero() || t.TopicID != w.topic.ID) {
			continue
		}
		for j := range resp.Topics[i].Partitions {
			answer := &resp.Topics[i].Partitions[j]
			if answer.Partition != w.partition {
				continue
			}
			if answer.ErrorCode != 0 {
				return answer, kafkaerr.New(kafkaerr.OpProduce, w.object(), answer.ErrorCode, answer.ErrorMessage, 0)
			}
			return answer, nil
		}
	}
	// Nothing is known then.
	return nil, &kafkaerr.NoAnswerError{Addr: addr, Sent: true, Broker: transport.IDObject("broker", leader), Err: errors.New("the broker's answer does not mention the partition")}
}

func (w *producing) request(ctx context.Context, records []byte) kmsg.Request {
	req := kmsg.NewPtrProduceRequest()
	req.Acks = -1
	_, cancel, timeout := transport.WriteWindow(ctx)
	cancel()
	req.TimeoutMillis = int32(timeout / time.Millisecond)
	t := kmsg.NewProduceRequestTopic()
	t.Topic, t.TopicID = w.topic.Name, w.topic.ID
	part := kmsg.NewProduceRequestTopicPartition()
	part.Partition, part.Records = w.partition, records
	t.Partitions = append(t.Partitions, part)
	req.Topics = append(req.Topics, t)
	if w.topic.ID.IsZero() {
		return namedProduce{req}
	}
	return req
}

// unproven tells whether a batch may have been written in an attempt that failed. What was never sent was not; of what a broker answers only
// some codes prove it.
func unproven(answer *kmsg.ProduceResponseTopicPartition, err error) bool {
	if answer == nil {
		return kafkaerr.WasSent(err)
	}
	return !kafkaerr.NotAppended(answer.ErrorCode)
}

// retriableProduce tells errors after which a batch was not written in this attempt, and may yet be in another.
func retriableProduce(answer *kmsg.ProduceResponseTopicPartition, err error) bool {
	if answer != nil {
		return kafkaerr.Retriable(answer.ErrorCode)
	}
	return kafkaerr.CodeOf(err) == kafkaerr.LeaderNotAvailable || !wire.Answered(err)
}
