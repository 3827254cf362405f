package main

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/utils/ptr"
)

// Brokers that end together wait minutes for a quorum that is gone, so pods that nobody needs are ended without the grace that they ask for. With
// none at all their objects would go while they still run.
func TestEndPods(t *testing.T) {
	pod := func(name, app string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"app": app}},
			Spec: corev1.PodSpec{TerminationGracePeriodSeconds: ptr.To[int64](330)}}
	}
	pods := []*corev1.Pod{pod("byhand-0", "byhand"), pod("byhand-1", "byhand"), pod("other", "other")}
	host := fake.NewClientset(pods[0], pods[1], pods[2])
	var graces []*int64
	// The fake deletes no collections by itself.
	host.PrependReactor("delete-collection", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		collection := action.(clienttesting.DeleteCollectionActionImpl)
		graces = append(graces, collection.GetDeleteOptions().GracePeriodSeconds)
		for _, p := range pods {
			if collection.GetListRestrictions().Labels.Matches(labels.Set(p.Labels)) {
				if err := host.Tracker().Delete(collection.GetResource(), p.Namespace, p.Name); err != nil {
					return true, nil, err
				}
			}
		}
		return true, nil, nil
	})
	b := &bed{host: host}
	if err := b.endPods(t.Context(), namespace, "app=byhand"); err != nil {
		t.Fatal(err)
	}
	left, err := host.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(left.Items) != 1 || left.Items[0].Name != "other" {
		t.Errorf("the pods are %v, want the other's alone", left.Items)
	}
	if len(graces) == 0 {
		t.Fatal("nothing was deleted")
	}
	for _, grace := range graces {
		if grace == nil || *grace != 1 {
			t.Errorf("pods are deleted with a grace of %v, want 1 s", grace)
		}
	}
}
