package apiserver_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// A body of another kind than the request takes is refused with its kind and the one that is accepted, whichever way it comes, and not with what its
// decoder has to do with it.
func TestBodiesOfAnotherKind(t *testing.T) {
	t.Parallel()
	const (
		order  = "POST, POST of YAML"
		update = "PUT, merge patch, strategic merge patch, apply, JSON patch"
		group  = "kafka.openshift.io/v1beta1"
	)
	for _, tc := range []struct{ resource, kind, ways, said, version string }{
		{"kafkas", "Kafka", order + ", " + update, "KafkaTopic", group},
		{"kafkas", "Kafka", order + ", " + update, "Kafka", "kafka.openshift.io/v1"},
		{"kafkas", "Kafka", order + ", " + update, "Kafka", "kafka.strimzi.io/v1beta2"},
		{"kafkas/status", "Kafka", update, "KafkaTopic", group},
		{"kafkatopics", "KafkaTopic", order + ", " + update, "Kafka", group},
		{"kafkatopics", "KafkaTopic", order + ", " + update, strings.Repeat("x", 10_000), group},
		{"kafkatopics/status", "KafkaTopic", update, "Kafka", group},
		{"kafkatopics/records", "KafkaTopicRecords", order, "KafkaTopic", group},
		{"kafkatopics/truncate", "KafkaTopicTruncation", order, "KafkaTopicElection", group},
		{"kafkatopics/elect", "KafkaTopicElection", order, "KafkaTopicTruncation", group},
		{"kafkatopics/partitions", "KafkaTopicPartitions", update, "KafkaTopic", group},
		{"kafkaconsumergroups/offsets", "KafkaConsumerGroupOffsets", update, "KafkaConsumerGroup", group},
	} {
		field, said, accepted := "kind", tc.said, tc.kind
		if tc.said == tc.kind {
			field, said, accepted = "apiVersion", tc.version, group
		}
		// The fields are those of its own kind.
		whole := fmt.Sprintf(`{"apiVersion":%q,"kind":%q,"metadata":{"name":"k.x"},"spec":{"partitions":5,"electionType":"Preferred"}}`, tc.version, tc.said)
		for name, way := range bodyWays {
			if !strings.Contains(tc.ways+",", name+",") {
				continue
			}
			t.Run(fmt.Sprintf("%s %.20s %s/%s", tc.resource, tc.said, field, name), func(t *testing.T) {
				t.Parallel()
				err := sendBody(t, way.verb, way.contentType, tc.resource, way.body(t, whole, "/"+field, fmt.Sprintf("%q", said)))
				status, ok := err.(apierrors.APIStatus)
				want := fmt.Sprintf("%s: the body says %q, and accepted is %q", field, said, accepted)
				if len(said) > 1000 {
					want = fmt.Sprintf("…\", and accepted is %q", accepted)
				}
				if !ok || status.Status().Code != http.StatusBadRequest || !strings.Contains(err.Error(), want) || len(err.Error()) > 500 {
					t.Errorf("got %v, want %s", err, want)
				}
			})
		}
	}
}
