package broker

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"k8s.io/component-base/metrics"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// likeKRaft makes the fake brokers offer what KRaft brokers do.
func likeKRaft(b *bench) {
	resp := &kmsg.ApiVersionsResponse{}
	for key := range int16(kmsg.MaxKey + 1) {
		switch kmsg.Key(key) {
		case kmsg.LeaderAndISR, kmsg.StopReplica, kmsg.UpdateMetadata:
			continue
		}
		if r := kmsg.RequestForKey(key); r != nil {
			api := kmsg.NewApiVersionsResponseApiKey()
			api.ApiKey, api.MaxVersion = key, r.MaxVersion()
			if key == int16(kmsg.Metadata) {
				api.MaxVersion = 12
			}
			resp.ApiKeys = append(resp.ApiKeys, api)
		}
	}
	feature := kmsg.NewApiVersionsResponseSupportedFeature()
	feature.Name, feature.MinVersion, feature.MaxVersion = wire.MetadataVersionFeature, 7, 30
	resp.SupportedFeatures = append(resp.SupportedFeatures, feature)
	level := kmsg.NewApiVersionsResponseFinalizedFeature()
	level.Name, level.MinVersionLevel, level.MaxVersionLevel = wire.MetadataVersionFeature, 30, 30
	resp.FinalizedFeatures, resp.FinalizedFeaturesEpoch = append(resp.FinalizedFeatures, level), 1
	b.offers.Store(resp)
}

func TestKRaft(t *testing.T) {
	b := newBench(t, Options{})
	likeKRaft(b)
	ctx := testContext(t)
	info, err := b.cluster.Describe(ctx)
	if err != nil || !info.KRaft || info.ControllerID != -1 {
		t.Errorf("%+v %v, want KRaft and no controller named", info, err)
	}
	versions, err := b.cluster.BrokerVersions(ctx)
	if v := versions[0]; err != nil || v.Release != "4.3" || !v.KRaft || v.MetadataVersion != 30 || v.FinalizedMetadataVersion != 30 {
		t.Errorf("%+v %v", v, err)
	}

	caughtUp := time.UnixMilli(1_750_000_000_000)
	b.kafka.ControlKey(int16(kmsg.DescribeQuorum), func(req kmsg.Request) (kmsg.Response, error, bool) {
		asked := req.(*kmsg.DescribeQuorumRequest).Topics[0]
		resp := req.ResponseKind().(*kmsg.DescribeQuorumResponse)
		p := kmsg.NewDescribeQuorumResponseTopicPartition()
		p.LeaderID, p.LeaderEpoch, p.HighWatermark = 3001, 7, 100
		for id, end := range map[int32]int64{3000: 90, 3001: 100} {
			r := kmsg.NewDescribeQuorumResponseTopicPartitionReplicaState()
			r.ReplicaID, r.LogEndOffset, r.LastCaughtUpTimestamp, r.LastFetchTimestamp = id, end, caughtUp.UnixMilli(), -1
			r.ReplicaDirectoryID[0] = byte(id)
			p.CurrentVoters = append(p.CurrentVoters, r)
		}
		topic := kmsg.NewDescribeQuorumResponseTopic()
		topic.Topic, topic.Partitions = asked.Topic, append(topic.Partitions, p)
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
	q, err := b.cluster.Quorum(ctx)
	if err != nil || q.LeaderID != 3001 || q.LeaderEpoch != 7 || len(q.Voters) != 2 {
		t.Fatalf("%+v %v", q, err)
	}
	for _, v := range q.Voters {
		if want := map[int32]int64{3000: 10, 3001: 0}[v.ID]; v.Lag != want || !v.LastCaughtUp.Equal(caughtUp) || !v.LastFetch.IsZero() || v.DirectoryID == (DirectoryID{}) {
			t.Errorf("voter %+v", v)
		}
	}

	answers := []int16{0, kafkaerr.BrokerIDNotRegistered, kafkaerr.UnknownServerError}
	for i, want := range []bool{true, true, false} {
		b.kafka.ControlKey(int16(kmsg.UnregisterBroker), func(req kmsg.Request) (kmsg.Response, error, bool) {
			resp := req.ResponseKind().(*kmsg.UnregisterBrokerResponse)
			resp.ErrorCode = answers[i]
			return resp, nil, true
		})
		if err := b.cluster.UnregisterBroker(ctx, 2); (err == nil) != want {
			t.Errorf("unregister, answered with %s: %v", kafkaerr.Name(answers[i]), err)
		}
	}
}

// Brokers list no broker that is away, registered or not, so what became of a request without an answer is not to be seen there.
func TestABrokerIsUnregisteredWhenTheControllersSaySo(t *testing.T) {
	for name, tt := range map[string]struct {
		lost    verdict
		forGood bool
	}{"the request is lost": {cut, true}, "the answer is lost": {loseAnswer, true}, "the first request is lost": {cut, false}, "the first answer is lost": {loseAnswer, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Options{})
			likeKRaft(b)
			b.offerAtMost(kmsg.DescribeCluster, 1)
			if _, err := b.cluster.Describe(testContext(t)); err != nil {
				t.Fatal(err)
			}
			registered := true
			b.kafka.ControlKey(int16(kmsg.UnregisterBroker), func(req kmsg.Request) (kmsg.Response, error, bool) {
				b.kafka.KeepControl()
				resp := req.ResponseKind().(*kmsg.UnregisterBrokerResponse)
				if !registered {
					resp.ErrorCode = kafkaerr.BrokerIDNotRegistered
				}
				registered = false
				return resp, nil, true
			})
			var asked atomic.Int64
			b.network.set(func() {
				b.network.rule = func(_ string, key int16) verdict {
					if key != int16(kmsg.UnregisterBroker) {
						return pass
					}
					if asked.Add(1) == 1 || tt.forGood {
						return tt.lost
					}
					return pass
				}
			})
			if err := b.cluster.UnregisterBroker(testContext(t), 7); (err != nil) != tt.forGood || kafkaerr.IsUnknownOutcome(err) != tt.forGood {
				t.Errorf("unregistered with %v", err)
			}
		})
	}
}

// In KRaft mode every broker takes what is for the controller.
func TestKRaftWritesGoAroundADeadBroker(t *testing.T) {
	b := newBench(t, Options{})
	likeKRaft(b)
	ctx := testContext(t)
	controller := b.controllerAddr(t)
	others := 0
	b.network.set(func() {
		for _, addr := range b.kafka.ListenAddrs() {
			if addr != controller {
				b.network.dead[addr] = true
				others++
			}
		}
	})
	for _, addr := range b.kafka.ListenAddrs() {
		b.network.cutAll(addr)
	}
	// The directory names a broker that is dead as the controller, as KRaft brokers do for some seconds.
	wrong := *b.cluster.core.Dir
	wrong.Controller = (wrong.Controller + 1) % 3
	b.cluster.core.Learn(wrong)
	if _, err := b.cluster.CreateTopic(ctx, NewTopic{Name: "orders", Partitions: 1, Replicas: 1}, false); err != nil || others != 2 {
		t.Errorf("create: %v", err)
	}
}

func TestMetrics(t *testing.T) {
	registry := metrics.NewKubeRegistry()
	if err := RegisterMetrics(registry); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	if _, err := b.cluster.Topics(testContext(t), "orders"); err != nil {
		t.Fatal(err)
	}
	snapshot, err := b.cluster.Snapshot(testContext(t), 0)
	if err != nil {
		t.Fatal(err)
	}
	series := func() (found []string) {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				text := f.GetName()
				for _, l := range m.GetLabel() {
					text += " " + l.GetName() + "=" + l.GetValue()
				}
				if g := m.GetGauge(); g != nil {
					text += fmt.Sprintf(" %.3f", g.GetValue())
				}
				found = append(found, text)
			}
		}
		return found
	}
	for _, want := range []string{
		"kafka_apiserver_broker_rpcs_total api=Metadata cluster=streams/my-cluster outcome=ok",
		"kafka_apiserver_broker_batch_size api=Metadata",
		fmt.Sprintf("kafka_apiserver_broker_snapshot_timestamp_seconds cluster=streams/my-cluster %.3f", float64(snapshot.At.UnixMilli())/1000),
	} {
		if all := strings.Join(series(), "\n"); !strings.Contains(all, want) {
			t.Errorf("%q is not among\n%s", want, all)
		}
	}
	b.gateway.Forget(b.cluster.Key())
	if all := strings.Join(series(), "\n"); strings.Contains(all, "cluster=streams/my-cluster") {
		t.Errorf("series of a cluster forgotten remain:\n%s", all)
	}
}
