package kafka

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	policyv1ac "k8s.io/client-go/applyconfigurations/policy/v1"
	"k8s.io/klog/v2"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/loop"
	"kafka.openshift.io/kafka-apiserver/pkg/plural"
	"kafka.openshift.io/kafka-apiserver/pkg/render"
	"kafka.openshift.io/kafka-apiserver/pkg/roll"
)

const (
	// pictureAge is how old the picture of a cluster may be of which nothing is known to change. Topics are looked at as often.
	pictureAge = time.Minute
	// unsettledFor is for how long after a pod came or went the brokers are asked anew each time: its replicas catch up.
	unsettledFor = 5 * time.Minute
)

// assess finds out what the nodes are needed for at the moment; nil when it is not known which nodes there are. Partitions with all replicas in
// sync can spare one, or could not be helped, so that brokers are asked for the others alone.
func (c *Controller) assess(ctx context.Context, o *observation) *roll.Availability {
	nodes, known := nodesOf(o)
	if !known {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	age := pictureAge
	if unsettled(o, c.clock.Now()) {
		age = 0
	}
	if o.record.Mode == v1beta1.ModeZooKeeper {
		c.loop.Aside(ctx, func() { o.ensemble = c.ensembleOf(ctx, o) })
	}
	return roll.Assess(c.snapshot(ctx, o, nodes, func(cluster Cluster) (*roll.Metadata, error) { return outOfSync(ctx, cluster, age) }))
}

// snapshot is what package roll decides by. partitions asks brokers that answer, and what they do not tell is left out.
func (c *Controller) snapshot(ctx context.Context, o *observation, nodes []roll.Node, partitions func(Cluster) (*roll.Metadata, error)) *roll.Snapshot {
	s := &roll.Snapshot{Nodes: nodes, Unformed: !hasFormed(o), Progress: progressOf(o.kafka.Status.Roll), Ensemble: o.ensemble}
	if o.quorum != nil {
		s.Quorum = quorumFor(o.quorum)
	}
	if o.info == nil {
		return s
	}
	cluster := c.connect(target(o.kafka))
	metadata, err := loop.Await(ctx, c.loop, func() (*roll.Metadata, error) { return partitions(cluster) })
	if err != nil {
		klog.FromContext(ctx).Info("Brokers do not say what their replicas are", "kafka", klog.KObj(o.kafka), "err", err)
		return s
	}
	metadata.Controller = o.info.ControllerID
	s.Metadata = metadata
	return s
}

// unsettled tells whether replicas may catch up, or were seen to.
func unsettled(o *observation, now time.Time) bool {
	for _, pods := range o.world.pods {
		if slices.ContainsFunc(pods, func(p pod) bool { return !p.Ready || now.Sub(p.Since) < unsettledFor }) {
			return true
		}
	}
	return slices.ContainsFunc(o.kafka.Status.Conditions, func(c metav1.Condition) bool {
		return c.Type == v1beta1.ConditionUnderReplicated || c.Type == v1beta1.ConditionOffline
	})
}

// outOfSync are the topics with a replica that is not in sync, or a partition without a leader.
func outOfSync(ctx context.Context, cluster Cluster, age time.Duration) (*roll.Metadata, error) {
	snapshot, err := cluster.Snapshot(ctx, age)
	if err != nil {
		return nil, err
	}
	affected := maps.Clone(snapshot.Topics)
	maps.DeleteFunc(affected, func(_ string, counts broker.TopicCounts) bool {
		return counts.UnderReplicated == 0 && counts.WithoutLeader == 0
	})
	return metadataOf(ctx, cluster, slices.Sorted(maps.Keys(affected)))
}

// limitDisruptions has a budget allow no disruption while one more node of the role cannot be spared, and broken pods to go that have nothing which
// others lack.
func limitDisruptions(budget *policyv1ac.PodDisruptionBudgetApplyConfiguration, role render.Role, a *roll.Availability) {
	if a == nil {
		return
	}
	of := map[render.Role]roll.Role{render.Broker: roll.Broker, render.Controller: roll.Controller, render.ZooKeeper: roll.ZooKeeper}[role]
	budget.Spec.WithMaxUnavailable(intstr.FromInt(a.DisruptionsAllowed(of)))
	if a.UnhealthyEviction(of) {
		budget.Spec.WithUnhealthyPodEvictionPolicy(policyv1.AlwaysAllow)
	}
}

// availabilityConditions tell of partitions that lack replicas or a leader. over are the kinds of those that do not hold; of what is not known
// nothing is said.
func availabilityConditions(a *roll.Availability) (hold []metav1.Condition, over []string) {
	if a == nil || !a.Known() {
		return nil, nil
	}
	for _, c := range []struct {
		kind, reason string
		partitions   roll.Partitions
	}{
		{v1beta1.ConditionUnderReplicated, reasonNotInSync, a.UnderReplicated},
		{v1beta1.ConditionOffline, reasonNoLeader, a.Offline},
	} {
		if c.partitions.Count == 0 {
			over = append(over, c.kind)
			continue
		}
		hold = append(hold, metav1.Condition{Type: c.kind, Status: metav1.ConditionTrue, Reason: c.reason, Message: fmt.Sprintf("%s: %s",
			plural.Of(int32(c.partitions.Count), "partition", "partitions"), c.partitions)})
	}
	return hold, over
}
