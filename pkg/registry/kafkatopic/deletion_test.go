package kafkatopic_test

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// keepTopics makes brokers that have delete.topic.enable=false.
func keepTopics(k *apiservertest.Kafka) {
	refuseDeletes(k, 73, "Topic deletion is disabled.")
	k.ControlKey(32, func(request kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		asked := request.(*kmsg.DescribeConfigsRequest)
		if len(asked.Resources) != 1 || asked.Resources[0].ResourceType != kmsg.ConfigResourceTypeBroker {
			return nil, nil, false
		}
		entry := kmsg.NewDescribeConfigsResponseResourceConfig()
		entry.Name, entry.Value, entry.Source = "delete.topic.enable", ptr.To("false"), kmsg.ConfigSourceStaticBrokerConfig
		resource := kmsg.NewDescribeConfigsResponseResource()
		resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeBroker, asked.Resources[0].ResourceName
		resource.Configs = append(resource.Configs, entry)
		response := asked.ResponseKind().(*kmsg.DescribeConfigsResponse)
		response.Resources = append(response.Resources, resource)
		return response, nil, true
	})
}

// refuseDeletes makes brokers that refuse all deletions with a code.
func refuseDeletes(k *apiservertest.Kafka, code int16, message string) {
	k.ControlKey(20, func(request kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		asked := request.(*kmsg.DeleteTopicsRequest)
		response := asked.ResponseKind().(*kmsg.DeleteTopicsResponse)
		for _, topic := range asked.Topics {
			answer := kmsg.NewDeleteTopicsResponseTopic()
			answer.TopicID, answer.ErrorCode, answer.ErrorMessage = topic.TopicID, code, &message
			response.Topics = append(response.Topics, answer)
		}
		return response, nil, true
	})
}

// Brokers that delete no topics are told of, and keep no name from the next object.
func TestATopicThatTheBrokersKeepCanBeAdopted(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	keepTopics(k)
	client, warnings := server.Warned(t)
	if err := topicsOf(client, k).Delete(t.Context(), "orders", metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}}); err != nil {
		t.Fatal(err)
	}
	if text := onlyWarning(t, warnings); !strings.Contains(text, "the topic stays") || !strings.Contains(text, "delete.topic.enable=false") {
		t.Errorf("the warning of a dry run is %q", text)
	}
	client, warnings = server.Warned(t)
	if err := topicsOf(client, k).Delete(t.Context(), "orders", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if text := onlyWarning(t, warnings); !strings.Contains(text, "the topic of the deleted object stays") || !strings.Contains(text, "deletion is disabled") {
		t.Errorf("the warning of the delete is %q", text)
	}
	again := mustCreate(t, newTopic(k, "orders"))
	expectReady(t, again, metav1.ConditionTrue, "Ready")
	if again.Status.TopicID != topic.Status.TopicID {
		t.Errorf("the topic is %s, want the one that stayed, %s", again.Status.TopicID, topic.Status.TopicID)
	}
}

// Whatever it is for which brokers keep a topic for good, a dropped right of the server's account as well as a policy, keeps the name from
// nobody: neither when they refuse the delete, nor when they are away then and refuse later, nor when the next object comes before that.
func TestATopicThatTheBrokersKeepCanBeAdoptedWhateverTheirReason(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]int16{
		"INVALID_TOPIC_EXCEPTION": 17, "TOPIC_AUTHORIZATION_FAILED": 29, "CLUSTER_AUTHORIZATION_FAILED": 31, "UNSUPPORTED_VERSION": 35, "INVALID_REQUEST": 42,
		"POLICY_VIOLATION": 44, "TOPIC_DELETION_DISABLED": 73,
	} {
		for when, wait := range map[string]func(*testing.T, *apiservertest.Kafka, *v1beta1.KafkaTopic){
			"at the delete": func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic) {
				client, warnings := server.Warned(t)
				if err := topicsOf(client, k).Delete(t.Context(), topic.Name, metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
				if text := onlyWarning(t, warnings); !strings.Contains(text, "the topic of the deleted object stays") || !strings.Contains(text, name) {
					t.Errorf("the warning is %q", text)
				}
			},
			"later": func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic) {
				k.Refuse()
				mustDelete(t, topic)
				k.Return()
				apiservertest.Eventually(t, "the claim goes", func() bool { return len(claimsOn(t, k)) == 0 })
			},
			"at the next create": func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic) {
				// What the sweeper has not looked at yet is a claim of an owner that is gone.
				standing := claimOn(t, k, topic.Name)
				mustDelete(t, topic)
				standing.Owner, standing.Server = storage.Owner{Namespace: topic.Namespace, Name: "former", UID: "gone"}, ""
				if _, err := server.Claims.Take(t.Context(), *standing, ""); err != nil {
					t.Fatal(err)
				}
			},
		} {
			t.Run(name+"/"+when, func(t *testing.T) {
				t.Parallel()
				k := server.NewKafka(t, 3)
				topic := mustCreate(t, newTopic(k, "orders"))
				refuseDeletes(k, code, "no")
				wait(t, k, topic)
				again := mustCreate(t, newTopic(k, "orders"))
				expectReady(t, again, metav1.ConditionTrue, "Ready")
				if again.Status.TopicID != topic.Status.TopicID || again.Spec.DeletionPolicy != v1beta1.TopicRetain {
					t.Errorf("the topic is %s with %s, want the one that stayed, %s", again.Status.TopicID, again.Spec.DeletionPolicy, topic.Status.TopicID)
				}
				if got := claimOn(t, k, "orders"); got.ID != topic.Status.TopicID || len(got.TombstonedIDs) != 0 {
					t.Errorf("the claim is %+v", got)
				}
			})
		}
	}
}

// Names that collide have one claim: what is left of one goes although the next object has the other.
func TestATopicWhoseNameCollidesWithTheNextOnesGoes(t *testing.T) {
	t.Parallel()
	t.Run("later", func(t *testing.T) {
		t.Parallel()
		k := server.NewKafka(t, 3)
		former := mustCreate(t, newTopic(k, "team.orders"))
		k.Refuse()
		mustDelete(t, former)
		mustCreate(t, newTopic(k, "team_orders"))
		k.Return()
		apiservertest.Eventually(t, "its tombstone goes", func() bool {
			got := claimOn(t, k, "team_orders")
			return got.Name.Name == "team_orders" && len(got.TombstonedIDs) == 0
		})
		if have := k.Topics(t); len(have) != 0 {
			t.Errorf("the brokers have %+v", have)
		}
	})
	t.Run("at the next create", func(t *testing.T) {
		t.Parallel()
		k := server.NewKafka(t, 3)
		k.CreateTopic(t, "team.orders", 3, 2)
		namespace := k.Object.Namespace
		if _, err := server.Claims.Take(t.Context(), claim{
			Name:  storage.Name{Kind: storage.TopicClaim, Cluster: types.NamespacedName{Namespace: namespace, Name: "k"}, Name: "team.orders"},
			Owner: storage.Owner{Namespace: namespace, Name: "former", UID: "gone"}, ID: k.Topics(t)["team.orders"].ID,
		}, ""); err != nil {
			t.Fatal(err)
		}
		topic := mustCreate(t, newTopic(k, "team_orders"))
		if have := k.Topics(t); len(have) != 1 || have["team_orders"].ID != topic.Status.TopicID {
			t.Errorf("the brokers have %+v", have)
		}
	})
}

// The same when the brokers are away at the delete: the claim that waits for them goes when they refuse.
func TestATopicThatTheBrokersKeepLaterCanBeAdopted(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	keepTopics(k)
	k.Refuse()
	mustDelete(t, topic)
	k.Return()
	apiservertest.Eventually(t, "the claim goes", func() bool { return len(claimsOn(t, k)) == 0 })
	if again := mustCreate(t, newTopic(k, "orders")); again.Status.TopicID != topic.Status.TopicID {
		t.Errorf("the topic is %s, want the one that stayed, %s", again.Status.TopicID, topic.Status.TopicID)
	}
}
