package kafka

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/validation"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/plural"
	"kafka.openshift.io/kafka-apiserver/pkg/render"
	"kafka.openshift.io/kafka-apiserver/pkg/roll"
)

// Reasons of conditions.
const (
	reasonReady           = "BrokersReady"
	reasonCreating        = "Creating"
	reasonScaling         = "Scaling"
	reasonScaleInBlocked  = "ScaleInBlocked"
	reasonRolling         = "Rolling"
	reasonResizing        = "ResizingClaims"
	reasonNotInSync       = "ReplicasNotInSync"
	reasonNoLeader        = "NoLeader"
	reasonSettled         = "Settled"
	reasonBrokersNotReady = "BrokersNotReady"
	reasonNotRegistered   = "BrokersNotRegistered"
	reasonNoAnswer        = "BrokersDoNotAnswer"
	reasonNoQuorum        = "QuorumDoesNotAnswer"
	reasonNodesNotReady   = "NodesNotReady"
	reasonVoterLost       = "VoterLost"
	reasonCrashLoop       = "CrashLoopBackOff"
	reasonAsExpected      = "AsExpected"
	plainListener         = "plain"
)

// observation is all that a status is made from.
type observation struct {
	kafka  *v1beta1.Kafka
	record record
	world  *world
	sets   map[render.Role]*appsv1.StatefulSet
	// info and quorum are nil when the brokers were not asked or did not answer; infoErr then says why.
	info    *broker.ClusterInfo
	infoErr error
	quorum  *broker.QuorumInfo
	// silent is for how long the quorum has not answered brokers that do.
	silent time.Duration
	// hosts is how many replicas each broker hosts; nil when nobody asked.
	hosts    map[int32]int
	scaling  scaling
	problems []problem
	// ensemble is nil when no member of ZooKeeper says what it is, availability when it is not known which nodes there are.
	ensemble     *roll.Ensemble
	availability *roll.Availability
	// roll is nil when nothing was decided about restarts.
	roll *roll.Decision
}

// led tells whether the active controller is reached through the brokers, if a quorum elects it.
func (o *observation) led() bool {
	return o.record.Mode == v1beta1.ModeZooKeeper || o.quorum != nil && o.quorum.LeaderID >= 0
}

// statusOf computes the status of a cluster that is run here.
func statusOf(o *observation, now time.Time) v1beta1.KafkaStatus {
	kafka := o.kafka
	status := *kafka.Status.DeepCopy()
	desired := *kafka.Spec.Brokers.Replicas
	status.ObservedGeneration = kafka.Generation
	status.Mode = o.record.Mode
	if o.record.ClusterID != "" {
		status.ClusterID = o.record.ClusterID
	} else if o.info != nil && o.info.ID != "" {
		status.ClusterID = o.info.ID
	}
	status.Quorum = quorumOf(o)
	status.Selector = labels.Set(render.PodLabels(kafka.Name, render.Broker)).String()
	status.Listeners = []v1beta1.ListenerStatus{{
		Name:             plainListener,
		BootstrapServers: render.BootstrapAddress(kafka.Namespace, kafka.Name),
		Addresses:        target(kafka).Bootstrap,
	}}
	status.Claims = claimsOf(o)
	status.Roll = rollOf(o.roll, kafka.Status.Roll)
	status.Formed = ptr.To(hasFormed(o))
	before := status.Brokers
	status.Brokers = v1beta1.BrokerCounts{Desired: desired, Ready: readyBelow(o.world.pods[render.Broker], desired)}
	if o.info != nil {
		status.Brokers.Registered = int32(len(unfenced(o.info)))
	} else if o.infoErr != nil {
		// Pods are ready and do not answer us: the last answer is the best there is.
		status.Brokers.Registered = before.Registered
	}

	wasReady := meta.IsStatusConditionTrue(kafka.Status.Conditions, v1beta1.ConditionReady)
	ready := readyCondition(o, status.Brokers, wasReady)
	progressing := progressingCondition(o, status.Roll, ready, before, wasReady)
	if status.Version == "" || status.Roll == nil && len(outdatedPods(o)) == 0 && ready.Status == metav1.ConditionTrue {
		status.Version = kafka.Spec.Version
	}
	setConditions(&status, now, ready, progressing, degradedCondition(o, ready, progressing))
	hold, over := availabilityConditions(o.availability)
	setConditions(&status, now, hold...)
	for _, kind := range over {
		meta.RemoveStatusCondition(&status.Conditions, kind)
	}
	if blocked := rollBlocked(status.Roll); blocked != nil {
		setConditions(&status, now, *blocked)
	} else {
		meta.RemoveStatusCondition(&status.Conditions, v1beta1.ConditionRollBlocked)
	}
	return status
}

// rollBlocked is the condition of a roll that does not get on; nil of others.
func rollBlocked(status *v1beta1.RollStatus) *metav1.Condition {
	if status == nil || status.Phase != v1beta1.RollBlocked && status.Phase != v1beta1.RollFailed {
		return nil
	}
	return &metav1.Condition{Type: v1beta1.ConditionRollBlocked, Status: metav1.ConditionTrue, Reason: status.Reason, Message: status.Message}
}

func setConditions(status *v1beta1.KafkaStatus, now time.Time, conditions ...metav1.Condition) {
	for _, condition := range conditions {
		condition.ObservedGeneration = status.ObservedGeneration
		condition.LastTransitionTime = metav1.NewTime(now)
		meta.SetStatusCondition(&status.Conditions, condition)
	}
	validation.CutMessages(status.Conditions)
}

func unfenced(info *broker.ClusterInfo) []int32 {
	var ids []int32
	for _, b := range info.Brokers {
		if !b.Fenced {
			ids = append(ids, b.ID)
		}
	}
	return ids
}

// quorumOf is the quorum of today as its leader tells it, else what was known before.
func quorumOf(o *observation) []v1beta1.QuorumVoter {
	if o.record.Mode == v1beta1.ModeZooKeeper {
		return nil
	}
	if o.quorum == nil || o.quorum.LeaderID < 0 || len(o.quorum.Voters) == 0 {
		if len(o.kafka.Status.Quorum) > 0 {
			return o.kafka.Status.Quorum
		}
		return o.record.Quorum
	}
	var out []v1beta1.QuorumVoter
	for _, voter := range o.quorum.Voters {
		out = append(out, v1beta1.QuorumVoter{ID: voter.ID, DirectoryID: voter.DirectoryID.String()})
	}
	slices.SortFunc(out, func(a, b v1beta1.QuorumVoter) int { return int(a.ID - b.ID) })
	return out
}

// readyCondition is True when the brokers serve. What they were told by the controller when they registered they go on knowing without it, so a
// cluster becomes ready when the active controller is reached through its brokers, too: everything that changes metadata takes that way, such as
// the creation of a topic. One that is ready stays so without it, since records are read and written: Degraded tells of it.
func readyCondition(o *observation, counts v1beta1.BrokerCounts, wasReady bool) metav1.Condition {
	c := metav1.Condition{Type: v1beta1.ConditionReady, Status: metav1.ConditionFalse}
	switch {
	case counts.Ready < counts.Desired:
		c.Reason, c.Message = reasonBrokersNotReady, fmt.Sprintf("%d of %s", counts.Ready, plural.Of(counts.Desired, "broker pod is ready", "broker pods are ready"))
	case o.info == nil:
		c.Status, c.Reason = metav1.ConditionUnknown, reasonNoAnswer
		// Why is in the log: the error's words vary from call to call, and each would be another status.
		c.Message = plural.All(counts.Desired, "broker pod is ready", "broker pods are ready") + ", but no broker answers the controllers"
	default:
		registered := unfenced(o.info)
		var missing []int32
		for id := range counts.Desired {
			if !slices.Contains(registered, id) {
				missing = append(missing, id)
			}
		}
		if len(missing) > 0 {
			c.Reason = reasonNotRegistered
			ids := render.FormatIDs(missing)
			c.Message = fmt.Sprintf("%s, %s not registered with the cluster", plural.All(counts.Desired, "broker pod is ready", "broker pods are ready"),
				plural.Word(len(missing), "broker "+ids+" is", "brokers "+ids+" are"))
			break
		}
		if !wasReady && !o.led() {
			c.Reason = reasonNoQuorum
			c.Message = plural.All(counts.Desired, "broker is", "brokers are") + " ready and registered, but the metadata quorum does not answer through " + plural.Word(counts.Desired, "it", "them")
			break
		}
		c.Status, c.Reason = metav1.ConditionTrue, reasonReady
		c.Message = plural.All(counts.Desired, "broker is", "brokers are") + " ready and registered"
	}
	return c
}

// progressingCondition is True while something changes. Creating and Scaling last until the cluster is ready again, so what was
// said before counts.
func progressingCondition(o *observation, rolling *v1beta1.RollStatus, ready metav1.Condition, before v1beta1.BrokerCounts, wasReady bool) metav1.Condition {
	c := metav1.Condition{Type: v1beta1.ConditionProgressing, Status: metav1.ConditionTrue}
	last := meta.FindStatusCondition(o.kafka.Status.Conditions, v1beta1.ConditionProgressing)
	during := func(reason string) bool {
		return last != nil && last.Status == metav1.ConditionTrue && last.Reason == reason
	}
	isReady := ready.Status == metav1.ConditionTrue
	desired := *o.kafka.Spec.Brokers.Replicas
	resizing := resizing(o.world.claims)
	switch {
	case !isReady && !wasReady && (last == nil || during(reasonCreating)):
		c.Reason, c.Message = reasonCreating, "the cluster is being created: "+ready.Message
	case o.scaling.Blocked != "":
		c.Reason = reasonScaleInBlocked
		c.Message = fmt.Sprintf("%s wanted, %s: %s", plural.Of(desired, "broker is", "brokers are"), plural.Of(o.scaling.Brokers, "stays", "stay"), o.scaling.Blocked)
	case scalingIn(o, desired):
		c.Reason, c.Message = reasonScaling, "brokers are leaving until "+plural.Of(desired, "is", "are")+" left"
	case !isReady && (during(reasonScaling) || before.Desired != 0 && before.Desired < desired):
		c.Reason, c.Message = reasonScaling, "brokers are joining: "+ready.Message
	case len(resizing) > 0:
		c.Reason, c.Message = reasonResizing, "volumes are growing: "+strings.Join(resizing, ", ")
	case rolling != nil:
		c.Reason, c.Message = reasonRolling, rollMessage(rolling)
	default:
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, reasonSettled, "nothing is changing"
	}
	return c
}

// rollMessage counts what a roll has done and has to do, and says what it is about at the moment.
func rollMessage(r *v1beta1.RollStatus) string {
	all := len(r.Done) + len(r.InWork) + len(r.Waiting)
	message := fmt.Sprintf("%d of %s restarted", len(r.Done), plural.Of(int32(all), "node is", "nodes are"))
	if len(r.InWork) > 0 {
		message += ", in work: " + strings.Join(r.InWork, ", ")
	}
	if r.Message != "" {
		message += "; " + r.Message
	}
	return message
}

// scalingIn tells whether brokers above the spec's number still have pods or registrations.
func scalingIn(o *observation, desired int32) bool {
	if slices.ContainsFunc(o.world.pods[render.Broker], func(p pod) bool { return p.Ordinal >= desired }) {
		return true
	}
	return o.info != nil && slices.ContainsFunc(o.info.Brokers, func(b broker.BrokerInfo) bool { return b.ID >= desired })
}

// outdatedPods are the pods of another revision than their StatefulSet's newest.
func outdatedPods(o *observation) []string {
	var names []string
	for _, role := range render.Roles(o.record.Mode) {
		set := o.sets[role]
		if set == nil || set.Status.ObservedGeneration < set.Generation || set.Status.UpdateRevision == "" {
			continue
		}
		for _, p := range o.world.pods[role] {
			if p.Revision != "" && p.Revision != set.Status.UpdateRevision {
				names = append(names, p.Name)
			}
		}
	}
	return names
}

func degradedCondition(o *observation, ready, progressing metav1.Condition) metav1.Condition {
	c := metav1.Condition{Type: v1beta1.ConditionDegraded, Status: metav1.ConditionTrue}
	underWay := progressing.Status == metav1.ConditionTrue && (progressing.Reason == reasonCreating || progressing.Reason == reasonScaling)
	switch lost, down, crashing := lostVoters(o), downNodes(o), crashingPods(o); {
	case len(o.problems) > 0:
		var messages []string
		for _, p := range o.problems {
			messages = append(messages, p.Message)
		}
		c.Reason, c.Message = o.problems[0].Reason, strings.Join(messages, "; ")
	case len(lost) > 0:
		c.Reason = reasonVoterLost
		c.Message = fmt.Sprintf(plural.Word(len(lost), "node %s does not vote in the metadata quorum with the volume it has",
			"nodes %s do not vote in the metadata quorum with the volume they have"), render.FormatIDs(lost))
	case ready.Status == metav1.ConditionTrue && quorumLost(o):
		c.Reason = reasonNoQuorum
		c.Message = "the metadata quorum does not answer through the brokers; until it does, no topic can be created, changed or deleted, " +
			"and no partition gets another leader"
		if len(down) > 0 {
			c.Message += "; not ready: " + strings.Join(down, ", ")
		}
	case len(crashing) > 0:
		// That something is under way is no reason: it does not get there.
		c.Reason, c.Message = reasonCrashLoop, "pods do not stay up: "+strings.Join(crashing, ", ")
	case ready.Status != metav1.ConditionTrue && !underWay:
		c.Reason, c.Message = ready.Reason, ready.Message
	case len(down) > 0 && !underWay:
		c.Reason, c.Message = reasonNodesNotReady, "not ready: "+strings.Join(down, ", ")
	default:
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, reasonAsExpected, "everything that should run does"
	}
	return c
}

// quorumLost tells whether the quorum has been silent for longer than an election takes. What was told stays until it answers: a process
// that has just started does not know since when it has not.
func quorumLost(o *observation) bool {
	if o.info == nil || o.led() {
		return false
	}
	last := meta.FindStatusCondition(o.kafka.Status.Conditions, v1beta1.ConditionDegraded)
	return o.silent >= electionPatience || last != nil && last.Status == metav1.ConditionTrue && last.Reason == reasonNoQuorum
}

// lostVoters are nodes of the quorum that do not vote with the volume that they have: it was lost, and they have not joined again
// with the new one. The leader lists such a node twice, as a voter and as an observer, and which of the two is the node of today
// is the one that fetched last; the other stays listed for a while.
func lostVoters(o *observation) []int32 {
	if o.quorum == nil || o.quorum.LeaderID < 0 || len(o.quorum.Voters) == 0 {
		return nil
	}
	var lost []int32
	for _, voter := range o.record.Quorum {
		is := func(r broker.QuorumReplica) bool { return r.ID == voter.ID }
		votes, observes := slices.IndexFunc(o.quorum.Voters, is), slices.IndexFunc(o.quorum.Observers, is)
		if votes < 0 || voter.ID != o.quorum.LeaderID && observes >= 0 &&
			o.quorum.Observers[observes].LastFetch.After(o.quorum.Voters[votes].LastFetch) {
			lost = append(lost, voter.ID)
		}
	}
	return lost
}

// downNodes are the controllers and ZooKeeper members that are not ready.
func downNodes(o *observation) []string {
	var down []string
	for _, n := range voterNodes(o.kafka, &o.record) {
		if n.role != render.Broker && !slices.ContainsFunc(o.world.pods[n.role], func(p pod) bool { return p.Ready && p.Ordinal == n.ordinal }) {
			down = append(down, render.PodName(o.kafka.Name, n.role, n.ordinal))
		}
	}
	return down
}

// crashingPods are the pods whose processes end again and again, each with how.
func crashingPods(o *observation) []string {
	var pods []string
	for _, role := range render.Roles(o.record.Mode) {
		for _, p := range o.world.pods[role] {
			if p.Failing != "" {
				pods = append(pods, fmt.Sprintf("%s (%s)", p.Name, p.Failing))
			}
		}
	}
	return pods
}

// again is how soon the brokers have to be asked again.
func again(o *observation, status v1beta1.KafkaStatus) time.Duration {
	switch {
	case status.Brokers.Ready < status.Brokers.Desired:
		return againWaiting
	case !meta.IsStatusConditionTrue(status.Conditions, v1beta1.ConditionReady):
		return againRegistering
	case o.scaling.Blocked != "" || scalingIn(o, status.Brokers.Desired):
		return againChanging
	case meta.IsStatusConditionTrue(status.Conditions, v1beta1.ConditionUnderReplicated), len(lostVoters(o)) > 0, o.info != nil && !o.led():
		return againWaiting
	default:
		return againSettled
	}
}

// report writes the status if it changed, and tells people about the turns.
func (c *Controller) report(ctx context.Context, o *observation) (time.Duration, error) {
	status := statusOf(o, c.clock.Now())
	if err := c.writeStatus(ctx, o.kafka, status); err != nil {
		return 0, err
	}
	return again(o, status), nil
}

func (c *Controller) writeStatus(ctx context.Context, kafka *v1beta1.Kafka, status v1beta1.KafkaStatus) error {
	if equality.Semantic.DeepEqual(kafka.Status, status) {
		return nil
	}
	updated := kafka.DeepCopy()
	updated.Status = status
	if _, err := c.kafkaClient.KafkaV1beta1().Kafkas(kafka.Namespace).UpdateStatus(ctx, updated, metav1.UpdateOptions{FieldManager: FieldManager}); err != nil {
		return fmt.Errorf("update status of Kafka %s/%s: %w", kafka.Namespace, kafka.Name, err)
	}
	c.announce(kafka, kafka.Status.Conditions, status.Conditions)
	return nil
}

// announce sends an event for each condition that turned.
func (c *Controller) announce(kafka *v1beta1.Kafka, before, after []metav1.Condition) {
	for _, condition := range after {
		was := meta.FindStatusCondition(before, condition.Type)
		if was != nil && was.Status == condition.Status && was.Reason == condition.Reason {
			continue
		}
		switch {
		case condition.Type == v1beta1.ConditionReady && condition.Status == metav1.ConditionTrue:
			c.event(kafka, "Ready", "Observe", "%s", condition.Message)
		case condition.Type == v1beta1.ConditionReady:
			// Degraded says so if it is not meant to be.
		case condition.Status == metav1.ConditionTrue && condition.Type == v1beta1.ConditionDegraded:
			c.warn(kafka, condition.Reason, "Observe", condition.Message)
		case condition.Status == metav1.ConditionTrue && condition.Reason != reasonCreating:
			c.event(kafka, condition.Reason, "Observe", "%s", condition.Message)
		}
		if condition.Status == metav1.ConditionTrue && condition.Type == v1beta1.ConditionReady {
			c.complaints.settle(string(kafka.UID))
		}
	}
}
