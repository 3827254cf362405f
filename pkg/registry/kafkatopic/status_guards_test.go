package kafkatopic_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// statusWrites is how the statuses of KafkaTopics are written.
var statusWrites = apiservertest.Guarded[*v1beta1.KafkaTopic]{
	Kind: "KafkaTopic", Resource: "kafkatopics", Subresource: "status",
	Replicas: func(topic *v1beta1.KafkaTopic) int32 { return *topic.Spec.Partitions },
	Beside: map[apiservertest.Way]apiservertest.Answer{
		apiservertest.WayPost:             {Code: 405, Words: "does not allow this method", Why: "a status is read and updated only"},
		apiservertest.WayPutCreate:        {Code: 404, Words: "not found", Why: "there is no status without its object"},
		apiservertest.WayApplyCreate:      {Code: 404, Words: "not found", Why: "there is no status without its object"},
		apiservertest.WayDeparture:        {Code: 200, Words: `"finalizers":["example.com/hold"]`, Why: "a status says nothing of finalizers"},
		apiservertest.WayDelete:           {Code: 405, Words: "does not allow this method", Why: "a status is read and updated only"},
		apiservertest.WayDeleteCollection: {Code: 405, Words: "does not allow this method", Why: "a status is read and updated only"},
	},
}

// report arranges that a status is written. prepare makes what is there before, and say what the status says.
func report(prepare func(*testing.T, *apiservertest.Kafka, apiservertest.Way) *v1beta1.KafkaTopic, say func(*testing.T, *apiservertest.Kafka, *v1beta1.KafkaTopic)) func(*testing.T, apiservertest.Way) apiservertest.Attempt[*v1beta1.KafkaTopic] {
	return func(t *testing.T, way apiservertest.Way) apiservertest.Attempt[*v1beta1.KafkaTopic] {
		t.Helper()
		k := server.NewKafka(t, 3)
		if way.Creates() {
			topic := newTopic(k, "orders")
			return apiservertest.Attempt[*v1beta1.KafkaTopic]{Object: topic, Unchanged: func(t *testing.T) { expectNothing(t, k, "orders") }}
		}
		topic := prepare(t, k, way)
		say(t, k, topic)
		stored := mustGet(t, topic)
		before, claims := k.Topics(t), claimTexts(t, k)
		unchanged := func(t *testing.T) {
			t.Helper()
			expectSame(t, "topics", before, k.Topics(t))
			expectSame(t, "claims", claims, claimTexts(t, k))
			if got := mustGet(t, topic); !equality.Semantic.DeepEqual(got.Status, stored.Status) {
				t.Errorf("the status was %+v and is %+v", stored.Status, got.Status)
			}
		}
		return apiservertest.Attempt[*v1beta1.KafkaTopic]{Object: topic, Stored: stored.DeepCopy(), Unchanged: unchanged, Done: func(t *testing.T) {
			t.Helper()
			if way == apiservertest.WayDeparture {
				unchanged(t)
				return
			}
			// What is said is believed, so that the rows about dry runs are about something.
			expectSame(t, "topics", before, k.Topics(t))
			if equality.Semantic.DeepEqual(claims, claimTexts(t, k)) {
				t.Errorf("the claims are still %v", claims)
			}
		}}
	}
}

// made is an object with its topic.
func made(t *testing.T, k *apiservertest.Kafka, way apiservertest.Way) *v1beta1.KafkaTopic {
	t.Helper()
	return placed(t, newTopic(k, "orders"), way)
}

// found is an object that was stored while brokers were away, which have its topic when they are back.
func found(t *testing.T, k *apiservertest.Kafka, way apiservertest.Way) *v1beta1.KafkaTopic {
	t.Helper()
	k.Refuse()
	topic := placed(t, newTopic(k, "orders"), way)
	k.CreateTopic(t, "orders", 3, 2)
	k.Return()
	brokersServe(t, k, "orders")
	return mustGet(t, topic)
}

// waiting is an object that was stored while brokers were away, which have no topic of its name when they are back.
func waiting(t *testing.T, k *apiservertest.Kafka, way apiservertest.Way) *v1beta1.KafkaTopic {
	t.Helper()
	mustCreate(t, newTopic(k, "other"))
	k.Refuse()
	topic := placed(t, newTopic(k, "orders"), way)
	k.Return()
	brokersServe(t, k, "other")
	return mustGet(t, topic)
}

// asked says in a status that brokers were asked for the topic, and that their answer was lost.
func asked(t *testing.T, _ *apiservertest.Kafka, topic *v1beta1.KafkaTopic) {
	t.Helper()
	topics.SetConditions(&topic.Status.Conditions, topics.Creating("orders"), "", topic.Generation, metav1.Now().Time)
}

// afterAnother is an object whose name another had before, whose topic the brokers do not delete.
func afterAnother(t *testing.T, k *apiservertest.Kafka, way apiservertest.Way) *v1beta1.KafkaTopic {
	t.Helper()
	former := mustCreate(t, newTopic(k, "orders"))
	refuseDeletes(k, -1, "not now") // UNKNOWN_SERVER_ERROR is tried again.
	k.Refuse()
	mustDelete(t, former)
	topic := placed(t, newTopic(k, "orders"), way)
	k.Return()
	brokersServe(t, k, "orders")
	return mustGet(t, topic)
}

// Nobody says in a status what makes a topic that is not the object's go with the object, whichever way the status comes; and what is said in a
// dry run, or refused, changes no claim.
func TestEveryGuardOfAStatusIsOnEveryWay(t *testing.T) {
	t.Parallel()
	tenant, _ := server.As(t, without("own"))
	user, owner := tenant.KafkaV1beta1().RESTClient(), server.Client.KafkaV1beta1().RESTClient()
	scale := func(code int, words, why string) map[apiservertest.Way]apiservertest.Answer {
		return map[apiservertest.Way]apiservertest.Answer{apiservertest.WayScale: {Code: code, Words: words, Why: why}}
	}
	named := func(name string) func(*testing.T, *apiservertest.Kafka, *v1beta1.KafkaTopic) {
		return func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic) {
			t.Helper()
			topic.Status.TopicID = k.Topics(t)[name].ID
		}
	}
	unconcerned := scale(200, `"replicas":3`, "a scale says nothing of the status")
	table := statusWrites
	table.Guards = []apiservertest.Guard[*v1beta1.KafkaTopic]{
		{
			Name: "the id is that of the name", Client: user, Code: 409, Words: "which is not what the brokers call topic orders",
			Arrange: report(made, func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic) {
				t.Helper()
				k.CreateTopic(t, "other", 3, 2)
				named("other")(t, k, topic)
			}),
			Beside: unconcerned,
		},
		{
			Name: "what is somebody's is not the object's", Client: user, Code: 403, Words: `whoever has the verb "own" on the Kafka can set spec.adoptTopicID`,
			Arrange: report(made, func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic) {
				t.Helper()
				k.DeleteTopic(t, "orders")
				k.CreateTopic(t, "orders", 3, 2)
				k.Produce(t, "orders")
				named("orders")(t, k, topic)
			}),
			Beside: scale(422, "adoptTopicID", "a scale takes over nothing: the topic is not the object's"),
		},
		{
			Name: "what is about to be deleted is nobody's", Client: owner, Code: 409, Words: "is about to be deleted",
			Arrange: report(afterAnother, named("orders")),
			Beside:  scale(409, "is about to be deleted", "a scale grows nothing that is about to go"),
		},
		{
			Name: "that a topic is made again is said by who has own", Client: user, Code: 403, Words: "to say that its topic is made:",
			Arrange: report(made, func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic) {
				t.Helper()
				k.DeleteTopic(t, "orders")
				recreating(topic)
			}),
			Beside: scale(404, "orders", "there is no topic to scale"),
		},
		{
			Name: "that a topic was asked for is said by who has own", Client: user, Code: 403, Words: "to say that its topic is made:",
			Arrange: report(waiting, asked), Beside: scale(404, "orders", "there is no topic to scale"),
		},
		{
			Name: "that a topic was asked for is believed", Client: owner, Code: 200, Words: `"reason":"Creating"`,
			Arrange: report(waiting, asked),
			Beside: and(scale(404, "orders", "there is no topic to scale"), apiservertest.WayLastFinalizer,
				apiservertest.Answer{Code: 409, Words: "no topic is made for it any more", Why: "nothing is made for what is about to go"}),
		},
		{
			Name: "an id that is believed", Client: owner, Code: 200, Words: `"topicID":"`,
			Arrange: report(found, named("orders")),
			Beside:  scale(409, "which has not taken it over yet", "a scale takes over nothing: the topic was there before the object"),
		},
		{
			Name: "that a topic is made again is believed", Client: owner, Code: 200, Words: `"reason":"Recreating"`,
			Arrange: report(made, func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic) {
				t.Helper()
				k.DeleteTopic(t, "orders")
				recreating(topic)
			}),
			Beside: and(scale(404, "orders", "there is no topic to scale"), apiservertest.WayLastFinalizer,
				apiservertest.Answer{Code: 409, Words: "no topic is made for it any more", Why: "nothing is made for what is about to go"}),
		},
	}
	table.Test(t)
}
