package kafkatopic_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// The brokers are asked once, for real, before anything but the claim is stored.
func TestACreateAsksTheBrokersOnce(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	// What is there at the moment when the brokers get a request.
	there := map[string]bool{}
	k.ControlKey(19, func(request kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		_, err := topicsOf(server.Client, k).Get(t.Context(), "orders", metav1.GetOptions{})
		there["object"] = !apierrors.IsNotFound(err)
		there["claim"] = slices.Equal(claimsOn(t, k), []string{"orders"})
		return nil, nil, false
	})
	created := mustCreate(t, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.Config = map[string]string{"retention.ms": "86400000"} }))

	if want := map[string]bool{"claim": true, "object": false}; !maps.Equal(there, want) {
		t.Errorf("stored when the brokers were asked: %v, want %v", there, want)
	}
	if got := kinds(k); !slices.Equal(got, []string{"CreateTopics"}) {
		t.Errorf("the brokers got %v, want one request", got)
	}
	if claim := claimOn(t, k, "orders"); claim == nil || claim.ID != created.Status.TopicID {
		t.Errorf("the claim is %+v, the topic %s", claim, created.Status.TopicID)
	}
	have := k.Topics(t)["orders"]
	if len(have.Partitions) != 3 || len(have.Partitions[0]) != 2 || k.Config(t, "orders")["retention.ms"] != "86400000" {
		t.Errorf("the brokers have %+v with %v", have, k.Config(t, "orders"))
	}
	expectReady(t, created, metav1.ConditionTrue, "Ready")
	status := created.Status
	if status.TopicID != have.ID || status.Partitions != 3 || status.Replicas != 2 || status.TopicName != "orders" ||
		status.ObservedGeneration != created.Generation || created.Generation != 1 {
		t.Errorf("answered with generation %d and %+v; the topic has id %s", created.Generation, status, have.ID)
	}
	if again := mustGet(t, created); again.ResourceVersion != created.ResourceVersion {
		t.Errorf("the answer is version %s, stored is %s", created.ResourceVersion, again.ResourceVersion)
	}
}

func TestTheBrokersRefuseACreate(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	expectRefused := func(topic *v1beta1.KafkaTopic, words ...string) {
		t.Helper()
		_, err := create(server.Client, topic)
		expectStatus(t, err, 422, words...)
		expectNothing(t, k, topic.Name)
		if got := kinds(k); !slices.Equal(got, []string{"CreateTopics"}) {
			t.Errorf("the brokers got %v, want one request", got)
		}
		k.Forget()
	}
	expectRefused(newTopic(k, "more-replicas-than-brokers", func(topic *v1beta1.KafkaTopic) { topic.Spec.Replicas = ptr.To[int32](4) }),
		"spec.replicas", "INVALID_REPLICATION_FACTOR")
	k.ControlKey(19, func(request kmsg.Request) (kmsg.Response, error, bool) {
		return refuseTopics(request, 40, "Unknown topic config name: retention.hours"), nil, true
	})
	_, err := create(server.Client, newTopic(k, "unknown-setting", func(topic *v1beta1.KafkaTopic) {
		topic.Spec.Config = map[string]string{"retention.hours": "1"}
	}))
	expectStatus(t, err, 422, "spec.config", "Unknown topic config name: retention.hours")
	expectNothing(t, k, "unknown-setting")
	k.ControlKey(19, func(request kmsg.Request) (kmsg.Response, error, bool) {
		return refuseTopics(request, 44, "Topics need at least three replicas here"), nil, true
	})
	_, err = create(server.Client, newTopic(k, "against-policy"))
	expectStatus(t, err, 403, "Topics need at least three replicas here")
	expectNothing(t, k, "against-policy")
}

// refuseTopics answers a CreateTopics with one code for all.
func refuseTopics(request kmsg.Request, code int16, message string) kmsg.Response {
	asked := request.(*kmsg.CreateTopicsRequest)
	response := asked.ResponseKind().(*kmsg.CreateTopicsResponse)
	for _, topic := range asked.Topics {
		answer := kmsg.NewCreateTopicsResponseTopic()
		answer.Topic, answer.ErrorCode, answer.ErrorMessage = topic.Topic, code, &message
		response.Topics = append(response.Topics, answer)
	}
	return response
}

func TestBadInputOfACreate(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	for _, tc := range []struct {
		name   string
		topic  string
		change func(*v1beta1.KafkaTopic)
		words  []string
	}{
		{"no partitions", "zero", func(topic *v1beta1.KafkaTopic) { topic.Spec.Partitions = ptr.To[int32](0) }, []string{"spec.partitions", "at least 1 partition"}},
		{"a Kafka that does not exist", "nowhere", func(topic *v1beta1.KafkaTopic) { topic.Spec.ClusterRef.Name = "no-such" },
			[]string{"spec.clusterRef.name", `no Kafka "no-such" in namespace "` + k.Object.Namespace}},
		{"a name of dots", "..", nil, []string{"metadata.name"}},
		{"a name with a space", "or ders", nil, []string{"metadata.name", "ASCII letters"}},
		{"an internal topic", "__consumer_offsets", nil, []string{"metadata.name", "internal topics"}},
		{"a chosen internal topic", "mine", func(topic *v1beta1.KafkaTopic) { topic.Spec.TopicName = "__consumer_offsets" }, []string{"spec.topicName", "internal topics"}},
		{"a policy that does not exist", "policy", func(topic *v1beta1.KafkaTopic) { topic.Spec.DeletionPolicy = "Orphan" }, []string{"spec.deletionPolicy", `"Delete", "Retain"`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			topic := newTopic(k, tc.topic)
			if tc.change != nil {
				tc.change(topic)
			}
			_, err := create(server.Client, topic)
			expectStatus(t, err, 422, tc.words...)
			if got := kinds(k); len(got) != 0 {
				t.Errorf("the brokers got %v", got)
			}
		})
	}
	if claims := claimsOn(t, k); len(claims) != 0 {
		t.Errorf("claims are left: %v", claims)
	}
	if have := k.Topics(t); len(have) != 0 {
		t.Errorf("topics are left: %v", have)
	}
}

// claimsOn are the topic names that are claimed on a cluster, without those under which something may come late.
func claimsOn(t *testing.T, k *apiservertest.Kafka) []string {
	t.Helper()
	names := []string{}
	for _, claim := range listClaims(t) {
		if claim.Cluster.Namespace == k.Object.Namespace && !awaits(claim) {
			names = append(names, claim.Name.Name)
		}
	}
	return names
}

// claimOn is the claim on a topic name of a cluster; nil without one.
func claimOn(t *testing.T, k *apiservertest.Kafka, name string) *claim {
	t.Helper()
	got, err := server.Claims.Get(t.Context(), storage.Name{Kind: storage.TopicClaim,
		Cluster: types.NamespacedName{Namespace: k.Object.Namespace, Name: k.Object.Name}, Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestNumbersLeftToTheBrokersBecomeTheSpec(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 2, defaultPartitions(7))
	open := func(topic *v1beta1.KafkaTopic) { topic.Spec.Partitions, topic.Spec.Replicas = nil, nil }
	created := mustCreate(t, newTopic(k, "orders", open))
	if have := k.Topics(t)["orders"]; len(have.Partitions) != 7 {
		t.Fatalf("the brokers have %d partitions", len(have.Partitions))
	}
	if got := ptr.Deref(created.Spec.Partitions, 0); got != 7 {
		t.Errorf("spec.partitions is %d, want the brokers' 7", got)
	}
	if got := ptr.Deref(created.Spec.Replicas, 0); got != 2 {
		t.Errorf("spec.replicas is %d, want the brokers' 2", got)
	}
	if created.Status.ObservedGeneration != created.Generation {
		t.Errorf("generation is %d, observed is %d: the brokers already have what was filled in", created.Generation, created.Status.ObservedGeneration)
	}
	// The user's manifest still leaves them open.
	again := newTopic(k, "orders", open)
	again.Labels = map[string]string{"team": "a"}
	updated, err := topicsOf(server.Client, k).Update(t.Context(), again, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if ptr.Deref(updated.Spec.Partitions, 0) != 7 || updated.Generation != created.Generation {
		t.Errorf("the numbers were lost: %+v, generation %d", updated.Spec, updated.Generation)
	}
}

func TestAnUpdateIsValidatedStoredApplied(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.Config = map[string]string{"retention.ms": "1000"} }))
	k.Forget()

	topic.Spec.Partitions = ptr.To[int32](5)
	topic.Spec.Config = map[string]string{"max.message.bytes": "2000"}
	updated, err := topicsOf(server.Client, k).Update(t.Context(), topic, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"CreatePartitions?", "AlterConfigs?", "CreatePartitions", "AlterConfigs"}; !slices.Equal(kinds(k), want) {
		t.Errorf("the brokers got %v, want %v", kinds(k), want)
	}
	if n := len(k.Topics(t)["orders"].Partitions); n != 5 {
		t.Errorf("the brokers have %d partitions, want 5", n)
	}
	if got, want := k.Config(t, "orders"), map[string]string{"max.message.bytes": "2000"}; !maps.Equal(got, want) {
		t.Errorf("the topic's settings are %v, want %v", got, want)
	}
	if updated.Generation != 2 || updated.Status.ObservedGeneration != 2 || updated.Status.Partitions != 5 {
		t.Errorf("generation %d, status %+v", updated.Generation, updated.Status)
	}
	expectReady(t, updated, metav1.ConditionTrue, "Ready")

	// A change of the metadata is none of the brokers' business.
	k.Forget()
	updated.Labels = map[string]string{"team": "a"}
	labelled, err := topicsOf(server.Client, k).Update(t.Context(), updated, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(kinds(k)) != 0 || labelled.Generation != 2 {
		t.Errorf("for a label the brokers got %v, the generation is %d", kinds(k), labelled.Generation)
	}
}

func TestARefusedUpdateChangesNothing(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	k.CreateTopic(t, "unrelated", 1, 1)
	for _, tc := range []struct {
		name   string
		change func(*v1beta1.KafkaTopic)
		words  []string
	}{
		{"fewer partitions", func(topic *v1beta1.KafkaTopic) { topic.Spec.Partitions = ptr.To[int32](2) }, []string{"spec.partitions", "has 3 partitions", "only grow"}},
		{"another number of replicas", func(topic *v1beta1.KafkaTopic) { topic.Spec.Replicas = ptr.To[int32](3) }, []string{"spec.replicas", "not served yet", "has 2"}},
		{"another Kafka", func(topic *v1beta1.KafkaTopic) { topic.Spec.ClusterRef.Name = "other" }, []string{"spec.clusterRef.name", "immutable"}},
		{"another Kafka's namespace", func(topic *v1beta1.KafkaTopic) { topic.Spec.ClusterRef.Namespace = "other" }, []string{"spec.clusterRef.namespace", "immutable"}},
		{"another name", func(topic *v1beta1.KafkaTopic) { topic.Spec.TopicName = "unrelated" }, []string{"spec.topicName", "immutable"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k.Forget()
			next := topic.DeepCopy()
			tc.change(next)
			_, err := topicsOf(server.Client, k).Update(t.Context(), next, metav1.UpdateOptions{})
			expectStatus(t, err, 422, tc.words...)
			if got := mustGet(t, topic); got.ResourceVersion != topic.ResourceVersion {
				t.Errorf("the object was changed: %+v", got.Spec)
			}
			if got := kinds(k); slices.Contains(got, "CreatePartitions") || slices.Contains(got, "AlterConfigs") {
				t.Errorf("the brokers got %v", got)
			}
		})
	}
	t.Run("a setting that the brokers refuse", func(t *testing.T) {
		message := "Invalid value x for configuration retention.ms"
		k.ControlKey(44, func(request kmsg.Request) (kmsg.Response, error, bool) {
			response := request.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
			answer := kmsg.NewIncrementalAlterConfigsResponseResource()
			answer.ResourceType, answer.ResourceName, answer.ErrorCode, answer.ErrorMessage = kmsg.ConfigResourceTypeTopic, "orders", 40, &message
			response.Resources = append(response.Resources, answer)
			return response, nil, true
		})
		next := topic.DeepCopy()
		next.Spec.Config = map[string]string{"retention.ms": "x"}
		_, err := topicsOf(server.Client, k).Update(t.Context(), next, metav1.UpdateOptions{})
		expectStatus(t, err, 422, "spec.config", message)
		if got := mustGet(t, topic); got.ResourceVersion != topic.ResourceVersion {
			t.Errorf("the object was changed: %+v", got.Spec)
		}
	})
}

func TestADryRunLeavesNothing(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	dry := []string{metav1.DryRunAll}
	if _, err := create(server.Client, newTopic(k, "orders"), dry...); err != nil {
		t.Fatal(err)
	}
	expectNothing(t, k, "orders")
	if got := kinds(k); !slices.Equal(got, []string{"CreateTopics?"}) {
		t.Errorf("the brokers got %v, want to be asked only", got)
	}
	_, err := create(server.Client, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.Replicas = ptr.To[int32](9) }), dry...)
	expectStatus(t, err, 422, "INVALID_REPLICATION_FACTOR")

	topic := mustCreate(t, newTopic(k, "orders"))
	_, err = create(server.Client, newTopic(k, "orders"), dry...)
	expectStatus(t, err, 409, "already exists")
	k.Forget()
	next := topic.DeepCopy()
	next.Spec.Partitions, next.Spec.Config = ptr.To[int32](9), map[string]string{"retention.ms": "1"}
	if _, err := topicsOf(server.Client, k).Update(t.Context(), next, metav1.UpdateOptions{DryRun: dry}); err != nil {
		t.Fatal(err)
	}
	if err := topicsOf(server.Client, k).Delete(t.Context(), "orders", metav1.DeleteOptions{DryRun: dry}); err != nil {
		t.Fatal(err)
	}
	// The question of the create that was refused for its name may come late: nobody waited for its answer.
	got := slices.DeleteFunc(kinds(k), func(kind string) bool { return kind == "CreateTopics?" })
	if !slices.Equal(got, []string{"CreatePartitions?", "AlterConfigs?"}) {
		t.Errorf("the brokers got %v", got)
	}
	if got := mustGet(t, topic); got.ResourceVersion != topic.ResourceVersion {
		t.Error("a dry run changed the object")
	}
	if n := len(k.Topics(t)["orders"].Partitions); n != 3 {
		t.Errorf("the brokers have %d partitions, want 3", n)
	}
}

func TestAdmissionJudgesBeforeTheBrokersAreAsked(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	k.Forget()
	server.Admit(t, k.Object.Namespace, func(a admission.Attributes) error {
		if a.GetResource().Resource == "kafkatopics" {
			return admission.NewForbidden(a, errNo)
		}
		return nil
	})
	_, err := create(server.Client, newTopic(k, "denied"))
	expectStatus(t, err, 403, "the policy says no")
	next := topic.DeepCopy()
	next.Spec.Partitions = ptr.To[int32](9)
	_, err = topicsOf(server.Client, k).Update(t.Context(), next, metav1.UpdateOptions{})
	expectStatus(t, err, 403, "the policy says no")
	_, err = topicsOf(server.Client, k).Patch(t.Context(), "orders", types.MergePatchType, []byte(`{"spec":{"partitions":9}}`), metav1.PatchOptions{})
	expectStatus(t, err, 403, "the policy says no")
	err = topicsOf(server.Client, k).Delete(t.Context(), "orders", metav1.DeleteOptions{})
	expectStatus(t, err, 403, "the policy says no")
	if got := kinds(k); len(got) != 0 {
		t.Errorf("the brokers got %v", got)
	}
	if got := claimsOn(t, k); !slices.Equal(got, []string{"orders"}) {
		t.Errorf("claims are %v, want that of orders alone", got)
	}
}

// What the brokers chose has an owner, so that who applies an object later sees whose it is, and takes it with force only.
func TestFilledInFieldsHaveAnOwner(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 2, defaultPartitions(7))
	created := mustCreate(t, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.Partitions = nil }))
	owners := map[string]string{}
	for _, entry := range created.ManagedFields {
		owners[entry.Manager] = entry.FieldsV1.GetRawString()
	}
	if want := `{"f:spec":{"f:deletionPolicy":{},"f:partitions":{}}}`; owners["kafka-apiserver"] != want {
		t.Errorf("the owners are %v, want %s to be kafka-apiserver's", owners, want)
	}
	_, err := topicsOf(server.Client, k).Patch(t.Context(), "orders", types.ApplyPatchType, []byte(`{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaTopic",
		"metadata":{"name":"orders"},"spec":{"clusterRef":{"name":"k"},"partitions":9}}`), metav1.PatchOptions{FieldManager: "gitops"})
	expectStatus(t, err, 409, "kafka-apiserver", ".spec.partitions")
}
