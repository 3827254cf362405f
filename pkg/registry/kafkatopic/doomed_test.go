package kafkatopic_test

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
)

// loseDeletions has brokers take deletions of topics and not answer, nor carry them out, until hold is false. asked are the ids that they were asked for.
func loseDeletions(k *apiservertest.Kafka) (hold *atomic.Bool, asked func() [][16]byte) {
	hold = &atomic.Bool{}
	hold.Store(true)
	var mu sync.Mutex
	ids := map[[16]byte]bool{}
	k.ControlKey(int16(kmsg.DeleteTopics), func(request kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		if !hold.Load() {
			return nil, nil, false
		}
		mu.Lock()
		defer mu.Unlock()
		for _, topic := range request.(*kmsg.DeleteTopicsRequest).Topics {
			ids[topic.TopicID] = true
		}
		return nil, errors.New("closed"), true
	})
	return hold, func() [][16]byte {
		mu.Lock()
		defer mu.Unlock()
		return slices.Collect(maps.Keys(ids))
	}
}

// deleteNow carries out deletions that brokers were asked for.
func deleteNow(t *testing.T, k *apiservertest.Kafka, ids [][16]byte) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	req := kmsg.NewPtrDeleteTopicsRequest()
	for _, id := range ids {
		topic := kmsg.NewDeleteTopicsRequestTopic()
		topic.TopicID = id
		req.Topics = append(req.Topics, topic)
	}
	if _, err := req.RequestWith(t.Context(), client); err != nil {
		t.Fatal(err)
	}
}

// The deletion of what came late has no answer, and is carried out a moment later: brokers that are just back.
func TestWhatMayBeDeletedYetIsNobodys(t *testing.T) {
	l := newLatecomer(t)
	l.madeByAnother()
	l.delete()
	now(l)
	hold, asked := loseDeletions(l.k)
	l.k.CreateTopic(t, "orders", 3, 2)
	late := l.k.Topics(t)["orders"].ID
	l.eventually("what came late is asked to be deleted", slowly, func() bool { return len(asked()) > 0 })
	// For three seconds the brokers are watched for the deletion. By then the outcome is known to be unknown.
	for ended := time.After(4 * time.Second); ended != nil; {
		select {
		case <-ended:
			ended = nil
		case <-time.After(20 * time.Millisecond):
			if c := l.claim(); c.ID != late {
				t.Fatalf("the claim says nothing of what may be deleted yet: %+v", c)
			}
		}
	}
	hold.Store(false)
	next, err := create(l.user, newTopic(l.k, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	l.k.Produce(t, "orders")
	// The controller carries out what it was asked for.
	deleteNow(t, l.k, asked())
	if have, there := l.k.Topics(t)["orders"]; !there {
		t.Errorf("the next object was given %s (what came late is %s), which is deleted with its records by a request of the sweeper; %+v", next.Status.TopicID, late, have)
	}
}

// What a former request made is made anew for an object that asks for something else; its deletion has no answer.
func TestWhatIsMadeAnewIsNotTakenBack(t *testing.T) {
	l := latecomerOf(t, nil)
	user := l.user
	if err := topicsOf(user, l.k).Delete(t.Context(), "orders", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	hold, asked := loseDeletions(l.k)
	// It comes late.
	l.k.CreateTopic(t, "orders", 3, 2)
	doomed := l.k.Topics(t)["orders"].ID
	_, err := create(user, newTopic(l.k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.Partitions = ptr.To[int32](5) }))
	if err != nil {
		t.Fatal(err)
	}
	hold.Store(false)
	// Whether it is accepted does not matter.
	_, _ = topicsOf(user, l.k).Patch(t.Context(), "orders", types.MergePatchType, []byte(`{"spec":{"driftPolicy":"Report"}}`), metav1.PatchOptions{})
	var got *v1beta1.KafkaTopic
	l.eventually("something is said", slowly, func() bool {
		got, err = topicsOf(user, l.k).Get(t.Context(), "orders", metav1.GetOptions{})
		return err == nil && got.Status.TopicID != "" || len(l.claim().Wanted) == 0
	})
	if len(asked()) > 0 && got.Status.TopicID == doomed {
		l.k.Produce(t, "orders")
		deleteNow(t, l.k, asked())
		if _, there := l.k.Topics(t)["orders"]; !there {
			t.Errorf("the object has %s, which its own create asked the brokers to delete, and which went with its records", doomed)
		}
	}
}
