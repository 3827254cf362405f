package kafkatopic

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

type claim = storage.Claim

// claimRetries bounds the attempts to change a claim that others change too.
const claimRetries = 5

var errBusy = errors.New("others keep changing the claim on the topic")

func clusterOf(topic *kafka.KafkaTopic) types.NamespacedName {
	return types.NamespacedName{Namespace: topic.ClusterNamespace(), Name: topic.Spec.ClusterRef.Name}
}

// takeClaim makes a topic name this object's, or says whose it is. A claim whose owner is gone is taken over, with
// the duty to delete the former owner's topic. With dryRun nothing is written.
func (w *write) takeClaim(ctx context.Context, cluster types.UID, topic *kafka.KafkaTopic) error {
	wanted := claim{
		Cluster: clusterOf(topic), ClusterUID: cluster, Topic: topic.TopicName(), Since: w.plane.clock.Now(),
		Owner:  storage.Owner{Namespace: topic.Namespace, Name: topic.Name, UID: topic.UID},
		Retain: topic.Spec.DeletionPolicy == kafka.TopicRetain,
	}
	for range claimRetries {
		standing, err := w.claimOnce(ctx, wanted)
		switch {
		case errors.Is(err, storage.ErrClaimChanged):
			continue
		case err != nil:
			return err
		}
		w.claim = standing
		return nil
	}
	return apierrors.NewConflict(kafka.Resource("kafkatopics"), topic.Name, errBusy)
}

func (w *write) claimOnce(ctx context.Context, wanted claim) (*claim, error) {
	var standing *claim
	var err error
	if w.dryRun {
		if standing, err = w.plane.claims.Get(ctx, wanted.Cluster, wanted.Topic); err == nil && standing == nil {
			return &wanted, nil
		}
	} else {
		standing, err = w.plane.claims.Take(ctx, wanted)
		var claimed *storage.ClaimedError
		if err == nil || !errors.As(err, &claimed) {
			return standing, err
		}
		err = nil
	}
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	owned, err := w.plane.owned(ctx, standing)
	switch {
	case err != nil:
		return nil, err
	case owned && standing.Owner.Namespace == wanted.Owner.Namespace && standing.Owner.Name == wanted.Owner.Name:
		// The store says "already exists" in a moment, as for every kind.
		return nil, apierrors.NewAlreadyExists(kafka.Resource("kafkatopics"), wanted.Owner.Name)
	case owned:
		return nil, w.plane.claimed(ctx, standing, wanted)
	case underWay(standing):
		// Or what is left of a server that was killed: the sweeper finds out.
		w.plane.suspect(standing.Cluster, standing.Topic, 0)
		return nil, w.plane.claimed(ctx, standing, wanted)
	case w.dryRun:
		wanted.Doomed = doomed(standing)
		return &wanted, nil
	}
	return w.plane.claims.Update(ctx, standing, func(c *claim) {
		c.Doomed = doomed(standing)
		c.Topic, c.TopicID, c.Sought, c.Owner, c.Retain = wanted.Topic, "", nil, wanted.Owner, wanted.Retain
		c.ClusterUID, c.Since = wanted.ClusterUID, wanted.Since
	})
}

// underWay tells whether a claim without a stored owner can be that of a create that has not stored its object yet. How old it is
// does not tell: it was another server's clock, and clocks jump.
func underWay(c *claim) bool { return c.TopicID == "" && len(c.Doomed) == 0 && !c.Since.IsZero() }

// doomed are the topics that go with a claim whose owner is gone.
func doomed(c *claim) []string {
	ids := slices.Clone(c.Doomed)
	if c.TopicID != "" && !c.Retain {
		ids = append(ids, c.TopicID)
	}
	return ids
}

// owned tells whether the owner of a claim is still stored.
func (p *plane) owned(ctx context.Context, c *claim) (bool, error) {
	obj, err := p.topics.Get(inNamespace(ctx, c.Owner.Namespace), c.Owner.Name, &metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, err
	}
	return obj.(*kafka.KafkaTopic).UID == c.Owner.UID, nil
}

// claimed is the 409 that names the other object, to those who may see it.
func (p *plane) claimed(ctx context.Context, standing *claim, wanted claim) error {
	other := "another KafkaTopic"
	if seen, _, _ := p.access.may(ctx, "get", "kafkatopics", standing.Owner.Namespace, standing.Owner.Name); seen {
		other = fmt.Sprintf("KafkaTopic %q in namespace %q", standing.Owner.Name, standing.Owner.Namespace)
	}
	why := fmt.Errorf("topic %q of Kafka %s is managed by %s", wanted.Topic, wanted.Cluster, other)
	if standing.Topic != wanted.Topic {
		why = fmt.Errorf("topic %q collides with topic %q of %s: Kafka's metrics cannot tell '.' and '_' apart",
			wanted.Topic, standing.Topic, other)
	}
	return apierrors.NewConflict(kafka.Resource("kafkatopics"), wanted.Owner.Name, why)
}

// changeClaim changes the claim of a topic if it is still the topic's. change says whether it changed anything.
func changeClaim(ctx context.Context, claims Claims, topic *kafka.KafkaTopic, change func(*claim) bool) error {
	for range claimRetries {
		standing, err := claims.Get(ctx, clusterOf(topic), topic.TopicName())
		if err != nil {
			return apierrors.NewInternalError(err)
		}
		if standing == nil || standing.Owner.UID != topic.UID {
			return nil
		}
		if probe := *standing; !change(&probe) {
			return nil
		}
		_, err = claims.Update(ctx, standing, func(c *claim) { change(c) })
		if err == nil {
			return nil
		}
		if !errors.Is(err, storage.ErrClaimChanged) {
			return apierrors.NewInternalError(err)
		}
	}
	return apierrors.NewConflict(kafka.Resource("kafkatopics"), topic.Name, errBusy)
}

// disown sees to it that a topic goes that a write has made for an object that was deleted meanwhile: whoever deleted the object could
// not know of it. When its claim is gone, too, it gets a new one, as a tombstone. A topic that the write has only found is left to
// the claim, and so is one whose name is another object's by now: that one has found the topic, and taken it.
func (p *plane) disown(ctx context.Context, topic *kafka.KafkaTopic, done outcome) error {
	if done.onBrokers == nil || done.onBrokers.ID.IsZero() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	tombstone := claim{Cluster: clusterOf(topic), Topic: topic.TopicName(), TopicID: done.onBrokers.ID.String(),
		Owner:  storage.Owner{Namespace: topic.Namespace, Name: topic.Name, UID: topic.UID},
		Retain: topic.Spec.DeletionPolicy == kafka.TopicRetain}
	defer p.suspect(tombstone.Cluster, tombstone.Topic, 0)
	for range claimRetries {
		standing, err := p.claims.Get(ctx, tombstone.Cluster, tombstone.Topic)
		switch {
		case err != nil:
			return apierrors.NewInternalError(err)
		case standing == nil && (!done.made || tombstone.Retain):
			return nil
		case standing == nil:
			if standing, err = p.claims.Take(ctx, tombstone); err == nil && standing.TopicID == tombstone.TopicID {
				return nil
			}
		case standing.Owner.UID != topic.UID || standing.TopicID == tombstone.TopicID:
			return nil
		default:
			if _, err = p.claims.Update(ctx, standing, func(c *claim) { c.TopicID, c.Sought = tombstone.TopicID, nil }); err == nil {
				return nil
			}
		}
		var claimed *storage.ClaimedError
		if err != nil && !errors.Is(err, storage.ErrClaimChanged) && !errors.As(err, &claimed) {
			return apierrors.NewInternalError(err)
		}
	}
	return apierrors.NewConflict(kafka.Resource("kafkatopics"), topic.Name, errBusy)
}

// refuseDoomed refuses to give an object the topic of a former owner that is still to be deleted.
func (p *plane) refuseDoomed(ctx context.Context, topic, old *kafka.KafkaTopic) error {
	id := topic.Status.TopicID
	if id == "" || id == old.Status.TopicID {
		return nil
	}
	standing, err := p.claims.Get(ctx, clusterOf(topic), topic.TopicName())
	if err != nil {
		return apierrors.NewInternalError(err)
	}
	if standing == nil || !slices.Contains(standing.Doomed, id) {
		return nil
	}
	return apierrors.NewConflict(kafka.Resource("kafkatopics"), topic.Name,
		fmt.Errorf("topic id %s is that of a deleted KafkaTopic and is about to be deleted", id))
}

// undo gives back a claim whose object was not stored after all. One that carries former owners' topics stays for the sweeper.
func (w *write) undo(ctx context.Context) {
	if w.claim == nil || w.dryRun || len(w.claim.Doomed) > 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if err := w.plane.claims.Drop(ctx, w.claim); err != nil {
		klog.FromContext(ctx).Info("Claim not given back, the sweeper does it", "topic", w.claim.Topic, "err", err)
	}
	w.claim = nil
}

const undoTimeout = 3 * time.Second
