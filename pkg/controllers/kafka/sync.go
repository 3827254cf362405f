package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/loop"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaversion"
	"kafka.openshift.io/kafka-apiserver/pkg/render"
	targets "kafka.openshift.io/kafka-apiserver/pkg/target"
)

const (
	// askTimeout bounds what a sync waits for brokers.
	askTimeout = 5 * time.Second

	// Registrations cannot be watched: how soon to ask again, by how near the answer is.
	againRegistering = 500 * time.Millisecond
	againChanging    = 2 * time.Second
	againWaiting     = 5 * time.Second
	againSettled     = 30 * time.Second

	// electionPatience is how long a quorum may not answer before it is told of. Its nodes miss their leader after
	// controller.quorum.fetch.timeout.ms, which is two seconds, and each try to elect another takes one or two more
	// (controller.quorum.election.timeout.ms, controller.quorum.election.backoff.max.ms).
	electionPatience = 10 * time.Second
)

func (c *Controller) sync(ctx context.Context, key types.NamespacedName) (time.Duration, error) {
	cached, err := c.kafkas.Kafkas(key.Namespace).Get(key.Name)
	if apierrors.IsNotFound(err) {
		return c.bury(ctx, key)
	}
	if err != nil {
		return 0, err
	}
	kafka := cached.DeepCopy()
	v1beta1.SetObjectDefaults_Kafka(kafka)
	if kafka.Spec.Brokers == nil {
		// Somebody else runs it: package external observes it.
		return 0, nil
	}
	again, err := c.syncManaged(ctx, kafka)
	var taken *nameTakenError
	switch {
	case errors.As(err, &taken):
		return againSettled, c.refuse(ctx, kafka, refusal{reasonNameTaken, taken.Error()})
	case errors.Is(err, errWait):
		return againRegistering, nil
	case apierrors.IsConflict(err):
		// The cache is behind; the event that brings it up to date also brings us back.
		klog.FromContext(ctx).V(2).Info("Conflict, will try again", "kafka", key, "err", err)
		return againRegistering, nil
	}
	return again, err
}

func (c *Controller) syncManaged(ctx context.Context, kafka *v1beta1.Kafka) (time.Duration, error) {
	w, err := c.observe(kafka)
	if err != nil {
		return 0, err
	}
	mode := render.Mode(&kafka.Spec)
	if w.anchor == nil || mode != v1beta1.ModeZooKeeper && kafka.Status.ClusterID == "" {
		if err := c.observeLive(ctx, kafka, w); err != nil {
			return 0, err
		}
	}
	if w.anchor != nil && w.anchor.DeletionTimestamp != nil {
		return 0, fmt.Errorf("ConfigMap %s: %w", w.anchor.Name, errWait)
	}
	known, err := readRecord(w.anchor)
	if err != nil {
		return againSettled, c.refuse(ctx, kafka, refusal{reasonIdentity, err.Error()})
	}
	r, from, refused := identify(kafka, known, w.claims, c.newID)
	if refused != nil {
		return againSettled, c.refuse(ctx, kafka, *refused)
	}
	image, refused := c.image(kafka.Spec.Version)
	if refused != nil {
		return againSettled, c.refuse(ctx, kafka, *refused)
	}
	// Who the cluster is must be stored before anything is made with it.
	if kafka.Status.Mode == "" || mode != v1beta1.ModeZooKeeper && kafka.Status.ClusterID == "" {
		if kafka, err = c.introduce(ctx, kafka, r, from); err != nil {
			return 0, err
		}
		if targets.Claimed(kafka) {
			// The id is another Kafka's, and the API server has not stored it: nothing is made until that one is gone.
			return againSettled, nil
		}
	}
	if r.Storage, err = c.recordedStorage(ctx, kafka, known); err != nil {
		return 0, err
	}
	r.form(w.serving(kafka, r)...)
	anchor, err := c.applyAnchor(ctx, kafka, r)
	if err != nil {
		return 0, err
	}

	o := observation{kafka: kafka, record: r, world: w, sets: map[render.Role]*appsv1.StatefulSet{}}
	c.ask(ctx, &o)
	if o.scaling, err = c.scale(ctx, &o); err != nil {
		return 0, err
	}
	facts := render.Facts{
		AnchorUID: anchor.UID, ClusterID: r.ClusterID, Quorum: r.Quorum, Formed: r.Formed,
		InitialBrokers: r.InitialBrokers, Brokers: o.scaling.Brokers, Image: image, RunAsUser: c.runAsUser,
	}
	if err := c.write(ctx, &o, facts); err != nil {
		return 0, err
	}
	c.unregister(ctx, &o)
	if err := c.sweepConfigs(ctx, &o); err != nil {
		return 0, err
	}
	o.roll = c.decideRoll(ctx, &o)
	again, err := c.report(ctx, &o)
	if err != nil || o.roll == nil {
		return again, err
	}
	// What is restarted is in the status by now, so that whoever goes on after a crash knows.
	if o.roll.Recheck > 0 {
		again = min(again, o.roll.Recheck)
	}
	return again, c.restart(ctx, &o)
}

// write makes the host objects what they should be.
func (c *Controller) write(ctx context.Context, o *observation, facts render.Facts) error {
	kafka := o.kafka
	objects, err := render.Cluster(kafka, facts)
	if err != nil {
		return err
	}
	for _, service := range objects.Services {
		if err := c.applyService(ctx, kafka, service); err != nil {
			return err
		}
	}
	for _, config := range objects.ConfigMaps {
		if _, _, err := c.applyConfigMap(ctx, kafka, config); err != nil {
			return err
		}
	}
	for i, role := range render.Roles(o.record.Mode) {
		settled, problems, err := c.tendClaims(ctx, kafka, o.world, role)
		if err != nil {
			return err
		}
		o.problems = append(o.problems, problems...)
		desired := objects.StatefulSets[i]
		if !settled {
			// New claims of a size that old ones were refused would be the odd ones out: the templates stay, everything else goes on.
			if err := c.keepTemplates(kafka.Namespace, desired); err != nil {
				return err
			}
		}
		if o.sets[role], err = c.applyStatefulSet(ctx, kafka, desired); err != nil {
			return err
		}
	}
	o.availability = c.assess(ctx, o)
	for i, role := range render.Roles(o.record.Mode) {
		budget := objects.PodDisruptionBudgets[i]
		limitDisruptions(budget, role, o.availability)
		if err := c.applyBudget(ctx, kafka, budget); err != nil {
			return err
		}
	}
	return nil
}

// image is what runs a release.
func (c *Controller) image(release string) (string, *refusal) {
	version, ok := kafkaversion.Lookup(release)
	if !ok {
		return "", &refusal{reasonVersion, fmt.Sprintf("Kafka %s cannot be run here; known are %v", release, kafkaversion.Known())}
	}
	if image := c.images[release]; image != "" {
		return image, nil
	}
	return version.Image, nil
}

// recordedStorage is the storage that holds the Kafka. Only that storage may later say that the Kafka was deleted, so an identity
// is recorded when the Kafka was read from it just now, with the same identity before and after. The cache is no proof: it keeps
// Kafkas of a storage that was replaced, until the new one serves.
//
// That costs three reads, so a Kafka whose home is recorded is only looked at again when the storage is known to have changed,
// within storageTTL. A Kafka that took over another's cluster has no home on record.
func (c *Controller) recordedStorage(ctx context.Context, kafka *v1beta1.Kafka, known *record) (string, error) {
	if known != nil && known.KafkaUID == kafka.UID {
		current, err := c.storage.get(ctx, c.clock.Now(), c.currentStorage)
		if err != nil || current == "" || current == known.Storage {
			return known.Storage, err
		}
	}
	current, err := c.currentStorage(ctx)
	if err != nil {
		return "", err
	}
	stored, err := c.kafkaClient.KafkaV1beta1().Kafkas(kafka.Namespace).Get(ctx, kafka.Name, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("read Kafka %s/%s from the storage of today: %w", kafka.Namespace, kafka.Name, err)
	}
	after, err := c.currentStorage(ctx)
	if err != nil {
		return "", err
	}
	if stored.UID != kafka.UID || after != current {
		return "", fmt.Errorf("the storage is being replaced: %w", errWait)
	}
	return current, nil
}

// target is where a cluster that is run here is reached: at its brokers, because the bootstrap Service has no address while
// none of them is ready.
func target(kafka *v1beta1.Kafka) broker.Target {
	t := broker.Target{Key: targetKey(kafka)}
	for id := range *kafka.Spec.Brokers.Replicas {
		t.Bootstrap = append(t.Bootstrap, render.BrokerAddress(kafka.Namespace, kafka.Name, id))
	}
	return t
}

// ask asks the brokers what they know, if one of them is ready.
func (c *Controller) ask(ctx context.Context, o *observation) {
	if readyBelow(o.world.pods[render.Broker], 1<<30) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	cluster := c.connect(target(o.kafka))
	info, err := loop.Await(ctx, c.loop, func() (broker.ClusterInfo, error) { return cluster.Describe(ctx) })
	if err != nil {
		klog.FromContext(ctx).Info("Brokers do not answer", "kafka", klog.KObj(o.kafka), "err", err)
		o.infoErr = err
		return
	}
	o.info = &info
	if o.record.Mode != v1beta1.ModeZooKeeper {
		quorum, err := loop.Await(ctx, c.loop, func() (broker.QuorumInfo, error) { return cluster.Quorum(ctx) })
		if err == nil {
			o.quorum = &quorum
		} else {
			klog.FromContext(ctx).Info("The quorum does not answer", "kafka", klog.KObj(o.kafka), "err", err)
		}
		o.silent = c.silences.heard(o.kafka.UID, o.led(), c.clock.Now())
	}
}

// scale decides how many brokers to run. It asks who hosts what only when some have to go.
func (c *Controller) scale(ctx context.Context, o *observation) (scaling, error) {
	desired := *o.kafka.Spec.Brokers.Replicas
	var current int32
	set, err := c.statefulSets.StatefulSets(o.kafka.Namespace).Get(render.WorkloadName(o.kafka.Name, render.Broker))
	switch {
	case err == nil:
		current = ptr.Deref(set.Spec.Replicas, 1)
	case !apierrors.IsNotFound(err):
		return scaling{}, err
	}
	leaving := current > desired
	if o.info != nil {
		for _, b := range o.info.Brokers {
			leaving = leaving || b.ID >= desired
		}
	}
	formed := hasFormed(o)
	if !leaving || !formed {
		return decideScale(desired, current, brokerVoters(o.record), formed, nil), nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	snapshots, err := loop.Await(ctx, c.loop, func() ([]*broker.Snapshot, error) { return c.connect(target(o.kafka)).Opinions(ctx) })
	if err == nil {
		o.hosts = hosting(snapshots...)
	} else {
		klog.FromContext(ctx).Info("Brokers do not say what those that would go host", "kafka", klog.KObj(o.kafka), "err", err)
	}
	return decideScale(desired, current, brokerVoters(o.record), formed, o.hosts), nil
}

// unregister makes the cluster forget brokers that left for good. A failure is tried again with the next sync.
func (c *Controller) unregister(ctx context.Context, o *observation) {
	if o.info == nil {
		return
	}
	var pods []int32
	for _, p := range o.world.pods[render.Broker] {
		pods = append(pods, p.Ordinal)
	}
	for _, id := range left(*o.info, o.scaling.Brokers, pods, o.hosts) {
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		var err error
		c.loop.Aside(ctx, func() { err = c.connect(target(o.kafka)).UnregisterBroker(ctx, id) })
		cancel()
		if err != nil {
			klog.FromContext(ctx).Error(err, "Could not unregister a broker that left", "kafka", klog.KObj(o.kafka), "broker", id)
			continue
		}
		c.event(o.kafka, "BrokerUnregistered", "Unregister", "Broker %d has left and was unregistered", id)
	}
}
