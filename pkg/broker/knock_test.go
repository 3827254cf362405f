package broker

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// Nobody listens any more, and what was asked for before is not answered.
func TestABrokerThatRefusesAndIsSilentIsGone(t *testing.T) {
	b := newBench(t, Options{}, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
	likeKRaft(b)
	b.mustTopic(t, "orders")
	addr := b.kafka.ListenAddrs()[0]
	b.network.set(func() { b.network.hung[addr], b.network.dead[addr] = true, true })
	start := time.Now()
	_, _, err := b.cluster.Topic(testContext(t), "orders")
	if took := time.Since(start); !kafkaerr.IsUnreachable(err) || took > 10*time.Second {
		t.Errorf("%v after %v", err, took)
	}
}

// A broker that has as many connections of one address as it may have is no dead one.
func TestRefusedConnectionsCutNoRequestInFlight(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	b.warm(t)
	if _, err := b.cluster.CreateTopic(testContext(t), NewTopic{Name: "warm", Partitions: 1, Replicas: 1}, false); err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	b.kafka.ControlKey(int16(kmsg.CreateTopics), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.kafka.SleepControl(func() { <-release })
		return nil, nil, false
	})
	b.network.set(func() {
		b.network.rule = func(_ string, key int16) verdict {
			if key == int16(kmsg.ApiVersions) {
				return cut
			}
			return pass
		}
	})
	looked := b.network.requests(int16(kmsg.ApiVersions))
	done := make(chan error, 1)
	go func() {
		_, err := b.cluster.CreateTopic(testContext(t), NewTopic{Name: "slow", Partitions: 1, Replicas: 1}, false)
		done <- err
	}()
	// The answer is late, and whoever looks for the broker meanwhile finds no way in.
	eventually(t, "the broker is looked for", func() bool { return b.network.requests(int16(kmsg.ApiVersions)) > looked })
	eventually(t, "that has ended", func() bool {
		b.cluster.core.Knocks.Mu.Lock()
		defer b.cluster.core.Knocks.Mu.Unlock()
		return len(b.cluster.core.Knocks.Waiting) == 0
	})
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, found, err := b.cluster.Topic(testContext(t), "slow"); err != nil || !found {
		t.Errorf("over the connections that are there: found %v, %v", found, err)
	}
}
