package brokered

import (
	"context"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// Names are claimed on a Kafka. Two Kafkas may be one cluster, which has one topic of a name: what an object of the other Kafka claims is
// looked at when something is about to be taken over, recognized or deleted. Whoever takes something over has a claim of its own by then, so
// that of two who do so at once each sees the other.

// ClaimedElsewhere finds an object of another Kafka of the same cluster that claims the name of an object, which is about to take over what
// has an id. It is nil when nobody does. lives is false when that object is not stored: it is being created, which its claim's Server says, or
// was deleted and what has the id is about to go.
func (s *Store[T, H]) ClaimedElsewhere(ctx context.Context, obj T, id string) (claim *storage.Claim, lives bool, err error) {
	claim, lives, err = s.elsewhere(ctx, s.kind.Name(obj), func(c *storage.Claim, _ T, lives bool) bool {
		return lives || c.Server != "" || slices.Contains(tombstoned(c), id) || !c.Retain && (id != "" && c.ReportedID == id || len(c.Wanted) > 0)
	})
	if claim != nil && !lives {
		s.Sweeper.Check(claim.Name, 0)
	}
	return claim, lives, err
}

// HadElsewhere finds an object of another Kafka of the same cluster, stored or about to be, that has what has an id; nil when none does. It may
// have taken it over when nobody looked for others.
func (s *Store[T, H]) HadElsewhere(ctx context.Context, name storage.Name, id string) (*storage.Claim, error) {
	claim, _, err := s.elsewhere(ctx, name, func(c *storage.Claim, owner T, lives bool) bool {
		return lives && s.had(c, owner, id) || c.Server != "" && c.ID == id
	})
	return claim, err
}

// AskedElsewhere tells whether what has an id may have been made for an object of another Kafka of the same cluster, or is had by one: it
// cannot be recognized then by what it is like.
func (s *Store[T, H]) AskedElsewhere(ctx context.Context, name storage.Name, id string) (bool, error) {
	claim, _, err := s.elsewhere(ctx, name, func(c *storage.Claim, owner T, lives bool) bool {
		// The id is noted beside the object, which may not be stored yet.
		return lives && s.had(c, owner, id) || (lives || c.Server != "") && (c.ID == id || len(c.Wanted) > 0)
	})
	return claim != nil, err
}

// had tells whether the owner of a claim has what has an id. A claim that was lost, and taken anew, does not have it. What has none is told by
// its name.
func (s *Store[T, H]) had(c *storage.Claim, owner T, id string) bool {
	if id == "" {
		return c.WithoutID != nil
	}
	return c.ID == id || s.kind.ReportedID(owner) == id
}

// elsewhere is the first claim on a name by another Kafka of the same cluster that counts.
func (s *Store[T, H]) elsewhere(ctx context.Context, name storage.Name, counts func(c *storage.Claim, owner T, lives bool) bool) (claim *storage.Claim, lives bool, err error) {
	others, err := s.backend.Same(ctx, name.Cluster)
	if err != nil {
		return nil, false, err
	}
	for _, other := range others {
		there := name
		there.Cluster = other
		standing, err := s.claims.Get(ctx, there)
		if err != nil {
			return nil, false, apierrors.NewInternalError(err)
		}
		if standing == nil || standing.Name != there {
			// Of two names that collide the brokers have one.
			continue
		}
		owner, lives, err := s.owner(ctx, standing)
		if err != nil {
			return nil, false, err
		}
		if counts(standing, owner, lives) {
			return standing, lives, nil
		}
	}
	return nil, false, nil
}
