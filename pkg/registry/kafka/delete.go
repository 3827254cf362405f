package kafka

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/warning"
	"k8s.io/klog/v2"
)

// Delete implements rest.GracefulDeleter. Nobody can reach the brokers of a Kafka that is gone, so that KafkaTopics which are deleted
// after it leave their topics there: who deletes it, or asks in a dry run, is told how many.
func (r *REST) Delete(ctx context.Context, name string, validate rest.ValidateObjectFunc, options *metav1.DeleteOptions) (runtime.Object, bool, error) {
	out, deleted, err := r.Store.Delete(ctx, name, validate, options)
	if err == nil {
		r.warnOfTopics(ctx, name)
	}
	return out, deleted, err
}

func (r *REST) warnOfTopics(ctx context.Context, name string) {
	if r.Topics == nil {
		return
	}
	namespace := genericapirequest.NamespaceValue(ctx)
	count, err := r.Topics.CountOf(ctx, namespace, name)
	switch {
	case err != nil:
		klog.FromContext(ctx).Info("Topics of a deleted Kafka not counted", "kafka", klog.KRef(namespace, name), "err", err)
	case count > 0:
		warning.AddWarning(ctx, "", fmt.Sprintf("KafkaTopics that refer to Kafka %q: %d; their topics stay on the brokers when they are deleted without it, "+
			"whatever their deletionPolicy says", name, count))
	}
}
