package brokered

import (
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

const (
	// maxAwaited bounds the names of the deleted objects of one namespace for which something may come late, and maxAwaitedInAll those of all
	// namespaces, of which one counts for no more than that however many go at once: their claims are kept for an hour, and no quota counts them. A namespace without any is never kept from creating.
	maxAwaited      = 100
	maxAwaitedInAll = 1000
	// maxNamed is how many of them a refusal names.
	maxNamed = 3
)

// awaitedNames are the names that are kept because something may come late that was asked for objects which are gone, by the namespace of these.
type awaitedNames struct {
	of    map[string]map[storage.Name]struct{}
	total int
}

func (a *awaitedNames) add(namespace string, name storage.Name) {
	if a.of == nil {
		a.of = map[string]map[storage.Name]struct{}{}
	}
	if a.of[namespace] == nil {
		a.of[namespace] = map[storage.Name]struct{}{}
	}
	if len(a.of[namespace]) < maxAwaited {
		a.total++
	}
	a.of[namespace][name] = struct{}{}
}

func (a *awaitedNames) remove(namespace string, name storage.Name) {
	delete(a.of[namespace], name)
	if len(a.of[namespace]) == 0 {
		delete(a.of, namespace)
	}
	if len(a.of[namespace]) < maxAwaited {
		a.total--
	}
}

// awaits notes that something may come late for a deleted object of a namespace, or with "" that nothing may any more.
func (s *pendingDeletions) awaits(name storage.Name, namespace string) {
	s.change(name, func(one *pendingDeletion) {
		if one.awaits == namespace {
			return
		}
		if one.awaits != "" {
			s.awaited.remove(one.awaits, name)
		}
		if namespace != "" {
			s.awaited.add(namespace, name)
		}
		one.awaits = namespace
	})
}

// outlives counts a claim that something may come late for, and whose object is gone, or goes now. The sweeper, which looks at it later, would count
// those of brokers that refuse everything one at a time.
func (s *Store[T, H]) outlives(c *storage.Claim) {
	if s.awaited(c) {
		s.Sweeper.Check(c.Name, requestFirst)
		s.Sweeper.pending.awaits(c.Name, c.Owner.Namespace)
	}
}

// full are the names of a namespace for which something may come late, in order, when they are too many for one more name; nil when they are not.
// One of them is no more.
func (s *pendingDeletions) full(namespace string, name storage.Name) (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	here := s.awaited.of[namespace]
	if _, one := here[name]; one || len(here) == 0 || len(here) < maxAwaited && s.awaited.total < maxAwaitedInAll {
		return nil
	}
	for name := range here {
		names = append(names, name.Name)
	}
	slices.Sort(names)
	return names
}

// room refuses to create an object in a namespace where too many were deleted of which nobody knows yet what comes of them. To forget the
// oldest would leave on the brokers what comes late for it. No Retry-After: clients would wait for an hour without a word.
func (s *Store[T, H]) room(obj T) error {
	names := s.Sweeper.pending.full(obj.GetNamespace(), s.kind.Name(obj))
	if names == nil {
		return nil
	}
	more := ""
	if len(names) > maxNamed {
		more = ", and others"
	}
	return apierrors.NewTooManyRequestsError(fmt.Sprintf(
		"the brokers did not answer when they were asked for what %d deleted objects of namespace %s wanted (%s%s): it may come late, and is waited for, an hour at most; what has one of these names can be created, everything else when there are fewer",
		len(names), obj.GetNamespace(), strings.Join(names[:min(len(names), maxNamed)], ", "), more))
}
