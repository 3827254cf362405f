//go:build integration

package integration

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/pki"
	"kafka.openshift.io/kafka-apiserver/test/integration/harness"
)

// Without a true caBundle the whole group is away, so this test has the cluster for itself.
func TestCABundleIsKeptTrue(t *testing.T) {
	const name = "v1beta1.kafka.openshift.io"
	services := cluster.Aggregation.ApiregistrationV1().APIServices()
	service, err := services.Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(service.Spec.CABundle) == 0 || service.Spec.InsecureSkipTLSVerify {
		t.Fatalf("the APIService does not verify the server: %+v", service.Spec)
	}
	authority := func(made time.Time, validity time.Duration) []byte {
		pair, err := pki.NewAuthority("foreign", made, validity)
		if err != nil {
			t.Fatal(err)
		}
		return pair.Cert
	}
	for what, broken := range map[string][]byte{
		"foreign": authority(time.Now(), time.Hour),
		"expired": authority(time.Now().Add(-48*time.Hour), time.Hour),
	} {
		patch, err := json.Marshal(map[string]any{"spec": map[string]any{"caBundle": broken}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := services.Patch(t.Context(), name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
		harness.Eventually(t, 30*time.Second, what+" caBundle is mended", func() string {
			now, err := services.Get(t.Context(), name, metav1.GetOptions{})
			switch {
			case err != nil:
				return err.Error()
			case !bytes.Equal(now.Spec.CABundle, service.Spec.CABundle):
				return "it is another one"
			}
			if _, err := cluster.Client.KafkaV1beta1().Kafkas("default").List(t.Context(), metav1.ListOptions{}); err != nil {
				return err.Error()
			}
			return ""
		})
	}
}
