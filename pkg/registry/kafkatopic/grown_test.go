package kafkatopic_test

import (
	"slices"
	"strings"
	"testing"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/validation"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
)

// A manifest says again and again how many partitions its topic has, whatever others have made of it meanwhile.
func TestAnUnchangedManifestOfAGrownTopicIsNoChange(t *testing.T) {
	t.Parallel()
	for _, way := range specWays {
		t.Run(string(way), func(t *testing.T) {
			t.Parallel()
			k := server.NewKafka(t, 3)
			user, warnings := server.Warned(t)
			client := user.KafkaV1beta1().RESTClient()
			topic := mustCreate(t, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.Partitions = ptr.To[int32](2) }))
			for _, grown := range []int32{4, 6} {
				if _, err := topicsOf(server.Client, k).UpdateScale(t.Context(), "orders", &autoscalingv1.Scale{
					ObjectMeta: metav1.ObjectMeta{Name: "orders", Namespace: topic.Namespace}, Spec: autoscalingv1.ScaleSpec{Replicas: grown}}, metav1.UpdateOptions{}); err != nil {
					t.Fatal(err)
				}
				for _, dryRun := range []string{metav1.DryRunAll, ""} {
					manifest := mustGet(t, topic)
					generation := manifest.Generation
					manifest.Spec.Partitions, manifest.ResourceVersion = ptr.To[int32](2), ""
					request := topicWrites.Request(t, client, way, manifest)
					if dryRun != "" {
						request = request.Param("dryRun", dryRun)
					}
					var answer v1beta1.KafkaTopic
					if err := request.Do(t.Context()).Into(&answer); err != nil {
						t.Fatal(err)
					}
					if now := mustGet(t, topic); *answer.Spec.Partitions != grown || *now.Spec.Partitions != grown || now.Generation != generation {
						t.Errorf("answered with %d partitions; stored are %d in generation %d, which was %d", *answer.Spec.Partitions, *now.Spec.Partitions, now.Generation, generation)
					}
					if text := strings.Join(warnings.Take(), "; "); !strings.Contains(text, "spec.partitions") || !strings.Contains(text, "partitions only grow") {
						t.Errorf("the warning is %q", text)
					}
				}
			}
			manifest := mustGet(t, topic)
			manifest.Spec.Partitions = ptr.To[int32](1)
			expectStatus(t, topicWrites.Request(t, client, way, manifest).Do(t.Context()).Error(), 422, "spec.partitions", "only grow")
			manifest.Spec.Partitions = ptr.To[int32](8)
			if err := topicWrites.Request(t, client, way, manifest).Do(t.Context()).Error(); err != nil {
				t.Fatal(err)
			}
			if have := k.Topics(t)["orders"]; len(have.Partitions) != 8 {
				t.Errorf("the brokers have %d partitions", len(have.Partitions))
			}
		})
	}
}

// A topic was grown by its scale, and is to grow more when its brokers are back. That is taken back by the number that it has, or any between.
func TestAGrowthThatWasNotCarriedOutCanBeTakenBack(t *testing.T) {
	t.Parallel()
	for _, way := range specWays {
		t.Run(string(way), func(t *testing.T) {
			t.Parallel()
			k := server.NewKafka(t, 3)
			user, warnings := server.Warned(t)
			client := user.KafkaV1beta1().RESTClient()
			topic := mustCreate(t, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.Partitions = ptr.To[int32](2) }))
			if _, err := topicsOf(server.Client, k).UpdateScale(t.Context(), "orders", &autoscalingv1.Scale{
				ObjectMeta: metav1.ObjectMeta{Name: "orders", Namespace: topic.Namespace}, Spec: autoscalingv1.ScaleSpec{Replicas: 4}}, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
			k.Refuse()
			for _, step := range []struct {
				write, want int32
				words       string
			}{
				{9000, 9000, ""},
				{2, 9000, "4 takes the rest back"},
				{40, 40, ""},
				{3, 4, "has grown from 2 to 4 partitions, and keeps them instead of 3: partitions only grow; the 40 that were asked for are taken back"},
				{12, 12, ""},
				{4, 4, ""},
			} {
				manifest := mustGet(t, topic)
				manifest.Spec.Partitions, manifest.ResourceVersion = ptr.To(step.write), ""
				warnings.Take()
				if err := topicWrites.Request(t, client, way, manifest).Do(t.Context()).Error(); err != nil {
					t.Fatalf("%d: %v", step.write, err)
				}
				if got := *mustGet(t, topic).Spec.Partitions; got != step.want {
					t.Errorf("after %d the spec has %d, want %d", step.write, got, step.want)
				}
				text := strings.Join(warnings.Take(), "; ")
				if told := strings.Contains(text, "partitions only grow"); told != (step.words != "") || !strings.Contains(text, step.words) {
					t.Errorf("after %d the warning is %q", step.write, text)
				}
			}
			k.Return()
			brokersServe(t, k, "orders")
			if have := k.Topics(t)["orders"]; len(have.Partitions) != 4 {
				t.Errorf("the brokers have %d partitions", len(have.Partitions))
			}
		})
	}
}

// What waits for its finalizers only is not changed on the brokers any more, whichever way is tried; what becomes of it can be changed.
func TestATerminatingTopicIsNotChangedAnyMore(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	client := server.Client.KafkaV1beta1().RESTClient()
	topic := mustCreate(t, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Finalizers = []string{"example.com/hold"} }))
	mustDelete(t, topic)
	reason := validation.GoingAway(nil).Detail
	for _, way := range append(slices.Clone(specWays), apiservertest.WayScale) {
		for what, change := range map[string]func(*v1beta1.KafkaTopic){
			"partitions": func(topic *v1beta1.KafkaTopic) { topic.Spec.Partitions = ptr.To[int32](5) },
			"config":     func(topic *v1beta1.KafkaTopic) { topic.Spec.Config = v1beta1.TopicConfig{"retention.ms": "1000"} },
		} {
			if way == apiservertest.WayScale && what != "partitions" {
				continue
			}
			t.Run(string(way)+"/"+what, func(t *testing.T) {
				changed := mustGet(t, topic)
				change(changed)
				changed.DeletionTimestamp = nil // so that the patches leave the finalizers alone
				expectStatus(t, topicWrites.Request(t, client, way, changed).Do(t.Context()).Error(), 422, reason)
			})
		}
	}
	view, err := topicsOf(server.Client, k).GetPartitions(t.Context(), "orders", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	view.Spec.Partitions = append(view.Spec.Partitions, v1beta1.PartitionAssignment{Partition: int32(len(view.Spec.Partitions)), Replicas: view.Spec.Partitions[0].Replicas})
	_, err = topicsOf(server.Client, k).UpdatePartitions(t.Context(), "orders", view, metav1.UpdateOptions{})
	expectStatus(t, err, 422, reason)
	if have := k.Topics(t)["orders"]; len(have.Partitions) != 3 {
		t.Errorf("the brokers have %+v", have)
	}
	retained := mustGet(t, topic)
	retained.Spec.DeletionPolicy = v1beta1.TopicRetain
	if err := topicWrites.Request(t, client, apiservertest.WayPut, retained).Do(t.Context()).Error(); err != nil {
		t.Error(err)
	}
}
