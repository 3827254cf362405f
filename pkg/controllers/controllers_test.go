package controllers

import (
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/kubernetes"
	hostfake "k8s.io/client-go/kubernetes/fake"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/controllertest"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned/fake"
)

// Each kind is watched and cached once, however many controllers act on it.
func TestControllersShareWatches(t *testing.T) {
	for name, host := range map[string]kubernetes.Interface{"with Kubernetes": hostfake.NewClientset(), "without": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := fake.NewSimpleClientset()
				set, err := New(Config{Kafka: client, Host: host, Gateway: broker.New(broker.Options{})})
				if err != nil {
					t.Fatal(err)
				}
				controllertest.Run(t, set.Run)
				time.Sleep(time.Second)
				synctest.Wait()
				watches := map[string]int{}
				for _, action := range client.Actions() {
					if action.GetVerb() == "watch" {
						watches[action.GetResource().Resource]++
					}
				}
				if len(watches) != 2 || watches["kafkas"] != 1 || watches["kafkatopics"] != 1 {
					t.Errorf("watches are %v, want one of kafkas and one of kafkatopics", watches)
				}
			})
		})
	}
}
