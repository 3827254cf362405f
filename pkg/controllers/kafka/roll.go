package kafka

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/crash"
	"kafka.openshift.io/kafka-apiserver/pkg/render"
	"kafka.openshift.io/kafka-apiserver/pkg/roll"
	"kafka.openshift.io/kafka-apiserver/pkg/zookeeper"
)

const (
	// rollTimeout bounds what the brokers are asked before a restart: all partitions, and a setting of all topics.
	rollTimeout = time.Minute
	// topicsAtOnce is how many topics one request asks for.
	topicsAtOnce = 500
	// minInSyncReplicas is the setting that says how many replicas of a partition have to be in sync (org.apache.kafka.common.config.TopicConfig).
	minInSyncReplicas = "min.insync.replicas"
)

// decideRoll decides which pods are restarted now because they run with an earlier specification; nil when there are none, and none was. Brokers
// are asked only while some have to be.
func (c *Controller) decideRoll(ctx context.Context, o *observation) *roll.Decision {
	nodes, known := nodesOf(o)
	if !known {
		// The StatefulSet controller has not seen the newest template: nobody knows which pods are outdated.
		return nil
	}
	if o.kafka.Status.Roll == nil && !slices.ContainsFunc(nodes, func(n roll.Node) bool { return len(n.Reasons) > 0 }) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, rollTimeout)
	defer cancel()
	s := c.snapshot(ctx, o, nodes, func(cluster Cluster) (*roll.Metadata, error) {
		snapshot, err := cluster.Snapshot(ctx, 0)
		if err != nil {
			return nil, err
		}
		return metadataOf(ctx, cluster, slices.Sorted(maps.Keys(snapshot.Topics)))
	})
	return ptr.To(roll.Next(s, roll.Options{}, c.clock.Now()))
}

// nodesOf are the nodes that should run, in the order of their roles. known is false while the StatefulSet controller has yet to see the newest
// template of one of the sets.
func nodesOf(o *observation) (nodes []roll.Node, known bool) {
	for _, role := range render.Roles(o.record.Mode) {
		set := o.sets[role]
		if set == nil || set.Status.ObservedGeneration < set.Generation || set.Status.UpdateRevision == "" {
			return nil, false
		}
		for ordinal := range ptr.Deref(set.Spec.Replicas, 1) {
			nodes = append(nodes, nodeOf(o, set, role, ordinal))
		}
	}
	return nodes, true
}

func nodeOf(o *observation, set *appsv1.StatefulSet, role render.Role, ordinal int32) roll.Node {
	n := roll.Node{Name: render.PodName(o.kafka.Name, role, ordinal), Desired: set.Status.UpdateRevision}
	switch role {
	case render.ZooKeeper:
		n.ID, n.Roles = ordinal+1, roll.ZooKeeper
	case render.Controller:
		n.ID, n.Roles = render.FirstControllerID+ordinal, roll.Controller
	default:
		n.ID, n.Roles = ordinal, roll.Broker
		if o.record.Mode == v1beta1.ModeCombined && slices.ContainsFunc(o.record.Quorum, func(v v1beta1.QuorumVoter) bool { return v.ID == ordinal }) {
			n.Roles |= roll.Controller
		}
	}
	pods := o.world.pods[role]
	i := slices.IndexFunc(pods, func(p pod) bool { return p.Ordinal == ordinal })
	if i < 0 {
		return n
	}
	p := pods[i]
	n.UID, n.Terminating, n.Ready, n.Since, n.Revision, n.Stuck = string(p.UID), p.Terminating, p.Ready, p.Since, p.Revision, p.Stuck
	if p.Revision != "" && p.Revision != set.Status.UpdateRevision {
		n.Reasons = reasonsFor(&p, set)
	}
	return n
}

// reasonsFor are why a pod of an earlier revision has to be restarted.
func reasonsFor(p *pod, set *appsv1.StatefulSet) (reasons []roll.Reason) {
	if p.Image != image(set.Spec.Template.Spec.Containers) {
		reasons = append(reasons, roll.VersionChanged)
	}
	if p.ConfigHash != set.Spec.Template.Annotations[render.AnnotationConfigHash] {
		reasons = append(reasons, roll.ConfigChanged)
	}
	if len(reasons) == 0 {
		reasons = append(reasons, reasonPodChanged)
	}
	return reasons
}

// reasonPodChanged is the reason for a restart by which a pod gets other resources, or whatever else is in its template.
const reasonPodChanged roll.Reason = "PodChanged"

// metadataOf asks for the replicas of all partitions of some topics, and how many of them have to be in sync. Its parts are not of the same moment, of which
// whoever decides by them makes sure that nothing is restarted meanwhile.
func metadataOf(ctx context.Context, cluster Cluster, names []string) (*roll.Metadata, error) {
	if len(names) == 0 {
		return &roll.Metadata{}, nil
	}
	required, err := cluster.TopicSetting(ctx, minInSyncReplicas, names...)
	if err != nil {
		return nil, err
	}
	// The partitions last: what they show is what is decided by, and it grows old.
	metadata := &roll.Metadata{Topics: make([]roll.Topic, 0, len(names))}
	for some := range slices.Chunk(names, topicsAtOnce) {
		topics, err := cluster.Topics(ctx, some...)
		if err != nil {
			return nil, err
		}
		for _, name := range some {
			topic, there := topics[name]
			if !there {
				continue
			}
			partitions := make([]roll.Partition, 0, len(topic.Partitions))
			for _, p := range topic.Partitions {
				partitions = append(partitions, roll.Partition{ID: p.ID, Leader: p.Leader, Replicas: p.Replicas, ISR: p.ISR})
			}
			minISR, err := minISROf(required[name])
			if err != nil {
				return nil, fmt.Errorf("topic %s: %w", name, err)
			}
			metadata.Topics = append(metadata.Topics, roll.Topic{Name: name, MinISR: minISR, Partitions: partitions})
		}
	}
	return metadata, nil
}

// minISROf is 0 where the setting is not told.
func minISROf(value string) (int32, error) {
	if value == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", minInSyncReplicas, err)
	}
	return int32(n), nil
}

func quorumFor(info *broker.QuorumInfo) *roll.Quorum {
	quorum := &roll.Quorum{Leader: info.LeaderID}
	for _, voter := range info.Voters {
		quorum.Voters = append(quorum.Voters, roll.Voter{ID: voter.ID, LastCaughtUp: voter.LastCaughtUp, Lag: voter.Lag})
	}
	return quorum
}

// ensembleOf asks the members of the ensemble what they are, side by side; nil when none of them says so.
func (c *Controller) ensembleOf(ctx context.Context, o *observation) *roll.Ensemble {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	members := voterNodes(o.kafka, &o.record)
	states := make([]zookeeper.State, len(members))
	var asking crash.Group
	for i, member := range members {
		asking.Go(func() {
			state, err := c.zooKeeper(ctx, render.MemberAddress(o.kafka.Namespace, o.kafka.Name, member.ordinal))
			if err != nil {
				klog.FromContext(ctx).V(2).Info("A member of ZooKeeper does not answer", "kafka", klog.KObj(o.kafka), "member", member.id, "err", err)
			}
			states[i] = state
		})
	}
	asking.Wait()
	ensemble := &roll.Ensemble{Size: len(members), Leader: -1}
	answered := false
	for i, state := range states {
		answered = answered || state != ""
		switch state {
		case zookeeper.Leader, zookeeper.Standalone:
			ensemble.Leader = members[i].id
		case zookeeper.Follower:
			ensemble.Following = append(ensemble.Following, members[i].id)
		}
	}
	if !answered {
		return nil
	}
	return ensemble
}

// restart deletes the pods that are to be restarted; the StatefulSet makes them anew with what is wanted today.
func (c *Controller) restart(ctx context.Context, o *observation) error {
	for _, target := range o.roll.Restart {
		options := metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(target.UID)}
		err := c.host.CoreV1().Pods(o.kafka.Namespace).Delete(ctx, target.Name, options)
		switch {
		case apierrors.IsNotFound(err), apierrors.IsConflict(err):
			// Somebody else has restarted it, which the next look shows.
			continue
		case err != nil:
			return fmt.Errorf("restart pod %s: %w", target.Name, err)
		}
		why := make([]string, 0, len(target.Reasons))
		for _, reason := range target.Reasons {
			why = append(why, string(reason))
		}
		c.event(o.kafka, "NodeRestarted", "Restart", "Restarted %s: %s", target.Name, strings.Join(why, ", "))
		for _, warning := range target.Warnings {
			c.warn(o.kafka, "NodeRestarted", "Restart", target.Name+": "+warning)
		}
	}
	return nil
}

// progressOf is what a roll remembers, as it is in the status.
func progressOf(status *v1beta1.RollStatus) roll.Progress {
	if status == nil {
		return roll.Progress{}
	}
	p := roll.Progress{Began: status.StartTime.Time, Offline: int(ptr.Deref(status.Offline, -1))}
	for _, r := range status.Restarts {
		restart := roll.Restart{Name: r.Pod, UID: string(r.UID), At: r.Time.Time, Back: r.Back}
		for _, reason := range r.Reasons {
			restart.Reasons = append(restart.Reasons, roll.Reason(reason))
		}
		p.Restarts = append(p.Restarts, restart)
	}
	if status.Phase != v1beta1.RollRestarting {
		p.Waiting = roll.Waiting{Cause: roll.Cause(status.Reason), Since: status.Since.Time}
	}
	return p
}

// rollOf is what the status says of a roll: nil when it is over, and what it said before when nothing was decided.
func rollOf(d *roll.Decision, before *v1beta1.RollStatus) *v1beta1.RollStatus {
	switch {
	case d == nil:
		return before
	case d.Phase == roll.Done:
		return nil
	}
	status := &v1beta1.RollStatus{
		Phase: v1beta1.RollPhase(d.Phase), Reason: string(d.Cause), Message: d.Message, Since: metav1.NewTime(d.Since), StartTime: metav1.NewTime(d.Progress.Began),
		Done: d.Done, InWork: d.InWork, Waiting: d.Waiting,
	}
	if d.Progress.Offline >= 0 {
		status.Offline = ptr.To(int32(d.Progress.Offline))
	}
	for _, r := range d.Progress.Restarts {
		restart := v1beta1.NodeRestart{Pod: r.Name, UID: types.UID(r.UID), Time: metav1.NewTime(r.At), Back: r.Back}
		for _, reason := range r.Reasons {
			restart.Reasons = append(restart.Reasons, string(reason))
		}
		status.Restarts = append(status.Restarts, restart)
	}
	return status
}
