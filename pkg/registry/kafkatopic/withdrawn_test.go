package kafkatopic_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	clientv3 "go.etcd.io/etcd/client/v3"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// dropFails has the removals of claims fail that are still to fail.
type dropFails struct {
	clientv3.KV
	left *atomic.Int32
}

func (w dropFails) Txn(ctx context.Context) clientv3.Txn {
	return &dropTxn{Txn: w.KV.Txn(ctx), left: w.left}
}

type dropTxn struct {
	clientv3.Txn
	left *atomic.Int32
	err  error
}

func (x *dropTxn) If(cs ...clientv3.Cmp) clientv3.Txn { x.Txn = x.Txn.If(cs...); return x }
func (x *dropTxn) Then(ops ...clientv3.Op) clientv3.Txn {
	for _, op := range ops {
		if op.IsDelete() && strings.Contains(string(op.KeyBytes()), "/claims/topic") && x.left.Load() > 0 {
			x.left.Add(-1)
			x.err = errNoLeader
		}
	}
	x.Txn = x.Txn.Then(ops...)
	return x
}
func (x *dropTxn) Else(ops ...clientv3.Op) clientv3.Txn { x.Txn = x.Txn.Else(ops...); return x }
func (x *dropTxn) Commit() (*clientv3.TxnResponse, error) {
	if x.err != nil {
		return nil, x.err
	}
	return x.Txn.Commit()
}

// A create is refused because the topic is somebody's, and its claim cannot be dropped at once: it gives its maker nothing, and deletes nothing.
func TestARefusedCreateGivesNothing(t *testing.T) {
	t.Parallel()
	var left atomic.Int32
	s, err := apiservertest.Start(apiservertest.Options{KV: func(kv clientv3.KV) clientv3.KV { return dropFails{kv, &left} }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	tenant, _ := s.As(t, without("own"))
	for _, again := range []bool{true, false} {
		k := s.NewKafka(t, 3)
		k.CreateTopic(t, "orders", 3, 2)
		id := k.Topics(t)["orders"].ID
		left.Store(1)
		_, err := create(tenant, newTopic(k, "orders"))
		expectStatus(t, err, 403, `"own"`)
		if left.Load() != 0 {
			t.Fatal("nothing failed")
		}
		if again {
			_, err := create(tenant, newTopic(k, "orders"))
			expectStatus(t, err, 403, `"own"`)
		}
		apiservertest.Eventually(t, "the claim goes", func() bool {
			s.Clock.Step(inFlight)
			n := 0
			if err := s.Claims.List(t.Context(), func(c *claim) error {
				if c.Cluster.Namespace == k.Object.Namespace {
					n++
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			return n == 0
		})
		if have := k.Topics(t)["orders"].ID; have != id {
			t.Errorf("the brokers have topic %q, want %s", have, id)
		}
	}
}

// The brokers were found to be away when they were asked, and that nobody was asked cannot be noted: somebody's topic is not the object's.
func TestWhatNobodyWasAskedForIsSomebodys(t *testing.T) {
	t.Parallel()
	var fails atomic.Int32
	s, err := apiservertest.Start(apiservertest.Options{KV: func(kv clientv3.KV) clientv3.KV {
		return claimWrites{kv, func(c claim) error {
			if c.Name.Name == "orders" && len(c.Wanted) == 0 && c.Server != "" && fails.Add(-1) >= 0 {
				return errNoLeader
			}
			return nil
		}}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	tenant, _ := s.As(t, without("own"))
	k := s.NewKafka(t, 3)
	k.CreateTopic(t, "orders", 3, 2)
	id := k.Topics(t)["orders"].ID
	if _, err := create(s.Client, newTopic(k, "other")); err != nil {
		t.Fatal(err)
	}
	k.Refuse()
	fails.Store(1)
	topic, err := create(tenant, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.DeletionPolicy = v1beta1.TopicDelete }))
	if err != nil {
		t.Fatal(err)
	}
	if fails.Load() > 0 {
		t.Fatal("nothing failed")
	}
	k.Return()
	brokersServeTo(t, s.Client, k, "other")
	_, err = topicsOf(s.Client, k).UpdateStatus(t.Context(), adopting(topic.DeepCopy(), id), metav1.UpdateOptions{})
	expectStatus(t, err, 403, `"own"`)
	if err := topicsOf(tenant, k).Delete(t.Context(), "orders", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	apiservertest.Eventually(t, "the claim goes", func() bool {
		s.Clock.Step(inFlight)
		c, err := s.Claims.Get(t.Context(), storage.Name{Kind: storage.TopicClaim, Cluster: types.NamespacedName{Namespace: k.Object.Namespace, Name: k.Object.Name}, Name: "orders"})
		return err == nil && c == nil
	})
	if have := k.Topics(t)["orders"].ID; have != id {
		t.Errorf("the brokers have topic %q, want %s", have, id)
	}
}

// A create is under way that is about to be refused, because the topic is somebody's. A dry run of the same does not go by what its claim says
// that the brokers are asked for.
func TestADryRunBesideARefusedCreateIsRefused(t *testing.T) {
	t.Parallel()
	tenant, _ := server.As(t, without("own"))
	k := server.NewKafka(t, 3)
	k.CreateTopic(t, "orders", 3, 2)
	held, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	k.ControlKey(int16(kmsg.CreateTopics), func(request kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		if !request.(*kmsg.CreateTopicsRequest).ValidateOnly {
			once.Do(func() {
				close(held)
				k.SleepControl(func() { <-release })
			})
		}
		return nil, nil, false
	})
	created, tried := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := create(tenant, newTopic(k, "orders"))
		created <- err
	}()
	<-held
	go func() {
		_, err := create(tenant, newTopic(k, "orders"), metav1.DryRunAll)
		tried <- err
	}()
	// What does not happen can only be waited for: on a slow machine this finds less, and is right all the same.
	select {
	case err := <-tried:
		tried <- err
	case <-time.After(2 * time.Second):
	}
	close(release)
	for what, answer := range map[string]chan error{"create": created, "dry run": tried} {
		if err := <-answer; !apierrors.IsForbidden(err) {
			t.Errorf("the %s: %v, want that it is forbidden", what, err)
		}
	}
}
