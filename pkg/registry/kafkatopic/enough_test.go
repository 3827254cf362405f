package kafkatopic_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// shutDown has the brokers of k refuse what needs others of them, as a controller does while these are fenced or shut down, until they are back.
func shutDown(k *apiservertest.Kafka) (back func()) {
	const code = 38 // INVALID_REPLICATION_FACTOR
	words := ptr.To("Unable to replicate the partition 3 time(s): All brokers are currently fenced or in controlled shutdown.")
	var away atomic.Bool
	away.Store(true)
	k.ControlKey(int16(kmsg.CreateTopics), func(request kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		if !away.Load() {
			return nil, nil, false
		}
		response := request.ResponseKind().(*kmsg.CreateTopicsResponse)
		for _, topic := range request.(*kmsg.CreateTopicsRequest).Topics {
			refused := kmsg.NewCreateTopicsResponseTopic()
			refused.Topic, refused.ErrorCode, refused.ErrorMessage = topic.Topic, code, words
			response.Topics = append(response.Topics, refused)
		}
		return response, nil, true
	})
	k.ControlKey(int16(kmsg.CreatePartitions), func(request kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		if !away.Load() {
			return nil, nil, false
		}
		response := request.ResponseKind().(*kmsg.CreatePartitionsResponse)
		for _, topic := range request.(*kmsg.CreatePartitionsRequest).Topics {
			refused := kmsg.NewCreatePartitionsResponseTopic()
			refused.Topic, refused.ErrorCode, refused.ErrorMessage = topic.Topic, code, words
			response.Topics = append(response.Topics, refused)
		}
		return response, nil, true
	})
	return func() { away.Store(false) }
}

// Brokers refuse replicas while others of them are away: that is an outage, whichever way the request takes. What the cluster can never have is
// refused.
func TestAwayBrokersAreAnOutage(t *testing.T) {
	t.Parallel()
	dry := []string{metav1.DryRunAll}
	grow := func(client versioned.Interface, k *apiservertest.Kafka, options metav1.PatchOptions) (*v1beta1.KafkaTopic, error) {
		return topicsOf(client, k).Patch(t.Context(), "there", types.MergePatchType, []byte(`{"spec":{"partitions":6}}`), options)
	}
	for name, tc := range map[string]struct {
		send func(versioned.Interface, *apiservertest.Kafka) (*v1beta1.KafkaTopic, error)
		// stored says what is done later.
		stored func(*v1beta1.KafkaTopic) bool
	}{
		"create": {func(client versioned.Interface, k *apiservertest.Kafka) (*v1beta1.KafkaTopic, error) {
			return create(client, newTopic(k, "orders"))
		}, func(topic *v1beta1.KafkaTopic) bool { return topic.Status.TopicID == "" && topic.UID != "" }},
		"create with open replicas": {func(client versioned.Interface, k *apiservertest.Kafka) (*v1beta1.KafkaTopic, error) {
			return create(client, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.Replicas = nil }))
		}, func(topic *v1beta1.KafkaTopic) bool { return topic.Status.TopicID == "" && topic.UID != "" }},
		"dry run of a create": {func(client versioned.Interface, k *apiservertest.Kafka) (*v1beta1.KafkaTopic, error) {
			return create(client, newTopic(k, "orders"), dry...)
		}, nil},
		"growth": {func(client versioned.Interface, k *apiservertest.Kafka) (*v1beta1.KafkaTopic, error) {
			return grow(client, k, metav1.PatchOptions{})
		}, func(topic *v1beta1.KafkaTopic) bool {
			return *topic.Spec.Partitions == 6 && topic.Status.Partitions == 3
		}},
		"dry run of a growth": {func(client versioned.Interface, k *apiservertest.Kafka) (*v1beta1.KafkaTopic, error) {
			return grow(client, k, metav1.PatchOptions{DryRun: dry})
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := server.NewKafka(t, 3)
			mustCreate(t, newTopic(k, "there"))
			shutDown(k)
			client, warnings := server.Warned(t)
			got, err := tc.send(client, k)
			if err != nil {
				t.Fatal(err)
			}
			if texts := strings.Join(warnings.Take(), "\n"); !strings.Contains(texts, "waiting for brokers") {
				t.Errorf("warnings are %q", texts)
			}
			if tc.stored == nil {
				return
			}
			if !tc.stored(got) {
				t.Errorf("stored is %+v with %+v", got.Spec, got.Status)
			}
			expectReady(t, got, metav1.ConditionFalse, topics.ReasonClusterUnreachable)
			if ready := meta.FindStatusCondition(got.Status.Conditions, v1beta1.ConditionReady); !strings.Contains(ready.Message, "waiting for brokers") ||
				meta.IsStatusConditionTrue(got.Status.Conditions, v1beta1.ConditionStalled) {
				t.Errorf("the conditions are %+v", got.Status.Conditions)
			}
		})
	}
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "there"))
	shutDown(k)
	for _, options := range [][]string{nil, dry} {
		_, err := create(server.Client, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.Replicas = ptr.To[int32](4) }), options...)
		expectStatus(t, err, 422, "spec.replicas")
	}
	_, err := topicsOf(server.Client, k).UpdateScale(t.Context(), "there", &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{Name: "there", Namespace: k.Object.Namespace},
		Spec: autoscalingv1.ScaleSpec{Replicas: 6}}, metav1.UpdateOptions{})
	expectStatus(t, err, 503, "waiting for brokers, of which 0 of 3 serve")
}
