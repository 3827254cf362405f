package kafka

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/render"
)

// sweepConfigs deletes the configurations of former pods. Until all pods are of the newest template one of them, or one that is about to be made,
// may need them.
func (c *Controller) sweepConfigs(ctx context.Context, o *observation) error {
	nodes, known := nodesOf(o)
	if !known || o.kafka.Status.Roll != nil {
		return nil
	}
	for _, n := range nodes {
		if n.UID == "" || n.Terminating || len(n.Reasons) > 0 {
			return nil
		}
	}
	inUse := map[string]bool{}
	for role, set := range o.sets {
		inUse[render.ConfigName(o.kafka.Name, role, set.Spec.Template.Annotations[render.AnnotationConfigHash])] = true
		for _, p := range o.world.pods[role] {
			// One that leaves, or that somebody made by hand.
			inUse[render.ConfigName(o.kafka.Name, role, p.ConfigHash)] = true
		}
	}
	configs, err := c.configMaps.ConfigMaps(o.kafka.Namespace).List(labels.SelectorFromSet(labels.Set{render.LabelCluster: o.kafka.Name}))
	if err != nil {
		return err
	}
	for _, config := range configs {
		if !ptr.Deref(config.Immutable, false) || inUse[config.Name] {
			continue
		}
		options := metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(config.UID))}
		if err := c.host.CoreV1().ConfigMaps(config.Namespace).Delete(ctx, config.Name, options); err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return fmt.Errorf("delete ConfigMap %s: %w", config.Name, err)
		}
		klog.FromContext(ctx).V(2).Info("Deleted a configuration that no pod has", "configMap", klog.KObj(config))
	}
	return nil
}
