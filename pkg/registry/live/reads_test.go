package live

import (
	"context"
	"errors"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
)

// slowStore answers with a newer Kafka each time, when it is let go.
type slowStore struct {
	asked, letGo chan struct{}
	reads        int64
}

func (s *slowStore) Get(context.Context, string, *metav1.GetOptions) (runtime.Object, error) {
	s.reads++
	generation := s.reads
	s.asked <- struct{}{}
	<-s.letGo
	return &kafka.Kafka{ObjectMeta: metav1.ObjectMeta{Generation: generation}}, nil
}

func TestThoseWhoComeDuringAReadShareTheNextOne(t *testing.T) {
	store := &slowStore{asked: make(chan struct{}), letGo: make(chan struct{})}
	get := func(ctx context.Context) (*kafka.Kafka, error) {
		obj, err := store.Get(ctx, "k", nil)
		return obj.(*kafka.Kafka), err
	}
	var shared reads
	of := types.NamespacedName{Namespace: "streams", Name: "k"}
	first := shared.join(t.Context(), of, get)
	<-store.asked
	second, third := shared.join(t.Context(), of, get), shared.join(t.Context(), of, get)
	if second == first || second != third {
		t.Error("those who come during a read get that one, or one each")
	}
	store.letGo <- struct{}{}
	<-first.done
	<-store.asked
	store.letGo <- struct{}{}
	<-second.done
	if first.kafka.Generation != 1 || second.kafka.Generation != 2 || store.reads != 2 {
		t.Errorf("found %d and %d in %d reads", first.kafka.Generation, second.kafka.Generation, store.reads)
	}
	if len(shared.running) != 0 {
		t.Error("a Kafka that nobody reads any more is remembered")
	}
}

func TestWhoLeavesDoesNotEndTheReadOfOthers(t *testing.T) {
	store := &slowStore{asked: make(chan struct{}), letGo: make(chan struct{})}
	clusters := &Clusters{Kafkas: store}
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := clusters.Kafka(ctx, "streams", "k")
		left <- err
	}()
	<-store.asked
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("who left was told %v", err)
	}
	stays := make(chan error, 1)
	go func() {
		_, err := clusters.Kafka(t.Context(), "streams", "k")
		stays <- err
	}()
	store.letGo <- struct{}{}
	<-store.asked
	store.letGo <- struct{}{}
	if err := <-stays; err != nil {
		t.Errorf("who stayed was told %v", err)
	}
}

// A read is nobody's own, so that a panic in it would end the process.
func TestAPanicInAReadIsItsError(t *testing.T) {
	var shared reads
	of := types.NamespacedName{Namespace: "streams", Name: "k"}
	_, err := shared.get(t.Context(), of, func(context.Context) (*kafka.Kafka, error) { panic("a bug") })
	if err == nil || !strings.Contains(err.Error(), "a bug") {
		t.Errorf("it is %v", err)
	}
	if k, err := shared.get(t.Context(), of, func(context.Context) (*kafka.Kafka, error) { return &kafka.Kafka{}, nil }); k == nil || err != nil {
		t.Errorf("the next read: %v, %v", k, err)
	}
}
