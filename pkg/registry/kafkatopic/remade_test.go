package kafkatopic_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// recreating is what a controller writes to a status before it makes a topic again.
func recreating(topic *v1beta1.KafkaTopic) *v1beta1.KafkaTopic {
	topics.SetConditions(&topic.Status.Conditions, topics.Recreating("orders", nil), "", topic.Generation, metav1.Now().Time)
	return topic
}

// A topic was deleted on the brokers, and somebody else has made one of its name with the same numbers. That an object's topic is made
// again gives nobody what others have used: neither the controller, which has the right to all topics and says what it has found, nor who
// may write a status.
func TestWhatOthersMadeInThePlaceOfATopicStaysTheirs(t *testing.T) {
	t.Parallel()
	tenant, _ := server.As(t, without("own"))
	for _, tc := range []struct {
		name string
		// said says that the controller has said that it makes the topic again, used that the other has held a record, and like that it
		// has the numbers that the object wants.
		said, used, like bool
		// owned says that who made the object has the right to all topics.
		owned bool
		// report is the status that names the other, and by whom.
		report  func(*v1beta1.KafkaTopic, string) *v1beta1.KafkaTopic
		tenants bool
		ok      bool
	}{
		{name: "used", said: true, used: true, like: true, report: remadeAs},
		{name: "used, and the maker may adopt", said: true, used: true, like: true, owned: true, report: remadeAs},
		{name: "other numbers", said: true, report: remadeAs},
		{name: "nobody has said that it is made again", like: true, report: remadeAs},
		{name: "as it was asked for, and never used", said: true, like: true, report: remadeAs, ok: true},
		{name: "made by the controller, and used at once", said: true, used: true, like: true, report: madeAs, ok: true},
		{name: "a tenant says that it was made", said: true, used: true, like: true, report: madeAs, tenants: true},
		{name: "a tenant says so of an unused one", like: true, report: madeAs, tenants: true},
		{name: "a tenant says so of an object whose maker may adopt", used: true, like: true, owned: true, report: madeAs, tenants: true},
		{name: "a tenant says that it is taken over", used: true, like: true, owned: true, report: adopting, tenants: true},
		{name: "a tenant makes the status forget the former", used: true, like: true, owned: true, tenants: true,
			report: func(topic *v1beta1.KafkaTopic, id string) *v1beta1.KafkaTopic {
				topic.Status.TopicID = ""
				return topic
			}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			k := server.NewKafka(t, 3)
			maker := tenant
			if tc.owned {
				maker = server.Client
			}
			topic, err := create(maker, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.DeletionPolicy = v1beta1.TopicDelete }))
			if err != nil {
				t.Fatal(err)
			}
			k.DeleteTopic(t, "orders")
			if tc.said {
				if topic, err = topicsOf(server.Client, k).UpdateStatus(t.Context(), recreating(topic), metav1.UpdateOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			partitions := int32(4)
			if tc.like {
				partitions = 3
			}
			k.CreateTopic(t, "orders", partitions, 2)
			if tc.used {
				k.Produce(t, "orders")
			}
			id := k.Topics(t)["orders"].ID
			reporter := server.Client
			if tc.tenants {
				reporter = tenant
			}
			next, err := topicsOf(reporter, k).UpdateStatus(t.Context(), tc.report(topic, id), metav1.UpdateOptions{})
			if err == nil && next.Status.TopicID == "" {
				next.Status.TopicID = id
				_, err = topicsOf(reporter, k).UpdateStatus(t.Context(), next, metav1.UpdateOptions{})
			}
			if tc.ok != (err == nil) {
				t.Errorf("the report came to %v", err)
			}
			if !tc.ok {
				expectStatus(t, err, 403, `"own"`)
			}
			if standing := claimOn(t, k, "orders"); tc.ok != (standing.ID == id) {
				t.Errorf("the claim is %+v, the topic %s", standing, id)
			}
			mustDelete(t, topic)
			if tc.ok {
				// What may still be made again is looked for a while.
				apiservertest.Eventually(t, "the claim goes", func() bool { return len(claimsOn(t, k)) == 0 })
			}
			if _, stays := k.Topics(t)["orders"]; stays == tc.ok {
				t.Errorf("the topic stays: %v", stays)
			}
		})
	}
}

func remadeAs(topic *v1beta1.KafkaTopic, id string) *v1beta1.KafkaTopic {
	topic.Status.TopicID = id
	return recreating(topic)
}

func madeAs(topic *v1beta1.KafkaTopic, id string) *v1beta1.KafkaTopic {
	topic.Status.TopicID, topic.Status.Conditions = id, nil
	return topic
}
