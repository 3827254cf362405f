package stored

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/watch"

	"kafka.openshift.io/kafka-apiserver/pkg/crash"
)

// doubtingWatch ends, with an error, instead of telling of deletions that nobody ordered: when etcd is emptied, its own
// watch says of every object that it was deleted, and who hears it tears down what belongs to the object.
type doubtingWatch struct {
	watch.Interface
	events chan watch.Event
}

// doubtful watches the deletions of a watch.
func (s *Store) doubtful(ctx context.Context, incoming watch.Interface) watch.Interface {
	w := &doubtingWatch{Interface: incoming, events: make(chan watch.Event)}
	go func() {
		defer close(w.events)
		defer incoming.Stop()
		var err error
		defer crash.Recover(&err)
		for event := range incoming.ResultChan() {
			last := false
			if event.Type == watch.Deleted {
				if err := s.verify(ctx); err != nil {
					status := err.(apierrors.APIStatus).Status()
					event, last = watch.Event{Type: watch.Error, Object: &status}, true
				}
			}
			select {
			case w.events <- event:
			case <-ctx.Done():
				return
			}
			if last {
				return
			}
		}
	}()
	return w
}

// ResultChan implements watch.Interface.
func (w *doubtingWatch) ResultChan() <-chan watch.Event { return w.events }
