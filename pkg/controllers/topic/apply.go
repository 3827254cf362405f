package topic

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/plural"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// againLost is how soon the API server is told again what it could not be told.
const againLost = time.Second

// work is one sync of one topic.
type work struct {
	controller *Controller
	cluster    aside
	at         broker.Target
	key        types.NamespacedName
	topic      *v1beta1.KafkaTopic
	// adopted says that the topic was on the brokers before the object had it.
	adopted bool
}

// apply makes the brokers have the topic, and tells of what was done that nobody asked for.
func (w *work) apply(ctx context.Context) (topics.Outcome, error) {
	c, topic, before := w.controller, w.topic, *w.topic
	if err := w.begin(); err != nil {
		return topics.Outcome{}, err
	}
	defer w.end()
	want := w.desired()
	done, err := topics.Converge(ctx, w.cluster, want, topics.Hooks{
		Stands:   w.stands,
		TakeOver: w.takeOver,
		Remake:   w.remake,
		Whose:    w.whose,
		Made:     w.made,
		Reserve: func(ctx context.Context, partitions, replicas int32) (func(), string, error) {
			return c.capacity.Reserve(ctx, w.cluster.Cluster, clusterKey(topic).String(), partitions, replicas)
		},
		// All topics whose brokers are back go into few requests: three nodes take less than half as long for a thousand of them then.
		Aside: c.loop.Aside,
	})
	if done.Unanswered || kafkaerr.MayAppear(err) {
		w.lost(ctx)
	}
	if kafkaerr.CodeOf(err) == kafkaerr.UnknownTopicOrPartition {
		// The topic went while it was changed.
		return done, errMoved
	}
	if apierrors.HasStatusCause(err, topics.CauseDeletionPending) {
		return topics.Outcome{Verdict: topics.DeletionPending(want.Name)}, nil
	}
	if apierrors.IsForbidden(err) {
		// The API server's words say who can take the topic over, and how.
		return topics.Outcome{Verdict: topics.Exists(words(err))}, nil
	}
	if apierrors.IsInvalid(err) && apierrors.HasStatusCause(err, metav1.CauseTypeFieldValueDuplicate) {
		// Its words name the other object, which who reads this one's status need not know.
		return topics.Outcome{Verdict: topics.HadElsewhere(want.Name)}, nil
	}
	if err != nil {
		return done, err
	}
	if done.Made && (before.Status.TopicID != "" || withoutID(&before)) {
		c.event(topic, corev1.EventTypeWarning, "TopicRecreated", "Create",
			"Topic %s was not on the brokers any more; made it again, empty, with %s and %s", want.Name,
			plural.Of(done.Have.Partitions, "partition", "partitions"), plural.Of(done.Have.Replicas, "replica", "replicas"))
	}
	if done.Reverted != "" {
		if c.reverts.add(w.key, topic, done.Reverted, c.clock.Now()) {
			// Whether it sticks this time is found out by the next look.
			done.Verdict = topics.Insisted(done.Reverted)
			return done, nil
		}
		c.event(topic, corev1.EventTypeWarning, "ConfigReverted", "Configure", "Reverted settings of topic %s that were changed on the brokers: %s", want.Name, done.Reverted)
	}
	return done, nil
}

// desired is what the object asks for, and what is known of its topic.
func (w *work) desired() topics.Desired {
	topic := w.topic
	made, _ := w.controller.unrecorded.get(w.key)
	want := topics.Desired{
		Name: v1beta1.TopicName(topic), Spec: topics.Spec{Partitions: topic.Spec.Partitions, Replicas: topic.Spec.Replicas, Config: topic.Spec.Config},
		TopicID: topic.Status.TopicID, AdoptTopicID: topic.Spec.AdoptTopicID,
		WithoutID: withoutID(topic), Absent: topic.Status.TopicID == "" && !withoutID(topic), CarriedOut: carriedOut(topic), ReportOnly: topic.Spec.DriftPolicy == v1beta1.DriftReport,
		Unconfirmed: says(topic, topics.ReasonOutcomeUnknown), Remaking: topic.Status.TopicID != "" && recreating(topic),
	}
	if !made.id.IsZero() {
		want.MadeID = made.id.String()
	}
	now := w.controller.clock.Now()
	if says(topic, topics.ReasonConfigNotKept) {
		want.NotKept = meta.FindStatusCondition(topic.Status.Conditions, v1beta1.ConditionReady).Message
		w.controller.reverts.take(w.key, topic, topics.DriftNotKept(want.NotKept), now)
	}
	if drift, due := w.controller.reverts.insisted(w.key, topic, now); due && topics.NotKept(drift) == want.NotKept {
		want.NotKept = ""
	} else if drift != "" && !due {
		want.NotKept = topics.NotKept(drift)
	}
	if want.Unconfirmed {
		// What the brokers have is looked at, and not asked for again.
		want.Absent = false
	}
	return want
}

// withoutID tells whether an object has a topic to which its brokers gave no id: the status has its numbers.
func withoutID(topic *v1beta1.KafkaTopic) bool {
	return topic.Status.TopicID == "" && topic.Status.Partitions > 0
}

// begin remembers whose topic may be made from now on, so that what becomes of it is what its object says last.
func (w *work) begin() error {
	c, topic := w.controller, w.topic
	if made, known := c.unrecorded.get(w.key); known && made.owner == topic.UID {
		return nil
	}
	c.unrecorded.put(w.key, unrecordedTopic{owner: topic.UID, name: v1beta1.TopicName(topic), kafka: clusterKey(topic), at: w.at})
	// The cache hears of a change before we are told of it.
	cached, err := c.topics.KafkaTopics(w.key.Namespace).Get(w.key.Name)
	if err != nil || cached.UID != topic.UID {
		c.unrecorded.forget(w.key)
		return errMoved
	}
	c.hear(cached)
	return nil
}

// hear takes down what an object says becomes of a topic that was made for it.
func (c *Controller) hear(topic *v1beta1.KafkaTopic) {
	c.unrecorded.change(types.NamespacedName{Namespace: topic.Namespace, Name: topic.Name}, func(made *unrecordedTopic) {
		if made.owner == topic.UID {
			made.retain = topic.Spec.DeletionPolicy == v1beta1.TopicRetain
		}
	})
}

// end forgets what begin has remembered when nothing was made.
func (w *work) end() {
	if made, known := w.controller.unrecorded.get(w.key); known && made.id.IsZero() {
		w.controller.unrecorded.forget(w.key)
	}
}

// made remembers a topic until the API server has its id. Its object may be gone, or be another by now, of which the cache has not heard:
// what is written to the object then finds out (ifGone). When we are killed in between nobody knows whose the topic is: its
// object says so, and who has the right to all topics of the Kafka decides. To write down each create before it is sent would take one more
// write for each of thousands of topics whose brokers are back.
func (w *work) made(have topics.OnBrokers) {
	if have.ID.IsZero() {
		// Brokers before 2.8: there is nothing by which it could be told from another topic of its name, or deleted.
		return
	}
	w.controller.unrecorded.change(w.key, func(made *unrecordedTopic) { made.id = have.ID })
}

// recreating tells whether an object's topic was about to be made again when somebody last wrote of it.
func recreating(topic *v1beta1.KafkaTopic) bool {
	ready := meta.FindStatusCondition(topic.Status.Conditions, v1beta1.ConditionReady)
	return ready != nil && ready.Status == metav1.ConditionFalse && ready.Reason == topics.ReasonRecreating
}

// remake says in the status that the topic is made again, before it is: what is found when we were killed in between is known to be the
// object's then, and so is what is left when the object is deleted.
func (w *work) remake(ctx context.Context) error {
	verdict := topics.Recreating(v1beta1.TopicName(w.topic), nil)
	if ready := meta.FindStatusCondition(w.topic.Status.Conditions, v1beta1.ConditionReady); recreating(w.topic) {
		// Said again, because the API server looks for what was said last. Why it failed before stays to be read.
		verdict.Message, verdict.Stalled = ready.Message, meta.IsStatusConditionTrue(w.topic.Status.Conditions, v1beta1.ConditionStalled)
	}
	stored, err := w.say(ctx, w.topic, verdict)
	if err != nil {
		return w.ifGone(err)
	}
	w.topic = stored
	return nil
}

// lost has the API server know that the topic may appear yet, although nobody knows what came of the request for it. It looks for the topic
// then, and forgets about it after a while: what comes later is somebody else's. Whatever else is written to the object meanwhile does
// not change that.
func (w *work) lost(ctx context.Context) {
	if w.topic.Status.TopicID != "" {
		// See remake.
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
	defer cancel()
	client, topic := w.controller.client.KafkaV1beta1().KafkaTopics(w.topic.Namespace), w.topic
	err := wait.PollUntilContextCancel(ctx, againLost, true, func(ctx context.Context) (bool, error) {
		stored, err := w.say(ctx, topic, topics.Creating(v1beta1.TopicName(topic)))
		if err == nil && stored.Generation == w.topic.Generation {
			w.topic = stored
		}
		if !apierrors.IsConflict(err) {
			return err == nil, lasting(err)
		}
		newest, err := client.Get(ctx, topic.Name, metav1.GetOptions{})
		if err == nil && newest.UID != topic.UID {
			return false, errMoved
		}
		if err == nil {
			topic = newest
		}
		return false, lasting(err)
	})
	if err != nil {
		klog.FromContext(ctx).Info("The API server does not know that a topic may appear that it was asked for", "topic", w.key, "err", err)
	}
}

// lasting is an error that telling the API server again does not mend; nil for one that may pass.
func lasting(err error) error {
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return err
	}
	return nil
}

// say writes a verdict to the status of a topic, which tells the API server something by it, and returns the topic as it is stored then.
func (w *work) say(ctx context.Context, topic *v1beta1.KafkaTopic, verdict topics.Verdict) (*v1beta1.KafkaTopic, error) {
	next := topic.DeepCopy()
	next.Status.ObservedGeneration = next.Generation
	topics.SetConditions(&next.Status.Conditions, verdict, next.Spec.DriftPolicy, next.Generation, w.controller.clock.Now())
	return w.controller.client.KafkaV1beta1().KafkaTopics(next.Namespace).UpdateStatus(ctx, next, metav1.UpdateOptions{FieldManager: fieldManager})
}

// stands looks whether the object is still what the cache says, which may be behind: a deletion on the brokers may be that of the object's
// owner, and what looks changed outside may be what a newer spec says, which the API server has carried out before we hear of it.
func (w *work) stands(ctx context.Context) error {
	topic := w.topic
	live, err := w.controller.client.KafkaV1beta1().KafkaTopics(topic.Namespace).Get(ctx, topic.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && (live.UID != topic.UID || live.DeletionTimestamp != nil || live.Generation != topic.Generation) {
		return errMoved
	}
	return err
}

// takeOver records the id of a topic that the object does not have. Before anything is done to it the API server must agree that it is
// this object's: it may be what a former owner left to be deleted.
func (w *work) takeOver(ctx context.Context, have broker.Topic) error {
	c, topic, former, id := w.controller, w.topic, w.topic.Status.TopicID, have.ID
	made, _ := c.unrecorded.get(w.key)
	w.adopted = former == "" && (made.id != id || id.IsZero())
	err := w.recordID(ctx, topics.Known(have), w.adopted)
	if w.adopted && apierrors.HasStatusCause(err, topics.CauseMade) {
		// By a create whose answer was lost, ours or the API server's, which alone knows.
		w.adopted = false
		w.made(topics.Known(have))
		err = w.recordID(ctx, topics.Known(have), false)
	}
	if err != nil {
		return err
	}
	switch name := v1beta1.TopicName(topic); {
	case made.id == id && !id.IsZero(), former == "" && !w.adopted:
	case recreating(topic):
		c.event(topic, corev1.EventTypeWarning, "TopicRecreated", "Create", "Topic %s was not on the brokers any more and was made again, empty", name)
	case former == "":
		c.event(topic, corev1.EventTypeNormal, "TopicAdopted", "Adopt", "Topic %s was on the brokers already, as specified", name)
	default:
		c.event(topic, corev1.EventTypeNormal, "TopicAdopted", "Adopt", "Took over topic %s with id %s in the place of %s", name, id, former)
	}
	return nil
}

// whose asks the API server, which alone knows what former objects left and what was asked for before, without telling it anything.
func (w *work) whose(ctx context.Context, have broker.Topic) (topics.Title, error) {
	if have.ID.IsZero() {
		return topics.TitleAdoptable, nil
	}
	next := w.topic.DeepCopy()
	next.Status.TopicID = have.ID.String()
	w.found(next, true)
	_, err := w.controller.client.KafkaV1beta1().KafkaTopics(next.Namespace).UpdateStatus(ctx, next, metav1.UpdateOptions{FieldManager: fieldManager, DryRun: []string{metav1.DryRunAll}})
	switch {
	case apierrors.HasStatusCause(err, topics.CauseDeletionPending):
		return topics.TitleLeft, nil
	case apierrors.HasStatusCause(err, topics.CauseMade):
		w.made(topics.Known(have))
		return topics.TitleMade, nil
	case apierrors.IsForbidden(err):
		return topics.TitleForbidden, nil
	case apierrors.HasStatusCause(err, metav1.CauseTypeFieldValueDuplicate):
		return topics.TitleElsewhere, nil
	case apierrors.IsInvalid(err):
		// Whether the object may have it is another question.
		return topics.TitleAdoptable, nil
	case apierrors.IsNotFound(err):
		return topics.TitleAdoptable, errMoved
	}
	return topics.TitleAdoptable, err
}

// words is what the API server says of a refusal, without what it is a refusal of: whoever reads the status knows.
func words(err error) string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return err.Error()
	}
	details := status.Status().Details
	text := status.Status().Message
	for _, format := range []string{"%s %q is forbidden: ", "%s %q is invalid: "} {
		text = strings.TrimPrefix(text, fmt.Sprintf(format, schema.GroupKind{Group: details.Group, Kind: details.Kind}, details.Name))
	}
	return text
}

// taken tells whether the name of a topic that was made for an object is that of another by now, on the same Kafka or on another of its
// cluster.
func (c *Controller) taken(ctx context.Context, made unrecordedTopic) (bool, error) {
	for _, kafka := range c.sameCluster(made.kafka) {
		// The cache may be behind.
		list, err := c.client.KafkaV1beta1().KafkaTopics(metav1.NamespaceAll).List(ctx, metav1.ListOptions{
			FieldSelector: "spec.clusterRef.name=" + kafka.Name + ",spec.clusterRef.namespace=" + kafka.Namespace})
		if err != nil {
			return false, fmt.Errorf("look for another object of topic %s: %w", made.name, err)
		}
		for i := range list.Items {
			other := &list.Items[i]
			if other.UID != made.owner && clusterKey(other) == kafka && v1beta1.TopicName(other) == made.name {
				return true, nil
			}
		}
	}
	return false, nil
}

// sameCluster are a Kafka and the others that are the same cluster by their statuses.
func (c *Controller) sameCluster(of types.NamespacedName) []types.NamespacedName {
	same := []types.NamespacedName{of}
	kafka, err := c.kafkas.Kafkas(of.Namespace).Get(of.Name)
	if err != nil || kafka.Status.ClusterID == "" {
		return same
	}
	// The cache has no errors.
	all, _ := c.kafkas.List(labels.Everything())
	for _, other := range all {
		if other.UID != kafka.UID && other.Status.ClusterID == kafka.Status.ClusterID && !target.Claimed(other) {
			same = append(same, types.NamespacedName{Namespace: other.Namespace, Name: other.Name})
		}
	}
	return same
}

// deleteOrphan deletes, by id, a topic that was made here for an object that is gone, or is another by now. A topic whose name is that of
// any other object stays: that one has found the topic, and taken it.
func (c *Controller) deleteOrphan(ctx context.Context, key types.NamespacedName, owner types.UID) error {
	made, ok := c.unrecorded.get(key)
	if !ok || made.owner == owner {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	taken := made.retain
	if !taken {
		var err error
		if taken, err = c.taken(ctx, made); err != nil {
			return err
		}
	}
	if !taken {
		if err := (aside{c.connect(made.at), c.loop}).DeleteTopic(ctx, made.id); err != nil {
			return fmt.Errorf("delete topic %s that was made for the deleted KafkaTopic %s: %w", made.name, key, err)
		}
		c.capacity.Freed(made.kafka.String())
	}
	c.unrecorded.forget(key)
	return nil
}
