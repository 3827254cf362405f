//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/test/integration/harness"
	"kafka.openshift.io/kafka-apiserver/test/kafkaproc"
)

// agreeWithin is how soon after a fault objects and brokers have to agree.
const agreeWithin = 30 * time.Second

// startLimit bounds the start of brokers; a tenth of it is usual on an idle machine.
const startLimit = 3 * time.Minute

// gated is the listener whose requests a test can see and cut.
const gated = "GATED"

// victim is a cluster of three brokers that a test breaks.
type victim struct {
	*kafkaproc.Cluster
	gate *gate
	// addresses are those of the gate.
	addresses []string
}

func startVictim(t *testing.T, version string) *victim {
	t.Helper()
	v := &victim{}
	v.gate, v.addresses = newGate(t, 3)
	listeners := []kafkaproc.Listener{{Name: gated, Protocol: "PLAINTEXT", Advertised: v.addresses}}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	dir := filepath.Join(t.TempDir(), "kafka")
	// The log cleaner would take half of the heap, which hundreds of logs need.
	config := map[string]string{"log.cleaner.dedupe.buffer.size": "4194304"}
	var err error
	if version == kafkaproc.Version3 {
		config["zookeeper.session.timeout.ms"] = "6000"
		v.Cluster, err = kafkaproc.StartZooKeeper(ctx, kafkaproc.ZooKeeperOptions{Dir: dir, Brokers: 3, Listeners: listeners, Config: config})
	} else {
		v.Cluster, err = kafkaproc.StartKRaft(ctx, kafkaproc.Options{Dir: dir, Nodes: 3, Listeners: listeners, Config: config})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Kill() })
	v.gate.lead(v.BootstrapAt(gated))
	return v
}

// each does something to some brokers at once.
func (v *victim) each(do func(*kafkaproc.Process) error, ids ...int) error {
	errs := make([]error, len(ids))
	var all sync.WaitGroup
	for i, id := range ids {
		all.Go(func() { errs[i] = do(v.Broker(id)) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func (v *victim) start(t *testing.T) func(*kafkaproc.Process) error {
	return func(p *kafkaproc.Process) error {
		ctx, cancel := context.WithTimeout(t.Context(), startLimit)
		defer cancel()
		return p.Start(ctx)
	}
}

// Not beside other tests: it starts the controllers.
func TestFaults(t *testing.T) {
	cluster.StartControllers(t)
	other := cluster.Namespace(t)
	newKafka(t, other, cluster.Kafka)
	mustCreate(t, newTopic(other, other+".orders"))
	for _, version := range []string{kafkaproc.Version4, kafkaproc.Version3} {
		t.Run(version, func(t *testing.T) {
			// They wait most of the time.
			t.Parallel()
			v := startVictim(t, version)
			stop := (*kafkaproc.Process).Kill
			if version == kafkaproc.Version3 {
				// A broker that was killed comes back only when its session with ZooKeeper is over.
				stop = func(p *kafkaproc.Process) error { return p.Stop(t.Context()) }
			}
			for _, lost := range []string{"request", "answer"} {
				t.Run("brokers restarted between validating and applying, the "+lost+" lost", func(t *testing.T) { testRestartInBetween(t, v, stop, lost) })
			}
			all := []int{0, 1, 2}
			for _, fault := range []struct {
				name     string
				hit, end func() error
				lasts    time.Duration
			}{
				{"all brokers stopped", func() error { return v.each(stop, all...) }, func() error { return v.each(v.start(t), all...) }, 8 * time.Second},
				{"one broker stopped", func() error { return v.each(stop, 0) }, func() error { return v.each(v.start(t), 0) }, 8 * time.Second},
				// Longer than brokers wait for each other, which is nine seconds in KRaft mode.
				{"one broker frozen", v.Broker(1).Suspend, v.Broker(1).Resume, 12 * time.Second},
			} {
				t.Run(fault.name, func(t *testing.T) {
					n := cluster.Namespace(t)
					newKafka(t, n, v.Cluster)
					work := startWorkload(t, cluster.Client, n)
					bystander := startBystander(t, other, other+".orders")
					before := bystander.phase(t, 150, 4*time.Second)
					was := ids(t, cluster.Client, n)
					if err := fault.hit(); err != nil {
						t.Fatal(err)
					}
					during := bystander.phase(t, 150, fault.lasts)
					if err := fault.end(); err != nil {
						t.Fatal(err)
					}
					after := bystander.phase(t, 150, 0)
					bystander.stop()
					work.stop()
					harness.Eventually(t, agreeWithin, "objects and brokers agree", func() string { return settled(t, cluster.Client, n, v.Cluster) })
					expectNotHeldUp(t, before, during, after)
					expectKept(t, work, was)
				})
			}
			t.Run("a partition without a leader", func(t *testing.T) { testElections(t, v, stop) })
		})
	}
}

// testElections takes away the only replica in sync of a partition: it has a leader again when somebody says that what the other
// replica misses may be lost, and its first one when that is asked for once it is back.
func testElections(t *testing.T, v *victim, stop func(*kafkaproc.Process) error) {
	n := cluster.Namespace(t)
	newKafka(t, n, v.Cluster)
	name := n + ".orders"
	kubectl(t, topicManifest(n, "orders", name, `"partitions":1,"replicas":2`), "create -f -")
	await := func(what string, is func(p v1beta1.PartitionStatus) bool) (p v1beta1.PartitionStatus) {
		t.Helper()
		harness.Eventually(t, time.Minute, what, func() string {
			view, err := cluster.Client.KafkaV1beta1().KafkaTopics(n).GetPartitions(t.Context(), "orders", metav1.GetOptions{})
			if err != nil {
				return err.Error()
			}
			if p = view.Status.Partitions[0]; !is(p) {
				return fmt.Sprintf("the partition is %+v", p)
			}
			return ""
		})
		return p
	}
	p := await("both replicas are in sync", func(p v1beta1.PartitionStatus) bool { return len(p.ISR) == 2 })
	first := p.Leader
	other := p.ISR[0] + p.ISR[1] - first
	elect := func(spec string) v1beta1.PartitionElection {
		t.Helper()
		out := kubectl(t, `{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaTopicElection","spec":`+spec+`}`, "create --raw "+rawOf(n, "elect")+" -f -")
		var got v1beta1.KafkaTopicElection
		if err := json.Unmarshal([]byte(out), &got); err != nil || len(got.Status.Partitions) != 1 {
			t.Fatalf("elect answers %s, %v", out, err)
		}
		return got.Status.Partitions[0]
	}

	if err := v.each(stop, int(other)); err != nil {
		t.Fatal(err)
	}
	await("one replica is in sync", func(p v1beta1.PartitionStatus) bool { return slices.Equal(p.ISR, []int32{first}) })
	kubectl(t, recordsBody(t, v1beta1.TopicRecord{Value: ptr.To("only there")}), "create --raw "+rawOf(n, "records")+" -f -")
	if err := v.each(stop, int(first)); err != nil {
		t.Fatal(err)
	}
	if err := v.each((*kafkaproc.Process).Launch, int(other)); err != nil {
		t.Fatal(err)
	}
	leaderless := func(p v1beta1.PartitionStatus) bool { return p.Leader < 0 && slices.Equal(p.Offline, []int32{first}) }
	await("the other broker is back and does not lead", leaderless)
	refused(t, `{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaTopicElection","spec":{}}`, "create --raw "+rawOf(n, "elect")+" -f -",
		503, name+"-0", "PREFERRED_LEADER_NOT_AVAILABLE")
	await("nobody leads still", leaderless)
	if got := elect(`{"type":"Unclean","partitions":[0]}`); got.Result != v1beta1.ResultDone || got.LeaderBefore != -1 || got.LeaderAfter != other {
		t.Errorf("electing whoever is there: %+v", got)
	}
	expectWords(t, "kafka-topics", topicTool(t, v.Cluster, "--describe --topic "+name), fmt.Sprintf("Leader: %d", other))

	if err := v.each(v.start(t), int(first)); err != nil {
		t.Fatal(err)
	}
	await("both replicas are in sync again", func(p v1beta1.PartitionStatus) bool { return len(p.ISR) == 2 })
	if got := elect(`{}`); got.Result != v1beta1.ResultDone || got.LeaderAfter != first {
		t.Errorf("electing the preferred leader, which is back: %+v", got)
	}
	expectWords(t, "kafka-topics", topicTool(t, v.Cluster, "--describe --topic "+name), fmt.Sprintf("Leader: %d", first))
}

// expectKept checks that no topic was lost, or replaced by another.
func expectKept(t *testing.T, work *workload, was map[string]string) {
	t.Helper()
	now := ids(t, work.client, work.namespace)
	kept := work.kept()
	if len(kept) < 5 {
		t.Errorf("only %d topics were created and left alone", len(kept))
	}
	for _, name := range kept {
		if now[name] == "" {
			t.Errorf("%s was created, and is gone", name)
		}
		if before := was[name]; before != "" && before != now[name] {
			t.Errorf("%s had the id %s and has %s", name, before, now[name])
		}
	}
}

// testRestartInBetween restarts all brokers when they have judged a create, and the object is stored, but the request that creates the
// topic has not reached them; or has, and its answer is lost.
func testRestartInBetween(t *testing.T, v *victim, stop func(*kafkaproc.Process) error, lost string) {
	n := cluster.Namespace(t)
	_, err := cluster.Client.KafkaV1beta1().Kafkas(n).Create(t.Context(), &v1beta1.Kafka{ObjectMeta: metav1.ObjectMeta{Name: "my-cluster"},
		Spec: v1beta1.KafkaSpec{External: &v1beta1.ExternalSpec{BootstrapServers: v.addresses}}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	kubectl(t, "", "wait kafka/my-cluster --for=condition=Ready --timeout=30s -n "+n)
	var once sync.Once
	back := make(chan error, 1)
	cut := func(frame []byte) bool {
		if !changes(frame) {
			return true
		}
		pass := true
		once.Do(func() {
			pass = false
			all := []int{0, 1, 2}
			err := v.each(stop, all...)
			go func() { back <- errors.Join(err, v.each(v.start(t), all...)) }()
		})
		return pass
	}
	if lost == "request" {
		v.gate.watch(cut, nil)
	} else {
		v.gate.watch(nil, cut)
	}
	defer v.gate.watch(nil, nil)
	name := n + ".orders"
	out := kubectl(t, topicManifest(n, name, "", `"partitions":2,"replicas":2,"config":{"retention.ms":"1000"}`), "create -f -")
	expectWords(t, "the create", out, "created")
	select {
	case err := <-back:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(startLimit):
		t.Fatal("the brokers were not restarted: the create did not come by")
	}
	harness.Eventually(t, agreeWithin, "the object and the brokers agree", func() string { return settled(t, cluster.Client, n, v.Cluster) })
	if now := ids(t, cluster.Client, n); len(now) != 1 || now[name] == "" {
		t.Errorf("the objects are %v", now)
	}
	expectWords(t, "the topic", topicTool(t, v.Cluster, "--describe --topic "+name), "retention.ms=1000")
}
