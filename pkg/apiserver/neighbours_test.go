package apiserver_test

import (
	"os"
	"slices"
	"testing"

	"sigs.k8s.io/yaml"
)

// Strimzi's operator has kinds of the same names. Both can be in one cluster when neither takes a name that means the other's.
func TestStrimziKeepsItsNames(t *testing.T) {
	t.Parallel()
	// shortNames of the CustomResourceDefinitions of Strimzi 0.38 to 1.0.
	strimzi := []string{"k", "kt", "ku", "kc", "kctr", "kb", "kmm", "kmm2", "kr", "knp", "sps"}
	resources, err := server.Client.Discovery().ServerResourcesForGroupVersion("kafka.openshift.io/v1beta1")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range resources.APIResources {
		for _, short := range r.ShortNames {
			if slices.Contains(strimzi, short) {
				t.Errorf("%s has the short name %s, which is Strimzi's", r.Name, short)
			}
		}
	}
	// The name "kafka" alone means a kind of the group with the highest priority. That of custom resources is 1000
	// (kube-apiserver registers their APIServices so).
	raw, err := os.ReadFile("../../artifacts/deploy/base/apiservice.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var service struct {
		Spec struct {
			GroupPriorityMinimum int `json:"groupPriorityMinimum"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(raw, &service); err != nil {
		t.Fatal(err)
	}
	if p := service.Spec.GroupPriorityMinimum; p <= 0 || p >= 1000 {
		t.Errorf("groupPriorityMinimum is %d, want less than the 1000 of custom resources", p)
	}
}
