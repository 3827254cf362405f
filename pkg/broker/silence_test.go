package broker

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/records"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// rewriteFetches has a test change the answers to Fetch.
func (b *bench) rewriteFetches(change func(*kmsg.FetchRequest, *kmsg.FetchResponse)) {
	b.network.set(func() {
		b.network.change = func(_ string, req kmsg.Request, resp kmsg.Response) {
			if fetched, ok := resp.(*kmsg.FetchResponse); ok {
				change(req.(*kmsg.FetchRequest), fetched)
			}
		}
	})
}

// withhold takes the records of all partitions, or of one, out of an answer.
func withhold(resp *kmsg.FetchResponse, partitions ...int32) {
	for i := range resp.Topics {
		for j := range resp.Topics[i].Partitions {
			if p := &resp.Topics[i].Partitions[j]; len(partitions) == 0 || slices.Contains(partitions, p.Partition) {
				p.RecordBatches = nil
			}
		}
	}
}

// Tiered storage that is late, a quota that is used up: an answer without records is no end.
func TestAnEmptyAnswerDoesNotEndAReading(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	mustProduce(t, newProducer(t, b), numbered("orders", 0, 0, 3)...)
	topic, what := wholeTopic(t, b, "orders")
	fetches := 0
	b.rewriteFetches(func(_ *kmsg.FetchRequest, resp *kmsg.FetchResponse) {
		if fetches++; fetches < 3 {
			withhold(resp)
		}
	})
	got := &notes{}
	if err := b.cluster.Read(testContext(t), topic, what, got); err != nil || !slices.Equal(got.values(0), numbers(0, 3)) {
		t.Errorf("%v, %v", got.values(0), err)
	}
}

// A remote storage that fails is an error of the broker's own in the answer, as Kafka's own consumer knows: it passes, or it ends the reading.
func TestAnErrorOfTheBrokersOwnIsReadOver(t *testing.T) {
	for name, passes := range map[string]bool{"it passes": true, "it stays": false} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, Options{readPatience: 500 * time.Millisecond}, kfake.SeedTopics(1, "orders"))
			mustProduce(t, newProducer(t, b), numbered("orders", 0, 0, 3)...)
			topic, what := wholeTopic(t, b, "orders")
			fetches := 0
			b.rewriteFetches(func(_ *kmsg.FetchRequest, resp *kmsg.FetchResponse) {
				if fetches++; fetches < 3 || !passes {
					p := &resp.Topics[0].Partitions[0]
					p.ErrorCode, p.RecordBatches = kafkaerr.UnknownServerError, nil
				}
			})
			got := &notes{}
			err := b.cluster.Read(testContext(t), topic, what, got)
			if passes && (err != nil || !slices.Equal(got.values(0), numbers(0, 3))) {
				t.Errorf("%v, %v", got.values(0), err)
			}
			if !passes && (kafkaerr.CodeOf(err) != kafkaerr.UnknownServerError || fetches < 3) {
				t.Errorf("after %d answers: %v", fetches, err)
			}
		})
	}
}

func TestAReadingThatDoesNotReachItsEndIsAnError(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*kmsg.FetchResponse)
		says   string
	}{
		"nothing": {func(resp *kmsg.FetchResponse) { withhold(resp) }, "nothing from offset 0 on"},
		"the end moved back": {func(resp *kmsg.FetchResponse) {
			withhold(resp)
			resp.Topics[0].Partitions[0].LastStableOffset = 1
		}, "end at offset 1 now, before 3"},
		"the partition not mentioned": {func(resp *kmsg.FetchResponse) { resp.Topics = nil }, "nothing from offset 0 on"},
		"a part of a batch": {func(resp *kmsg.FetchResponse) {
			p := &resp.Topics[0].Partitions[0]
			p.RecordBatches = p.RecordBatches[:len(p.RecordBatches)-1]
		}, "nothing from offset 0 on"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Options{readPatience: time.Millisecond}, kfake.SeedTopics(1, "orders"))
			mustProduce(t, newProducer(t, b), numbered("orders", 0, 0, 3)...)
			topic, what := wholeTopic(t, b, "orders")
			b.rewriteFetches(func(_ *kmsg.FetchRequest, resp *kmsg.FetchResponse) { tt.change(resp) })
			got := &notes{}
			err := b.cluster.Read(testContext(t), topic, what, got)
			if kafkaerr.CodeOf(err) != kafkaerr.OffsetNotAvailable || !strings.Contains(err.Error(), tt.says) || got.count() > 0 {
				t.Errorf("%d records, %v", got.count(), err)
			}
		})
	}
}

// An answer that is full of others' records says nothing of a partition that was not first in the request.
func TestAPartitionThatOthersLeaveNoRoomForIsNotSilent(t *testing.T) {
	const partitions, each = 8, 100
	b := newBench(t, Options{readPatience: time.Nanosecond}, kfake.NumBrokers(1), kfake.SeedTopics(partitions, "orders"))
	client := newProducer(t, b, kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerBatchMaxBytes(64<<10))
	for p := range int32(partitions) {
		records := numbered("orders", p, 0, each)
		for _, r := range records {
			r.Key = bytes.Repeat([]byte("."), 4000)
		}
		mustProduce(t, client, records...)
	}
	topic, what := wholeTopic(t, b, "orders")
	b.rewriteFetches(func(req *kmsg.FetchRequest, resp *kmsg.FetchResponse) {
		for _, p := range req.Topics[0].Partitions[1:] {
			withhold(resp, p.Partition)
		}
	})
	got := &notes{}
	if err := b.cluster.Read(testContext(t), topic, what, got); err != nil || got.count() != partitions*each {
		t.Errorf("%d records, %v", got.count(), err)
	}
}

// What a broker asks to wait for a quota is not its silence.
func TestThrottlingIsNotSilence(t *testing.T) {
	var s records.Silence
	for range 2 * records.MinSilentAnswers {
		s.Add(time.Hour)
	}
	if s.Lasts(time.Minute) {
		t.Error("a broker is silent whose quotas are used up")
	}
	s = records.Silence{}
	for range records.MinSilentAnswers {
		if s.Lasts(0) {
			t.Errorf("%d answers are silence", s.Answers)
		}
		s.Add(0)
	}
	if !s.Lasts(0) {
		t.Error("silence is none")
	}
}
