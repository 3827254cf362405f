package kafkatopic_test

import (
	"errors"
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

// The deletion of what came late has no answer, and is carried out a moment later: brokers that are just back.
func TestWhatMayBeDeletedYetIsNobodys(t *testing.T) {
	l := newLatecomer(t)
	l.madeByAnother()
	l.delete()
	now(l)
	var hold atomic.Bool
	hold.Store(true)
	var mu sync.Mutex
	asked := map[[16]byte]bool{}
	l.k.ControlKey(int16(kmsg.DeleteTopics), func(request kmsg.Request) (kmsg.Response, error, bool) {
		l.k.KeepControl()
		if !hold.Load() {
			return nil, nil, false
		}
		mu.Lock()
		defer mu.Unlock()
		for _, topic := range request.(*kmsg.DeleteTopicsRequest).Topics {
			asked[topic.TopicID] = true
		}
		return nil, errors.New("closed"), true
	})
	l.k.CreateTopic(t, "orders", 3, 2)
	late := l.k.Topics(t)["orders"].ID
	l.eventually("what came late is asked to be deleted, and forgotten", slowly, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(asked) > 0
	})
	time.Sleep(3 * time.Second)
	hold.Store(false)
	next, err := create(l.user, newTopic(l.k, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	l.k.Produce(t, "orders")
	// The controller carries out what it was asked for.
	client, err := kgo.NewClient(kgo.SeedBrokers(l.k.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for id := range asked {
		req := kmsg.NewPtrDeleteTopicsRequest()
		topic := kmsg.NewDeleteTopicsRequestTopic()
		topic.TopicID = id
		req.Topics = append(req.Topics, topic)
		if _, err := req.RequestWith(t.Context(), client); err != nil {
			t.Fatal(err)
		}
	}
	if have, there := l.k.Topics(t)["orders"]; !there {
		t.Errorf("the next object was given %s (what came late is %s), which is deleted with its records by a request of the sweeper; %+v", next.Status.TopicID, late, have)
	}
}

// What a former request made is made anew for an object that asks for something else; its deletion has no answer.
func TestWhatIsMadeAnewIsNotTakenBack(t *testing.T) {
	s, err := apiservertest.Start(apiservertest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	user, _ := s.As(t, without("own"))
	l := &latecomer{Server: s, t: t, k: s.NewKafka(t, 3), user: user}
	loseCreate(l.k)
	if _, err := create(user, newTopic(l.k, "orders")); err != nil {
		t.Fatal(err)
	}
	if err := topicsOf(user, l.k).Delete(t.Context(), "orders", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	var hold atomic.Bool
	hold.Store(true)
	var mu sync.Mutex
	asked := map[[16]byte]bool{}
	l.k.ControlKey(int16(kmsg.DeleteTopics), func(request kmsg.Request) (kmsg.Response, error, bool) {
		l.k.KeepControl()
		if !hold.Load() {
			return nil, nil, false
		}
		mu.Lock()
		defer mu.Unlock()
		for _, topic := range request.(*kmsg.DeleteTopicsRequest).Topics {
			asked[topic.TopicID] = true
		}
		return nil, errors.New("closed"), true
	})
	// It comes late.
	l.k.CreateTopic(t, "orders", 3, 2)
	doomed := l.k.Topics(t)["orders"].ID
	_, err = create(user, newTopic(l.k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.Partitions = ptr.To[int32](5) }))
	if err != nil {
		t.Fatal(err)
	}
	hold.Store(false)
	got, err := topicsOf(user, l.k).Patch(t.Context(), "orders", types.MergePatchType, []byte(`{"spec":{"driftPolicy":"Report"}}`), metav1.PatchOptions{})
	if err != nil {
	} else {
	}
	l.eventually("something is said", slowly, func() bool {
		got, err = topicsOf(user, l.k).Get(t.Context(), "orders", metav1.GetOptions{})
		return err == nil && got.Status.TopicID != "" || len(l.claim().Wanted) == 0
	})
	if len(asked) > 0 && got.Status.TopicID == doomed {
		client, err := kgo.NewClient(kgo.SeedBrokers(l.k.ListenAddrs()...))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		l.k.Produce(t, "orders")
		req := kmsg.NewPtrDeleteTopicsRequest()
		for id := range asked {
			topic := kmsg.NewDeleteTopicsRequestTopic()
			topic.TopicID = id
			req.Topics = append(req.Topics, topic)
		}
		if _, err := req.RequestWith(t.Context(), client); err != nil {
			t.Fatal(err)
		}
		if _, there := l.k.Topics(t)["orders"]; !there {
			t.Errorf("the object has %s, which its own create asked the brokers to delete, and which went with its records", doomed)
		}
	}
}
