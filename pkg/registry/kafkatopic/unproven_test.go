package kafkatopic_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

// A topic that was told by what it is like is asked to be deleted, without an answer. Somebody uses it before the next try.
func TestWhatIsUsedBeforeAnotherDeletionStays(t *testing.T) {
	for name, tc := range map[string]struct{ before, come func(l *latecomer) }{
		"it came late": {
			before: func(l *latecomer) {
				l.madeByAnother()
				l.delete()
				now(l)
			},
			come: func(l *latecomer) { l.k.CreateTopic(l.t, "orders", 3, 2) },
		},
		"it came at once": {come: func(l *latecomer) {
			l.k.CreateTopic(l.t, "orders", 3, 2)
			if err := topicsOf(l.user, l.k).Delete(l.t.Context(), "orders", metav1.DeleteOptions{}); err != nil {
				l.t.Fatal(err)
			}
		}},
		"the next object asks for another": {come: func(l *latecomer) {
			if err := topicsOf(l.user, l.k).Delete(l.t.Context(), "orders", metav1.DeleteOptions{}); err != nil {
				l.t.Fatal(err)
			}
			l.k.CreateTopic(l.t, "orders", 3, 2)
			if _, err := create(l.user, newTopic(l.k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.Partitions = ptr.To[int32](5) })); err != nil {
				l.t.Log(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := latecomerOf(t, nil)
			if tc.before != nil {
				tc.before(l)
			}
			hold, asked := loseDeletions(l.k)
			tc.come(l)
			have := l.k.Topics(t)["orders"].ID
			l.eventually("it is asked to be deleted", slowly, func() bool { return len(asked()) > 0 })
			l.k.Produce(t, "orders")
			hold.Store(false)
			l.eventually("nothing of the name is about to be deleted", slowly, func() bool {
				if got := l.k.Topics(t)["orders"].ID; got != have {
					t.Fatalf("topic %s and its records are gone: %q is there", have, got)
				}
				c := l.claim()
				return c == nil || len(c.TombstonedIDs) == 0 && c.ID == ""
			})
		})
	}
}
