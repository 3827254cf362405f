package broker

import (
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkarecord"
)

// anotherCluster is one with a topic of the same name as ours.
func (b *bench) anotherCluster(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	other, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.ClusterID("other"), kfake.SeedTopics(1, "orders")}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	return other
}

// putInPlace lets a cluster of one broker be found at the address of ours.
func (b *bench) putInPlace(other *kfake.Cluster) {
	at, is := b.kafka.ListenAddrs()[0], b.network.proxy(other.ListenAddrs()[0])
	b.network.set(func() { b.network.proxies[at] = is })
	b.network.cutAll(at)
}

// waysToAnother are how another cluster comes to be the one that a Kafka stands for.
var waysToAnother = map[string]func(t *testing.T, b *bench, other *kfake.Cluster){
	"at the same address": func(t *testing.T, b *bench, other *kfake.Cluster) {
		b.putInPlace(other)
		eventually(t, "the other cluster answers", func() bool {
			info, err := b.cluster.Describe(testContext(t))
			return err == nil && info.ID == "other"
		})
	},
	"at other addresses": func(_ *testing.T, b *bench, other *kfake.Cluster) {
		b.gateway.Cluster(Target{Key: b.cluster.Key(), Bootstrap: other.ListenAddrs()})
	},
}

// Every cluster counts the ids that it gives from 0: one that we had of the former is an application's in the next.
func TestAProducerIsOfOneCluster(t *testing.T) {
	for name, change := range waysToAnother {
		t.Run(name, func(t *testing.T) {
			const id = 4242
			b := newBench(t, Options{}, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
			b.network.set(func() {
				b.network.change = func(_ string, _ kmsg.Request, resp kmsg.Response) {
					if f, ok := resp.(*kmsg.InitProducerIDResponse); ok {
						f.ProducerID, f.ProducerEpoch = id, 0
					}
				}
			})
			produced := func(value string) WrittenRecord {
				t.Helper()
				written, err := b.cluster.Produce(testContext(t), mustTopic(t, b, "orders"), []kafkarecord.NewRecord{{Value: []byte(value)}}, false)
				if err != nil || written[0].Err != nil {
					t.Fatal(written, err)
				}
				return written[0]
			}
			produced("old")
			b.network.set(func() { b.network.change = nil })

			other := b.anotherCluster(t)
			client, err := kgo.NewClient(kgo.SeedBrokers(other.ListenAddrs()...))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			part := kmsg.NewProduceRequestTopicPartition()
			var batch kafkarecord.Builder
			batch.Add(0, kafkarecord.NewRecord{Value: []byte("the application's")}, 1<<20)
			part.Records = batch.Encode(id, 0, 0)
			topic := kmsg.NewProduceRequestTopic()
			topic.Topic, topic.TopicID = "orders", other.TopicInfo("orders").TopicID
			topic.Partitions = append(topic.Partitions, part)
			req := kmsg.NewPtrProduceRequest()
			req.Acks, req.TimeoutMillis, req.Topics = -1, 1000, append(req.Topics, topic)
			if resp, err := req.RequestWith(testContext(t), client); err != nil || resp.Topics[0].Partitions[0].ErrorCode != 0 {
				t.Fatal(resp, err)
			}

			change(t, b, other)
			at := produced("new").Offset
			if _, what := wholeTopic(t, b, "orders"); at != 1 || what.Until[0] != 2 {
				t.Errorf("written at offset %d of a log that ends at %d", at, what.Until[0])
			}
		})
	}
}

// Topics of old brokers have no ids that would tell the other cluster's from ours.
func TestABatchInDoubtIsNotSentToAnotherCluster(t *testing.T) {
	old := kfake.MaxVersions(kversion.V2_7_0())
	b := newBench(t, Options{}, kfake.NumBrokers(1), kfake.ClusterID("ours"), kfake.SeedTopics(1, "orders"), old)
	b.offers.Store(nil)
	other := b.anotherCluster(t, old)
	topic := mustTopic(t, b, "orders")
	var lost atomic.Bool
	b.network.set(func() {
		b.network.rule = func(_ string, key int16) verdict {
			if key == int16(kmsg.Produce) && lost.CompareAndSwap(false, true) {
				go b.putInPlace(other)
				return loseAnswer
			}
			return pass
		}
	})
	written, err := b.cluster.Produce(testContext(t), topic, []kafkarecord.NewRecord{{Value: []byte("one")}}, false)
	if err != nil || !kafkaerr.IsUnknownOutcome(written[0].Err) {
		t.Errorf("%+v, %v", written, err)
	}
}

// Looking for a group's coordinator makes the topic that groups are kept in, which a read must not.
func TestThatThereAreGroupsIsOfOneCluster(t *testing.T) {
	for name, change := range waysToAnother {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, Options{}, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
			b.commit(t, "billing", "orders", 3)
			if err := groupCalls["fetch"](testContext(t), b.cluster); err != nil {
				t.Fatal(err)
			}
			change(t, b, b.anotherCluster(t))
			asked := b.network.requests(int16(kmsg.FindCoordinator))
			if got, err := b.cluster.CommittedOffsets(testContext(t), "billing"); err != nil || len(got) != 0 {
				t.Errorf("%v, %v", got, err)
			}
			if n := b.network.requests(int16(kmsg.FindCoordinator)) - asked; n != 0 || b.network.requests(int16(kmsg.OffsetFetch)) != 1 {
				t.Errorf("asked for the coordinator %d times, and a former one for its groups", n)
			}
		})
	}
}
