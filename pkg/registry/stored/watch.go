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
	crash.Go(func() error {
		for event := range incoming.ResultChan() {
			for _, event := range s.believed(ctx, drain(event, incoming.ResultChan())) {
				select {
				case w.events <- event:
				case <-ctx.Done():
					return nil
				}
				if event.Type == watch.Error {
					return nil
				}
			}
		}
		return nil
	}, func(error) {
		// Who watches begins anew, whatever ended it.
		incoming.Stop()
		close(w.events)
	})
	return w
}

// maxDrained bounds the events that one look is for.
const maxDrained = 1000

// drain is an event with those that are there behind it, if it is a deletion: a namespace that goes makes a thousand of them a second,
// and a look at the storage for each would be too slow for that.
func drain(event watch.Event, more <-chan watch.Event) []watch.Event {
	events := []watch.Event{event}
	if event.Type != watch.Deleted {
		return events
	}
	for len(events) < maxDrained {
		select {
		case next, ok := <-more:
			if !ok {
				return events
			}
			events = append(events, next)
		default:
			return events
		}
	}
	return events
}

// believed are the events of which the first may be a deletion, with an error in the place of that and of all behind it if the storage
// is not ours. It looks after all of them have come.
func (s *Store) believed(ctx context.Context, events []watch.Event) []watch.Event {
	if events[0].Type != watch.Deleted {
		return events
	}
	if err := s.verify(ctx); err != nil {
		status := err.(apierrors.APIStatus).Status()
		return []watch.Event{{Type: watch.Error, Object: &status}}
	}
	return events
}

// ResultChan implements watch.Interface.
func (w *doubtingWatch) ResultChan() <-chan watch.Event { return w.events }
