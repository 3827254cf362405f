package stored

import (
	"context"
	"errors"
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
)

// looks is a guard that counts how often it has to look.
type looks struct {
	n   int
	err error
}

func (l *looks) Err() error { return nil }

func (l *looks) Verify(context.Context) error {
	l.n++
	return l.err
}

func watched(guard Guard, events ...watch.EventType) (watch.Interface, *Store) {
	incoming := watch.NewFakeWithChanSize(len(events), false)
	for i, kind := range events {
		incoming.Action(kind, &kafka.KafkaTopic{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint(i)}})
	}
	incoming.Stop()
	s := &Store{Store: &genericregistry.Store{DefaultQualifiedResource: schema.GroupResource{Resource: "kafkatopics"}}, Guard: guard}
	return incoming, s
}

// A namespace that goes deletes a thousand objects a second. A watcher that is told more slowly is closed.
func TestOneLookIsForAllDeletionsThatHaveCome(t *testing.T) {
	events := []watch.EventType{watch.Added}
	for range 100 {
		events = append(events, watch.Deleted)
	}
	guard := &looks{}
	incoming, s := watched(guard, append(events, watch.Modified, watch.Deleted)...)
	told := 0
	for event := range s.doubtful(t.Context(), incoming).ResultChan() {
		if got := event.Object.(*kafka.KafkaTopic).Name; got != fmt.Sprint(told) {
			t.Fatalf("event %d is of object %s", told, got)
		}
		told++
	}
	if told != 103 || guard.n != 1 {
		t.Errorf("%d events of 103 were told after %d looks, want all after one", told, guard.n)
	}
}

// Of a storage that is not ours no deletion is told, nor what comes behind it.
func TestDeletionsOfAnotherStorageAreNotTold(t *testing.T) {
	incoming, s := watched(&looks{err: errors.New("emptied")}, watch.Added, watch.Deleted, watch.Added)
	var told []watch.EventType
	for event := range s.doubtful(t.Context(), incoming).ResultChan() {
		told = append(told, event.Type)
	}
	if len(told) != 2 || told[0] != watch.Added || told[1] != watch.Error {
		t.Errorf("told %v, want what came before and an error", told)
	}
}
