package serve

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	corelisters "k8s.io/client-go/listers/core/v1"
)

// counted tells whether a ResourceQuota of a namespace counts the objects of a resource. When that is not known yet it says that one
// does, which costs the brokers one more question.
func counted(gr schema.GroupResource, quotas corelisters.ResourceQuotaLister) func(namespace string) bool {
	count := corev1.ResourceName("count/" + gr.String())
	return func(namespace string) bool {
		list, err := quotas.ResourceQuotas(namespace).List(labels.Everything())
		if err != nil {
			return true
		}
		for _, quota := range list {
			if _, ok := quota.Spec.Hard[count]; ok {
				return true
			}
		}
		return false
	}
}
