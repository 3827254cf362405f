package kafkatopic_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
)

// What was asked for x.a.b is no proof for x.a_b.
func TestAWishIsOfOneName(t *testing.T) {
	s, err := apiservertest.Start(apiservertest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	user, _ := s.As(t, without("own"))
	k := s.NewKafka(t, 3)
	tenant := s.Namespace()
	in := func(topic *v1beta1.KafkaTopic) {
		topic.Namespace, topic.Spec.ClusterRef.Namespace = tenant, k.Object.Namespace
	}
	loseCreate(k)
	if _, err := create(user, newTopic(k, "a.b", in)); err != nil {
		t.Fatal(err)
	}
	if err := user.KafkaV1beta1().KafkaTopics(tenant).Delete(t.Context(), "a.b", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	k.CreateTopic(t, tenant+".a_b", 3, 2)
	got, err := create(user, newTopic(k, "a_b", in))
	if err == nil {
		t.Errorf("who has use only has the topic of somebody: %+v %s", got.Status.TopicID, got.Spec.DeletionPolicy)
	} else {
		t.Log(err)
	}
}

// Brokers of somebody say that their topic has the id of another's.
func TestAnIDThatSomebodySaysIsNoProof(t *testing.T) {
	for _, name := range []string{"anything", "orders"} {
		for where, gone := range map[string]bool{"": false, " of a Kafka that is gone": true} {
			t.Run("of a topic "+name+where, func(t *testing.T) { somebodySaysAnID(t, name, gone) })
		}
	}
}

func somebodySaysAnID(t *testing.T, name string, gone bool) {
	k, fake := server.NewKafka(t, 3), server.NewKafka(t, 1)
	pinned(t, server, k)
	pinned(t, server, fake)
	k.CreateTopic(t, "orders", 3, 2)
	fake.CreateTopic(t, name, 1, 1)
	client, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	victim := k.TopicInfo("orders").TopicID
	ask := kmsg.NewPtrMetadataRequest()
	said, err := ask.RequestWith(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	for i := range said.Topics {
		said.Topics[i].TopicID = victim
	}
	fake.ControlKey(int16(kmsg.Metadata), func(request kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		response := request.ResponseKind().(*kmsg.MetadataResponse)
		version := response.Version
		*response = *said
		response.Version = version
		return response, nil, true
	})
	_, err = create(server.Client, newTopic(fake, name, func(topic *v1beta1.KafkaTopic) {
		one := int32(1)
		topic.Spec.Partitions, topic.Spec.Replicas = &one, &one
	}))
	if err != nil {
		t.Fatal(err)
	}
	if gone {
		if err := server.Client.KafkaV1beta1().Kafkas(fake.Object.Namespace).Delete(t.Context(), fake.Object.Name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := create(server.Client, newTopic(k, "orders")); err != nil {
		t.Errorf("who has all rights cannot take over a topic of his cluster: %v", err)
	}
}
