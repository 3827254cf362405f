package apiservertest

import (
	"context"
	"encoding/base64"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

// Kafka is a fake cluster with the Kafka object that names it. It is asked through a client of its own, never through the
// server under test.
type Kafka struct {
	*kfake.Cluster
	// Object names the cluster in a namespace of its own.
	Object *v1beta1.Kafka

	network *network
	client  *kgo.Client
	release atomic.Pointer[kversion.Versions]
	mu      sync.Mutex
	seen    []Request
}

// Request is a request that changes something and has reached the brokers.
type Request struct {
	// Kind is CreateTopics, CreatePartitions, AlterConfigs, Reassign or DeleteTopics.
	Kind         string
	ValidateOnly bool
	// Message is the whole request.
	Message kmsg.Request
}

// NewKafka starts a fake cluster of some brokers, 0 to brokers-1, and creates the Kafka object for it.
func (s *Server) NewKafka(t testing.TB, brokers int, options ...kfake.Opt) *Kafka {
	t.Helper()
	namespace := s.Namespace()
	// Clusters have ids of their own, as those of Kafka do.
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(brokers), kfake.ClusterID("id-of-" + namespace)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	k := &Kafka{Cluster: cluster, network: s.network, client: client}
	// An earlier fake may have left the port, cut off.
	k.Return()
	k.LeadTo(nil)
	k.forwardsNothing(t)
	k.watch()
	k.Object = s.NewKafkaObject(t, namespace, cluster.ListenAddrs()...)
	return k
}

// forwardsNothing has the fake brokers not say that they are in KRaft mode, as they do not forward what is for the controller.
func (k *Kafka) forwardsNothing(t testing.TB) {
	t.Helper()
	offered, err := kmsg.NewPtrApiVersionsRequest().RequestWith(t.Context(), k.client)
	if err != nil {
		t.Fatal(err)
	}
	k.ControlKey(int16(kmsg.ApiVersions), func(request kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		response := request.ResponseKind().(*kmsg.ApiVersionsResponse)
		response.ApiKeys = offered.ApiKeys
		if release := k.release.Load(); release != nil {
			response.ApiKeys = nil
			if newest, _ := release.LookupMaxKeyVersion(response.Key()); request.GetVersion() > newest {
				response.Version, response.ErrorCode = 0, kerr.UnsupportedVersion.Code
			}
			release.EachMaxKeyVersion(func(key, version int16) {
				response.ApiKeys = append(response.ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: key, MaxVersion: version})
			})
		}
		return response, nil, true
	})
}

// Upgrade has the brokers offer what those of a release do, nil for all that they can do, to who connects from now on; all connections end.
func (k *Kafka) Upgrade(release *kversion.Versions) {
	k.release.Store(release)
	k.Refuse()
	k.Return()
}

// NewKafkaObject creates a Kafka named k for brokers at some addresses. It goes with the test: a server that still looks for topics to
// delete would find the brokers of another test at the same ports.
func (s *Server) NewKafkaObject(t testing.TB, namespace string, addresses ...string) *v1beta1.Kafka {
	t.Helper()
	k, err := s.Client.KafkaV1beta1().Kafkas(namespace).Create(t.Context(), &v1beta1.Kafka{
		ObjectMeta: metav1.ObjectMeta{Name: "k"},
		Spec:       v1beta1.KafkaSpec{External: &v1beta1.ExternalSpec{BootstrapServers: addresses}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// A test may have deleted it itself, or have made the server refuse.
		_ = s.Client.KafkaV1beta1().Kafkas(namespace).Delete(context.Background(), k.Name, metav1.DeleteOptions{})
	})
	return k
}

// Refuse makes all addresses refuse connections, Vanish makes them say nothing, and Return brings them back.
func (k *Kafka) Refuse() { k.network.set(k.ListenAddrs(), refusing) }
func (k *Kafka) Vanish() { k.network.set(k.ListenAddrs(), silent) }
func (k *Kafka) Return() { k.network.set(k.ListenAddrs(), up) }

// RefuseAt makes one broker refuse connections, until Return.
func (k *Kafka) RefuseAt(t testing.TB, broker int32) {
	t.Helper()
	answer, err := kmsg.NewPtrMetadataRequest().RequestWith(t.Context(), k.client)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range answer.Brokers {
		if b.NodeID == broker {
			k.network.set([]string{net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))}, refusing)
			return
		}
	}
	t.Fatalf("there is no broker %d", broker)
}

// LeadTo makes the addresses lead to the brokers of another cluster, and those of nil to its own again.
func (k *Kafka) LeadTo(other *Kafka) {
	for i, address := range k.ListenAddrs() {
		to := ""
		if other != nil {
			to = other.ListenAddrs()[i%len(other.ListenAddrs())]
		}
		k.network.lead(address, to)
	}
}

// Hold has connections to the brokers wait, until they are told to go on. begun is closed when somebody has begun to connect.
func (k *Kafka) Hold() (begun <-chan struct{}, goOn func()) {
	first, release := make(chan struct{}), make(chan struct{})
	k.network.hold(k.ListenAddrs(), hold{sync.OnceFunc(func() { close(first) }), release})
	return first, func() {
		k.network.release(k.ListenAddrs())
		close(release)
	}
}

func (k *Kafka) watch() {
	for key, describe := range map[int16]func(kmsg.Request) Request{
		19: func(r kmsg.Request) Request {
			return Request{"CreateTopics", r.(*kmsg.CreateTopicsRequest).ValidateOnly, r}
		},
		20: func(r kmsg.Request) Request { return Request{"DeleteTopics", false, r} },
		37: func(r kmsg.Request) Request {
			return Request{"CreatePartitions", r.(*kmsg.CreatePartitionsRequest).ValidateOnly, r}
		},
		44: func(r kmsg.Request) Request {
			return Request{"AlterConfigs", r.(*kmsg.IncrementalAlterConfigsRequest).ValidateOnly, r}
		},
		45: func(r kmsg.Request) Request { return Request{"Reassign", false, r} },
	} {
		k.ControlKey(key, func(request kmsg.Request) (kmsg.Response, error, bool) {
			k.KeepControl()
			k.mu.Lock()
			defer k.mu.Unlock()
			k.seen = append(k.seen, describe(request))
			return nil, nil, false
		})
	}
}

// Requests are those since the last Forget, in the order of their arrival.
func (k *Kafka) Requests() []Request {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]Request(nil), k.seen...)
}

// Forget forgets the requests until now.
func (k *Kafka) Forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.seen = nil
}

// Topic is what the brokers have of a topic.
type Topic struct {
	ID         string
	Partitions map[int32][]int32
}

// Topics asks the brokers for all topics.
func (k *Kafka) Topics(t testing.TB) map[string]Topic {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = nil
	response, err := request.RequestWith(ctx, k.client)
	if err != nil {
		t.Fatal(err)
	}
	topics := map[string]Topic{}
	for _, have := range response.Topics {
		topic := Topic{ID: base64.RawURLEncoding.EncodeToString(have.TopicID[:]), Partitions: map[int32][]int32{}}
		for _, partition := range have.Partitions {
			topic.Partitions[partition.Partition] = partition.Replicas
		}
		topics[*have.Topic] = topic
	}
	return topics
}

// CreateTopic creates a topic behind the server's back.
func (k *Kafka) CreateTopic(t testing.TB, name string, partitions int32, replicas int16) {
	t.Helper()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, replicas
	request := kmsg.NewPtrCreateTopicsRequest()
	request.Topics = append(request.Topics, topic)
	response, err := request.RequestWith(context.Background(), k.client)
	if err != nil {
		t.Fatal(err)
	}
	if code := response.Topics[0].ErrorCode; code != 0 {
		t.Fatalf("create topic %s: code %d", name, code)
	}
	k.Forget()
}

// Grow adds partitions to a topic behind the server's back.
func (k *Kafka) Grow(t testing.TB, name string, partitions int32) {
	t.Helper()
	topic := kmsg.NewCreatePartitionsRequestTopic()
	topic.Topic, topic.Count = name, partitions
	request := kmsg.NewPtrCreatePartitionsRequest()
	request.Topics = append(request.Topics, topic)
	response, err := request.RequestWith(context.Background(), k.client)
	if err != nil {
		t.Fatal(err)
	}
	if code := response.Topics[0].ErrorCode; code != 0 {
		t.Fatalf("grow topic %s: code %d", name, code)
	}
	k.Forget()
}

// Configure sets a setting of a topic behind the server's back.
func (k *Kafka) Configure(t testing.TB, topic, name, value string) {
	t.Helper()
	config := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	config.Name, config.Value = name, &value
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	resource.Configs = append(resource.Configs, config)
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	request.Resources = append(request.Resources, resource)
	response, err := request.RequestWith(context.Background(), k.client)
	if err != nil {
		t.Fatal(err)
	}
	if code := response.Resources[0].ErrorCode; code != 0 {
		t.Fatalf("set %s of topic %s: code %d", name, topic, code)
	}
	k.Forget()
}

// Produce writes a record to a topic.
func (k *Kafka) Produce(t testing.TB, topic string) {
	t.Helper()
	if err := k.client.ProduceSync(context.Background(), &kgo.Record{Topic: topic, Value: []byte("record")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	k.Forget()
}

// DeleteTopic deletes a topic behind the server's back.
func (k *Kafka) DeleteTopic(t testing.TB, name string) {
	t.Helper()
	topic := kmsg.NewDeleteTopicsRequestTopic()
	topic.Topic = &name
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.Topics, request.TopicNames = append(request.Topics, topic), []string{name}
	response, err := request.RequestWith(context.Background(), k.client)
	if err != nil {
		t.Fatal(err)
	}
	if code := response.Topics[0].ErrorCode; code != 0 {
		t.Fatalf("delete topic %s: code %d", name, code)
	}
	k.Forget()
}

// Config asks the brokers for a topic's own settings.
func (k *Kafka) Config(t testing.TB, topic string) map[string]string {
	t.Helper()
	resource := kmsg.NewDescribeConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	request := kmsg.NewPtrDescribeConfigsRequest()
	request.Resources = append(request.Resources, resource)
	response, err := request.RequestWith(context.Background(), k.client)
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{}
	for _, entry := range response.Resources[0].Configs {
		if entry.Source == kmsg.ConfigSourceDynamicTopicConfig && entry.Value != nil {
			settings[entry.Name] = *entry.Value
		}
	}
	return settings
}

// Eventually polls until a condition holds.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not in twenty seconds: %s", what)
		}
	}
}
