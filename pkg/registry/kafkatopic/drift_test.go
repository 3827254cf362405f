package kafkatopic_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// refusing answers a CreateTopics or an IncrementalAlterConfigs with one code, once.
func refusing(code int16, message string) func(kmsg.Request) (kmsg.Response, error, bool) {
	return func(request kmsg.Request) (kmsg.Response, error, bool) {
		switch asked := request.(type) {
		case *kmsg.CreateTopicsRequest:
			return refuseTopics(request, code, message), nil, true
		case *kmsg.IncrementalAlterConfigsRequest:
			response := asked.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
			for _, resource := range asked.Resources {
				answer := kmsg.NewIncrementalAlterConfigsResponseResource()
				answer.ResourceType, answer.ResourceName = resource.ResourceType, resource.ResourceName
				answer.ErrorCode, answer.ErrorMessage = code, &message
				response.Resources = append(response.Resources, answer)
			}
			return response, nil, true
		}
		return nil, nil, false
	}
}

// Taking a topic over changes nothing of it: a setting that the spec does not name may be what keeps somebody's records.
func TestAnAdoptionNeverChangesATopic(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	k.CreateTopic(t, "legacy", 4, 2)
	k.Configure(t, "legacy", "retention.ms", "-1")
	open := func(config v1beta1.TopicConfig) func(*v1beta1.KafkaTopic) {
		return func(topic *v1beta1.KafkaTopic) {
			topic.Spec.Partitions, topic.Spec.Replicas, topic.Spec.Config = nil, nil, config
		}
	}
	for _, tc := range []struct {
		name   string
		config v1beta1.TopicConfig
		words  []string
	}{
		{"without its setting", nil, []string{"spec.config[retention.ms]", `topic has "-1"; set it to adopt the topic`}},
		{"with another value", v1beta1.TopicConfig{"retention.ms": "5"}, []string{"spec.config[retention.ms]", `topic has "-1"; set "-1" to adopt it`}},
		{"with another setting", v1beta1.TopicConfig{"retention.ms": "-1", "segment.ms": "5"}, []string{"spec.config[segment.ms]", "leave it out to adopt it"}},
	} {
		for _, dryRun := range [][]string{{metav1.DryRunAll}, nil} {
			_, err := create(server.Client, newTopic(k, "legacy", open(tc.config)), dryRun...)
			expectStatus(t, err, 422, tc.words...)
		}
	}
	k.Forget()
	dry, err := create(server.Client, newTopic(k, "legacy", open(v1beta1.TopicConfig{"retention.ms": " -1 "})), metav1.DryRunAll)
	if err != nil {
		t.Fatal(err)
	}
	if ptr.Deref(dry.Spec.Partitions, 0) != 4 || ptr.Deref(dry.Spec.Replicas, 0) != 2 {
		t.Errorf("a dry run shows %+v, want the topic's numbers", dry.Spec)
	}
	adopted := mustCreate(t, newTopic(k, "legacy", open(v1beta1.TopicConfig{"retention.ms": " -1 "})))
	expectReady(t, adopted, metav1.ConditionTrue, "Ready")
	if slices.Contains(kinds(k), "AlterConfigs") || k.Config(t, "legacy")["retention.ms"] != "-1" {
		t.Errorf("the brokers got %v and have %v", kinds(k), k.Config(t, "legacy"))
	}
}

// A topic that somebody made in the place of an object's own is left alone until its id is named.
func TestAReplacedTopicIsAdoptedByAnExplicitAct(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	k.DeleteTopic(t, "orders")
	k.CreateTopic(t, "orders", 1, 2)
	id := k.Topics(t)["orders"].ID

	changed := topic.DeepCopy()
	changed.Spec.Config = v1beta1.TopicConfig{"retention.ms": "1000"}
	_, err := topicsOf(server.Client, k).Update(t.Context(), changed, metav1.UpdateOptions{})
	expectStatus(t, err, 422, "spec.adoptTopicID", topic.Status.TopicID, id, "set spec.adoptTopicID to "+id)
	_, err = patchScale(k, "orders", `{"spec":{"replicas":6}}`)
	expectStatus(t, err, 422, "spec.adoptTopicID")
	if view, err := topicsOf(server.Client, k).GetPartitions(t.Context(), "orders", metav1.GetOptions{}); err != nil || len(view.Status.Partitions) != 1 {
		t.Errorf("the other topic cannot be looked at: %v, %v", view, err)
	}
	if got := kinds(k); len(got) != 0 {
		t.Errorf("the brokers got %v", got)
	}
	// A label is not the topic's business.
	if _, err := topicsOf(server.Client, k).Patch(t.Context(), "orders", types.MergePatchType, []byte(`{"metadata":{"labels":{"a":"b"}}}`), metav1.PatchOptions{}); err != nil {
		t.Error(err)
	}
	adopted, err := topicsOf(server.Client, k).Patch(t.Context(), "orders", types.MergePatchType, []byte(`{"spec":{"adoptTopicID":"`+id+`"}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	expectReady(t, adopted, metav1.ConditionTrue, "Ready")
	if have := k.Topics(t)["orders"]; adopted.Status.TopicID != id || have.ID != id || len(have.Partitions) != 3 {
		t.Errorf("the status has id %s, the brokers have %+v", adopted.Status.TopicID, have)
	}
	// From now on it is the object's, and goes with it.
	mustDelete(t, adopted)
	expectNothing(t, k, "orders")
}

// Deleting the object leaves the other topic alone, too.
func TestAReplacedTopicIsNotDeleted(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	k.DeleteTopic(t, "orders")
	k.CreateTopic(t, "orders", 1, 2)
	id := k.Topics(t)["orders"].ID
	client, warnings := server.Warned(t)
	if err := topicsOf(client, k).Delete(t.Context(), "orders", metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}}); err != nil {
		t.Fatal(err)
	}
	if text := onlyWarning(t, warnings); !strings.Contains(text, "another topic stays") {
		t.Errorf("the warning of a dry run is %q", text)
	}
	mustDelete(t, topic)
	apiservertest.Eventually(t, "the claim goes", func() bool { return len(claimsOn(t, k)) == 0 })
	if have := k.Topics(t)["orders"]; have.ID != id {
		t.Errorf("the brokers have %+v, want topic %s", have, id)
	}
}

// With the policy Report the condition says that there is no drift; it goes with the policy.
func TestTheConditionDriftedBelongsToReport(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.DriftPolicy = v1beta1.DriftReport }))
	if !meta.IsStatusConditionFalse(topic.Status.Conditions, v1beta1.ConditionDrifted) {
		t.Errorf("conditions are %+v", topic.Status.Conditions)
	}
	// A write carries out the whole spec, also what was left drifted.
	k.Configure(t, "orders", "retention.ms", "7")
	topic.Spec.Partitions, topic.Spec.DriftPolicy = ptr.To[int32](4), v1beta1.DriftRevert
	updated, err := topicsOf(server.Client, k).Update(t.Context(), topic, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if meta.FindStatusCondition(updated.Status.Conditions, v1beta1.ConditionDrifted) != nil {
		t.Errorf("conditions are %+v", updated.Status.Conditions)
	}
	if got := k.Config(t, "orders"); !maps.Equal(got, map[string]string{}) {
		t.Errorf("the brokers have %v", got)
	}
}

// A folder that is applied may have its topics before its Kafka.
func TestATopicMayBeAppliedBeforeItsKafka(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	namespace := server.Namespace()
	applied := newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) {
		topic.Namespace = namespace
		topic.Annotations = map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "{}"}
	})
	client, warnings := server.Warned(t)
	dry, err := create(client, applied, metav1.DryRunAll)
	if err != nil || len(dry.Status.Conditions) != 0 {
		t.Errorf("a dry run: %+v, %v", dry, err)
	}
	if text := onlyWarning(t, warnings); !strings.Contains(text, `no Kafka "k" in namespace "`+namespace) {
		t.Errorf("its warning is %q", text)
	}
	topic, err := create(client, applied)
	if err != nil {
		t.Fatal(err)
	}
	expectReady(t, topic, metav1.ConditionFalse, "ClusterNotFound")
	if text := onlyWarning(t, warnings); !strings.Contains(text, "carried out when the brokers can be reached") || !strings.Contains(text, `no Kafka "k"`) {
		t.Errorf("the warning is %q", text)
	}
	side := []byte(`{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaTopic","metadata":{"name":"payments"},"spec":{"clusterRef":{"name":"k"}}}`)
	payments, err := client.KafkaV1beta1().KafkaTopics(namespace).Patch(t.Context(), "payments", types.ApplyPatchType, side, metav1.PatchOptions{FieldManager: "team"})
	if err != nil {
		t.Fatal(err)
	}
	expectReady(t, payments, metav1.ConditionFalse, "ClusterNotFound")
	onlyWarning(t, warnings)
	// The name is taken already, and a change is stored as well.
	_, err = create(client, newTopic(k, "alias", func(topic *v1beta1.KafkaTopic) {
		topic.Namespace, topic.Annotations, topic.Spec.TopicName = namespace, applied.Annotations, "orders"
	}))
	expectStatus(t, err, 422, "managed by")
	topic.Spec.Config = v1beta1.TopicConfig{"retention.ms": "1000"}
	if topic, err = client.KafkaV1beta1().KafkaTopics(namespace).Update(t.Context(), topic, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	expectReady(t, topic, metav1.ConditionFalse, "ClusterNotFound")
	// A create of one object refers to what is there.
	_, err = create(client, newTopic(k, "typo", func(topic *v1beta1.KafkaTopic) { topic.Namespace = namespace }))
	expectStatus(t, err, 422, "spec.clusterRef.name", `no Kafka "k"`)
	// Without brokers there is nothing to delete there.
	for _, topic := range []*v1beta1.KafkaTopic{topic, payments} {
		mustDelete(t, topic)
	}
	apiservertest.Eventually(t, "the claims go", func() bool {
		return !slices.ContainsFunc(listClaims(t), func(c *claim) bool { return c.Cluster.Namespace == namespace })
	})
}

// A dry run shows what would be stored, and changes nothing anywhere.
func TestDryRunsShowWhatWouldBe(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 2, defaultPartitions(7))
	open := func(topic *v1beta1.KafkaTopic) { topic.Spec.Partitions, topic.Spec.Replicas = nil, nil }
	dry, err := create(server.Client, newTopic(k, "orders", open), metav1.DryRunAll)
	if err != nil {
		t.Fatal(err)
	}
	if ptr.Deref(dry.Spec.Partitions, 0) != 7 || ptr.Deref(dry.Spec.Replicas, 0) != 2 {
		t.Errorf("a create would be %+v, want the brokers' numbers", dry.Spec)
	}
	expectNothing(t, k, "orders")
	topic := mustCreate(t, newTopic(k, "orders"))
	k.Grow(t, "orders", 5)
	topics := topicsOf(server.Client, k)
	all := []string{metav1.DryRunAll}
	before := mustGet(t, topic)
	change := []byte(`{"spec":{"config":{"retention.ms":"1000"}}}`)
	for name, write := range map[string]func() (*v1beta1.KafkaTopic, error){
		"update": func() (*v1beta1.KafkaTopic, error) {
			next := before.DeepCopy()
			next.Spec.Config = v1beta1.TopicConfig{"retention.ms": "1000"}
			return topics.Update(t.Context(), next, metav1.UpdateOptions{DryRun: all})
		},
		"merge patch": func() (*v1beta1.KafkaTopic, error) {
			return topics.Patch(t.Context(), "orders", types.MergePatchType, change, metav1.PatchOptions{DryRun: all})
		},
		"apply": func() (*v1beta1.KafkaTopic, error) {
			body := []byte(`{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaTopic","metadata":{"name":"orders"},
				"spec":{"clusterRef":{"name":"k"},"config":{"retention.ms":"1000"}}}`)
			return topics.Patch(t.Context(), "orders", types.ApplyPatchType, body, metav1.PatchOptions{DryRun: all, FieldManager: "team"})
		},
	} {
		k.Forget()
		would, err := write()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if would.Spec.Config["retention.ms"] != "1000" || ptr.Deref(would.Spec.Partitions, 0) != 5 {
			t.Errorf("%s would be %+v", name, would.Spec)
		}
		if got := kinds(k); !slices.Equal(got, []string{"AlterConfigs?"}) {
			t.Errorf("%s: the brokers got %v, want to be asked", name, got)
		}
	}
	k.Forget()
	if err := topics.Delete(t.Context(), "orders", metav1.DeleteOptions{DryRun: all}); err != nil {
		t.Error(err)
	}
	if err := topics.DeleteCollection(t.Context(), metav1.DeleteOptions{DryRun: all}, metav1.ListOptions{}); err != nil {
		t.Error(err)
	}
	if got := kinds(k); len(got) != 0 {
		t.Errorf("deletes: the brokers got %v", got)
	}
	if after := mustGet(t, topic); after.ResourceVersion != before.ResourceVersion {
		t.Error("a dry run changed the object")
	}
}

// Whoever deletes an object whose topic is just being made does not know the topic: the request that makes it sees to it, also when
// that took so long that nobody holds the name any more.
func TestATopicThatIsMadeWhileItsObjectIsDeletedGoes(t *testing.T) {
	t.Parallel()
	for _, claim := range []string{"stands", "is gone"} {
		t.Run("the claim "+claim, func(t *testing.T) {
			t.Parallel()
			k := server.NewKafka(t, 3)
			topic := mustCreate(t, newTopic(k, "orders"))
			k.DeleteTopic(t, "orders")
			k.ControlKey(19, func(request kmsg.Request) (kmsg.Response, error, bool) {
				k.KeepControl()
				if request.(*kmsg.CreateTopicsRequest).ValidateOnly {
					return nil, nil, false
				}
				// The change is stored and its topic not made again yet.
				if err := topicsOf(server.Client, k).Delete(t.Context(), "orders", metav1.DeleteOptions{}); err != nil {
					t.Error(err)
				}
				if claim == "is gone" {
					standing, err := server.Claims.Get(t.Context(), storage.Name{Kind: storage.TopicClaim,
						Cluster: types.NamespacedName{Namespace: k.Object.Namespace, Name: k.Object.Name}, Name: "orders"})
					if err == nil && standing != nil {
						err = server.Claims.Drop(t.Context(), standing)
					}
					if err != nil {
						t.Error(err)
					}
				}
				return nil, nil, false
			})
			topic.Spec.Config = map[string]string{"retention.ms": "1000"}
			if _, err := topicsOf(server.Client, k).Update(t.Context(), topic, metav1.UpdateOptions{}); err != nil {
				t.Errorf("%v of a change that was stored", err)
			}
			apiservertest.Eventually(t, "topic and tombstone go", func() bool { return len(k.Topics(t)) == 0 && len(claimsOn(t, k)) == 0 })
		})
	}
}
