package kafkatopic_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync/atomic"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// twoServers share an etcd. kv may be nil; it is the first one's way to etcd.
func twoServers(t *testing.T, kv func(clientv3.KV) clientv3.KV) (first, second *apiservertest.Server) {
	t.Helper()
	start := func(options apiservertest.Options) *apiservertest.Server {
		s, err := apiservertest.Start(options)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return s
	}
	first = start(apiservertest.Options{Shared: true, KV: kv})
	return first, start(apiservertest.Options{Beside: first})
}

func setRetention(s *apiservertest.Server, k *apiservertest.Kafka, value string) (*v1beta1.KafkaTopic, error) {
	return topicsOf(s.Client, k).Patch(context.Background(), "orders", types.MergePatchType,
		[]byte(fmt.Sprintf(`{"spec":{"config":{"retention.ms":%q}}}`, value)), metav1.PatchOptions{})
}

// claimWrites sees the writes of claims, and has those fail that fail returns an error for.
type claimWrites struct {
	clientv3.KV
	fail func(claim) error
}

func (w claimWrites) Txn(ctx context.Context) clientv3.Txn {
	return &claimTxn{Txn: w.KV.Txn(ctx), fail: w.fail}
}

type claimTxn struct {
	clientv3.Txn
	fail func(claim) error
	err  error
}

func (x *claimTxn) If(cs ...clientv3.Cmp) clientv3.Txn { x.Txn = x.Txn.If(cs...); return x }

func (x *claimTxn) Then(ops ...clientv3.Op) clientv3.Txn {
	for _, op := range ops {
		var c claim
		if op.IsPut() && strings.Contains(string(op.KeyBytes()), "/claims/") && json.Unmarshal(op.ValueBytes(), &c) == nil {
			x.err = errors.Join(x.err, x.fail(c))
		}
	}
	x.Txn = x.Txn.Then(ops...)
	return x
}

func (x *claimTxn) Else(ops ...clientv3.Op) clientv3.Txn { x.Txn = x.Txn.Else(ops...); return x }

func (x *claimTxn) Commit() (*clientv3.TxnResponse, error) {
	if x.err != nil {
		return nil, x.err
	}
	return x.Txn.Commit()
}

var errNoLeader = errors.New("etcdserver: no leader")

// A fence that could not be lowered when its request ended keeps nobody out for longer than etcd is away.
func TestAFenceIsLoweredLater(t *testing.T) {
	t.Parallel()
	var etcdFails atomic.Bool
	var failures atomic.Int32
	first, second := twoServers(t, func(kv clientv3.KV) clientv3.KV {
		return claimWrites{kv, func(c claim) error {
			if etcdFails.Load() && c.Fence == "" && failures.Add(1) <= 2 {
				return errNoLeader
			}
			return nil
		}}
	})
	k := first.NewKafka(t, 3)
	if _, err := create(first.Client, newTopic(k, "orders")); err != nil {
		t.Fatal(err)
	}
	// What etcd fails at from now on is the lowering of the fence, by the request and by the first look after it.
	etcdFails.Store(true)
	if _, err := setRetention(first, k, "1000"); err != nil {
		t.Fatal(err)
	}
	if failures.Load() == 0 {
		t.Fatal("nothing failed")
	}
	apiservertest.Eventually(t, "the fence is lowered", func() bool {
		// What failed is looked at again in some seconds.
		first.Clock.Step(inFlight)
		up := 0
		if err := first.Claims.List(t.Context(), func(c *claim) error {
			if c.Fence != "" {
				up++
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return up == 0
	})
	changed, err := setRetention(second, k, "2000")
	if err != nil {
		t.Fatal(err)
	}
	expectReady(t, changed, metav1.ConditionTrue, "Ready")
	if got := k.Config(t, "orders")["retention.ms"]; got != "2000" {
		t.Errorf("the brokers have retention.ms=%s", got)
	}
}

// What another server still does for an object that is gone must not reach what is made for the next one of the name.
func TestACreateWaitsForAFence(t *testing.T) {
	t.Parallel()
	first, _ := twoServers(t, nil)
	k := first.NewKafka(t, 3)
	name := storage.Name{Kind: storage.TopicClaim, Cluster: types.NamespacedName{Namespace: k.Object.Namespace, Name: k.Object.Name}, Name: "orders"}
	// Sweepers look at the claim meanwhile, whose object is gone, and lower the fence of their own server.
	fence := func(server string) {
		t.Helper()
		apiservertest.Eventually(t, "the fence is up", func() bool {
			standing, err := first.Claims.Take(t.Context(), claim{Name: name, Owner: storage.Owner{Namespace: name.Cluster.Namespace, Name: "former", UID: "gone"}, ID: "gone", Retain: true}, "")
			if err == nil {
				_, err = first.Claims.Update(t.Context(), standing, func(c *claim) { c.Fence = server })
			}
			if err != nil && !errors.Is(err, storage.ErrClaimChanged) {
				t.Fatal(err)
			}
			return err == nil
		})
	}
	lives, err := first.Etcd.Get(t.Context(), apiserver.EtcdPrefix+"/servers/", clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for _, kv := range lives.Kvs {
		for range 3 {
			fence(path.Base(string(kv.Key)))
			if _, err := create(first.Client, newTopic(k, "orders"), metav1.DryRunAll); err != nil {
				expectStatus(t, err, 409, "being changed by another request")
				refused++
				break
			}
		}
	}
	if len(lives.Kvs) != 2 || refused != 1 {
		t.Errorf("of %d servers, the fences of %d are waited for", len(lives.Kvs), refused)
	}
	fence("a server that is gone")
	if _, err := create(first.Client, newTopic(k, "orders")); err != nil {
		t.Error(err)
	}
}
