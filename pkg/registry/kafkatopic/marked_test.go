package kafkatopic_test

import (
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// In ZooKeeper mode a topic that was just deleted is marked for deletion until all brokers have let go of it: no broker shows it, and the
// controller refuses its name, also to who only asks.
func TestANameThatIsMarkedForDeletionIsWaitedFor(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	var marked atomic.Int32
	k.ControlKey(19, func(request kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		if marked.Add(-1) < 0 {
			return nil, nil, false
		}
		return refuseTopics(request, 36, "Topic 'orders' is marked for deletion."), nil, true
	})
	mustDelete(t, topic)
	marked.Store(3)
	if _, err := create(server.Client, newTopic(k, "orders"), metav1.DryRunAll); err != nil {
		t.Errorf("a dry run: %v", err)
	}
	marked.Store(4)
	again := mustCreate(t, newTopic(k, "orders"))
	expectReady(t, again, metav1.ConditionTrue, "Ready")
	if have := k.Topics(t)["orders"]; again.Status.TopicID == topic.Status.TopicID || again.Status.TopicID != have.ID {
		t.Errorf("the topic is %s, was %s, and the brokers have %s", again.Status.TopicID, topic.Status.TopicID, have.ID)
	}
}
