package metadata

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// metadataOfAll is an answer to Metadata about some topics on three brokers.
func metadataOfAll(version int16, topics, partitions int) *kmsg.MetadataResponse {
	resp := kmsg.NewPtrMetadataResponse()
	resp.SetVersion(version)
	id, rack := "a-cluster", "east"
	resp.ClusterID, resp.ControllerID, resp.ThrottleMillis = &id, 2, 7
	for n := range int32(3) {
		b := kmsg.NewMetadataResponseBroker()
		b.NodeID, b.Host, b.Port, b.Rack = n, fmt.Sprintf("broker-%d", n), 9092, &rack
		resp.Brokers = append(resp.Brokers, b)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for n := range topics {
		topic := kmsg.NewMetadataResponseTopic()
		name := fmt.Sprintf("team-%d.orders-%06d", n%17, n)
		topic.Topic, topic.IsInternal = &name, n%10 == 0
		topic.TopicID = [16]byte{1, byte(n), byte(n >> 8), byte(n >> 16)}
		for i := range partitions {
			p := kmsg.NewMetadataResponseTopicPartition()
			p.Partition, p.Leader, p.LeaderEpoch = int32(i), r.Int32N(4)-1, r.Int32N(100)
			first := r.Int32N(3)
			p.Replicas = []int32{first, (first + 1) % 3}
			if p.ISR = p.Replicas; r.IntN(4) == 0 {
				p.ISR, p.OfflineReplicas = p.Replicas[:1], p.Replicas[1:]
			}
			topic.Partitions = append(topic.Partitions, p)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}

func readAll(encoded []byte, version int16, judge judgement) (overview, error) {
	return newOverviewReader(bytes.NewReader(encoded), version).read("broker-1:9092", wire.Mode{}, judge)
}

// What is counted while an answer is read is what another decoder finds in it, in each version.
func TestAnOverviewIsCountedInEachVersion(t *testing.T) {
	for version := int16(oldestOverview); version <= newestOverview; version++ {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			resp := metadataOfAll(version, 300, 7)
			resp.Topics[5].ErrorCode, resp.Topics[5].Partitions = kafkaerr.TopicAuthorizationFailed, nil
			resp.Topics[6].Partitions[1].Partition = 0
			encoded := resp.AppendTo(nil)
			epochs := map[string][]partitionEpoch{}
			n := 0
			got, err := readAll(encoded, version, func(transport.Directory) func(TopicID, []partitionEpoch) bool {
				return func(_ TopicID, partitions []partitionEpoch) bool {
					if n++; n > 2 {
						return false
					}
					epochs[fmt.Sprint(n)] = append(epochs[fmt.Sprint(n)], partitions...)
					return n == 2
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			want := kmsg.NewPtrMetadataResponse()
			want.SetVersion(version)
			if err := want.ReadFrom(encoded); err != nil {
				t.Fatal(err)
			}
			hosts := map[int32]BrokerCounts{}
			for i, topic := range want.Topics {
				name := *topic.Topic
				counts := TopicCounts{ID: topic.TopicID, Internal: topic.IsInternal, Partitions: int32(len(topic.Partitions)), LastBroker: -1}
				for _, p := range topic.Partitions {
					counts.Replicas = int32(len(p.Replicas))
					if len(p.ISR) < len(p.Replicas) {
						counts.UnderReplicated++
					}
					for _, id := range p.Replicas {
						counts.LastBroker = max(counts.LastBroker, id)
						hosts[id] = BrokerCounts{hosts[id].Leaders, hosts[id].Replicas + 1}
					}
					if p.Leader < 0 {
						counts.WithoutLeader++
					} else {
						hosts[p.Leader] = BrokerCounts{hosts[p.Leader].Leaders + 1, hosts[p.Leader].Replicas}
					}
				}
				_, refused := got.refused[name]
				_, told := got.topics[name]
				switch {
				case i == 5 || i == 6:
					if !refused || told || got.refused[name].id != TopicID(topic.TopicID) {
						t.Errorf("%s: %+v", name, got.refused[name])
					}
				case i == 1:
					if refused || told || len(got.older) != 1 || got.older[0] != name {
						t.Errorf("%s is older, and told", name)
					}
				case got.topics[name] != counts:
					t.Errorf("%s: %+v, want %+v", name, got.topics[name], counts)
				}
			}
			if len(got.topics) != 297 || !maps.Equal(got.hosts, hosts) {
				t.Errorf("%d topics, hosts %v, want %v", len(got.topics), got.hosts, hosts)
			}
			if epoch := epochs["1"]; len(epoch) != 7 || epoch[3] != (partitionEpoch{3, want.Topics[0].Partitions[3].LeaderEpoch}) {
				t.Errorf("epochs %v", epoch)
			}
			d := got.directory
			clusterID := ""
			if want.ClusterID != nil {
				clusterID = *want.ClusterID
			}
			if len(d.Brokers) != 3 || d.Brokers[2] != (transport.BrokerInfo{ID: 2, Host: "broker-2", Port: 9092, Rack: "east"}) || d.Controller != 2 || d.ClusterID != clusterID {
				t.Errorf("%+v", d)
			}
			if int32(got.throttled.Milliseconds()) != want.ThrottleMillis {
				t.Errorf("throttled by %v", got.throttled)
			}
			for _, end := range []int{0, 3, len(encoded) / 2, len(encoded) - 1} {
				if _, err := readAll(encoded[:end], version, heedless); err == nil {
					t.Errorf("%d of %d bytes are an answer", end, len(encoded))
				}
			}
			if _, err := readAll(append(encoded, 0), version, heedless); err == nil {
				t.Error("what comes behind it is not looked at")
			}
		})
	}
}

// Whoever answers as an external cluster says how many brokers there are.
func TestBrokersOfAnOverviewAreBounded(t *testing.T) {
	for name, more := range map[string]func(*kmsg.MetadataResponse, int32){
		"alive": func(resp *kmsg.MetadataResponse, n int32) {
			b := kmsg.NewMetadataResponseBroker()
			b.NodeID = n
			resp.Brokers = append(resp.Brokers, b)
		},
		"with replicas": func(resp *kmsg.MetadataResponse, n int32) {
			p := &resp.Topics[0].Partitions[0]
			p.Replicas = append(p.Replicas, n)
		},
	} {
		t.Run(name, func(t *testing.T) {
			resp := metadataOfAll(newestOverview, 1, 1)
			for n := range int32(maxBrokers) + 1 {
				more(resp, n)
			}
			if _, err := readAll(resp.AppendTo(nil), newestOverview, heedless); err == nil {
				t.Error("any number is taken")
			}
		})
	}
}

// What an external cluster answers takes as much of the budget as is kept of it, however it is made.
func TestWhatIsKeptOfAnOverviewIsCharged(t *testing.T) {
	at := time.Now()
	for name, topic := range map[string]kmsg.MetadataResponseTopic{
		"without partitions": {}, "refused": {ErrorCode: kafkaerr.TopicAuthorizationFailed}, "one partition": {Partitions: make([]kmsg.MetadataResponseTopicPartition, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			resp := kmsg.NewPtrMetadataResponse()
			resp.SetVersion(newestOverview)
			for i := range 200_000 {
				name := fmt.Sprintf("%x", i)
				topic.Topic, topic.TopicID = &name, [16]byte{byte(i), byte(i >> 8), byte(i >> 16), 1}
				resp.Topics = append(resp.Topics, topic)
			}
			encoded := resp.AppendTo(nil)
			resp = nil
			var v views
			charged := int64(len(encoded)) * overviewWeight
			r := newOverviewReader(bytes.NewReader(encoded), newestOverview)
			r.charge = func(more int64) error { charged += more; return nil }
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			o, err := r.read("broker-1:9092", wire.Mode{}, func(transport.Directory) func(TopicID, []partitionEpoch) bool {
				return func(id TopicID, partitions []partitionEpoch) bool { return v.older(at, at, id, partitions, true) }
			})
			if err != nil {
				t.Fatal(err)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			if kept := int64(after.HeapAlloc) - int64(before.HeapAlloc); kept > charged {
				t.Errorf("%d bytes of answer leave %d, and %d are charged", len(encoded), kept, charged)
			}
			runtime.KeepAlive(o)
			runtime.KeepAlive(&v)
		})
	}
}

func FuzzOverview(f *testing.F) {
	for version := int16(oldestOverview); version <= newestOverview; version++ {
		f.Add(metadataOfAll(version, 2, 2).AppendTo(nil), version)
	}
	f.Fuzz(func(t *testing.T, encoded []byte, version int16) {
		version = oldestOverview + max(version, -version-1)%(newestOverview-oldestOverview+1)
		got, err := readAll(encoded, version, heedless)
		if err == nil && len(got.topics)*8 > len(encoded) {
			t.Errorf("%d topics in %d bytes", len(got.topics), len(encoded))
		}
	})
}

// BenchmarkOverview reads a million partitions. It reports the bytes that stay, with what is remembered for the next look.
func BenchmarkOverview(b *testing.B) {
	at := time.Now()
	for name, shape := range map[string][2]int{"topics=100k": {100_000, 10}, "topics=1m": {1_000_000, 1}} {
		b.Run(name, func(b *testing.B) {
			encoded := metadataOfAll(newestOverview, shape[0], shape[1]).AppendTo(nil)
			b.ReportAllocs()
			var before, after runtime.MemStats
			for b.Loop() {
				var v views
				runtime.GC()
				runtime.ReadMemStats(&before)
				o, err := readAll(encoded, newestOverview, func(transport.Directory) func(TopicID, []partitionEpoch) bool {
					return func(id TopicID, partitions []partitionEpoch) bool {
						return v.older(at, at, id, partitions, true)
					}
				})
				if err != nil {
					b.Fatal(err)
				}
				runtime.GC()
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB-live")
				runtime.KeepAlive(o)
				runtime.KeepAlive(&v)
			}
			b.ReportMetric(float64(len(encoded))/(1<<20), "MiB-answer")
		})
	}
}
