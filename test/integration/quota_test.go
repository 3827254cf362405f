//go:build integration

package integration

import (
	"fmt"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/test/integration/harness"
)

// What brokers refuse was never charged: a quota takes a charge back only when it is counted anew, minutes later. That a create is judged
// before it is charged does not depend on the way it comes.
func TestRefusedCreatesChargeNoQuota(t *testing.T) {
	t.Parallel()
	n := cluster.Namespace(t)
	newKafka(t, n, cluster.Kafka)
	const count = "count/kafkatopics.kafka.openshift.io"
	kubectl(t, "", "create quota topics --hard="+count+"=0 -n "+n)
	quota := func(field, want string) func() string {
		return func() string {
			got := kubectl(t, "", `get quota topics -o jsonpath={.status.`+field+`.count/kafkatopics\.kafka\.openshift\.io} -n `+n)
			if got != want {
				return fmt.Sprintf("%s is %q, want %s", field, got, want)
			}
			return ""
		}
	}
	// From now on this server knows that there is a quota.
	harness.Eventually(t, 60*time.Second, "the quota is enforced", func() string {
		_, err := cluster.Client.KafkaV1beta1().KafkaTopics(n).Create(t.Context(), newTopic(n, "probe."+n), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if !apierrors.IsForbidden(err) {
			return fmt.Sprintf("a create in a dry run: %v", err)
		}
		return ""
	})
	kubectl(t, "", `patch quota topics --type=merge -p {"spec":{"hard":{"`+count+`":"20"}}} -n `+n)
	harness.Eventually(t, 60*time.Second, "the controller has the new quota", quota("hard", "20"))
	harness.Eventually(t, 60*time.Second, "the controller has counted", quota("used", "0"))
	tooMany := `"partitions":1,"replicas":9`
	for i := range 5 {
		manifest, line := topicManifest(n, fmt.Sprintf("refused-%d.%s", i, n), "", tooMany), "create -f -"
		if i >= 3 {
			line = "apply --server-side -f -"
		}
		refused(t, manifest, line, 422, "spec.replicas")
	}
	if wrong := quota("used", "0")(); wrong != "" {
		t.Errorf("after five refused creates: %s", wrong)
	}
	harness.Eventually(t, 60*time.Second, "a topic is made", func() string {
		// Admission may still have the smaller quota.
		_, err := cluster.Client.KafkaV1beta1().KafkaTopics(n).Create(t.Context(), newTopic(n, "accepted."+n), metav1.CreateOptions{})
		if err != nil {
			return err.Error()
		}
		return ""
	})
	if wrong := quota("used", "1")(); wrong != "" {
		t.Errorf("after an accepted create: %s", wrong)
	}
}
