package brokered

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	apistorage "k8s.io/apiserver/pkg/storage"
	"k8s.io/klog/v2"

	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// free tells whether a new object may have the name of a standing claim.
func (s *Store[T, H]) free(ctx context.Context, obj T, standing *storage.Claim) error {
	if standing == nil {
		return nil
	}
	_, owned, err := s.owner(ctx, standing)
	if err != nil {
		return err
	}
	same := sameName(standing.Owner, ownerOf(obj))
	switch {
	case owned && same:
		return apierrors.NewAlreadyExists(s.DefaultQualifiedResource, obj.GetName())
	case owned:
		return s.kind.Claimed(ctx, obj, standing)
	}
	// Another server may still carry out a change of the former owner, which must not reach what is made for the next.
	fenced, err := s.fenced(ctx, standing)
	switch {
	case err != nil:
		return apierrors.NewInternalError(err)
	case fenced:
		return apierrors.NewConflict(s.DefaultQualifiedResource, obj.GetName(), fmt.Errorf("%s is being changed by another request; try again", standing.Name))
	case standing.Server == "" || standing.Owner.UID == obj.GetUID():
		return nil
	}
	// It may be that of a create that has not stored its object yet. The same object cannot be stored twice, so that who creates it
	// again need not wait for a server that is gone.
	lives, err := s.servers.Lives(ctx, standing.Server)
	if err != nil {
		return apierrors.NewInternalError(err)
	}
	if !lives && (same || s.servers.Alone()) {
		return nil
	}
	if id, err := s.servers.ID(ctx); err == nil && same && standing.Server == id {
		return nil
	}
	s.Sweeper.Check(standing.Name, 0)
	return apierrors.NewConflict(s.DefaultQualifiedResource, obj.GetName(), fmt.Errorf("%s is being created by another request; try again", standing.Name))
}

// leftover is what a claim says of former owners. An id means the same topic on whichever Kafka; what is only known by what was asked for
// was asked of one Kafka, and on a later one of its name it is somebody else's.
func (w *write[T, H]) leftover(c *storage.Claim, name storage.Name) Leftover {
	if c == nil {
		return Leftover{}
	}
	left := Leftover{IDs: tombstoned(c), Unproven: c.Unproven}
	if !c.Retain && c.OfKafka(w.hostUID) && c.Name == name {
		left.Wanted = c.Wanted
		if w.store.awaited(c) {
			left.Unanswered = c.Unanswered
			left.Came = func(ctx context.Context) (bool, error) { return w.store.Sweeper.came(ctx, w.host, w.hostUID, c) }
		}
	}
	return left
}

// tombstoned are the ids that go with a claim whose owner is gone.
func tombstoned(c *storage.Claim) []string {
	ids := append([]string(nil), c.TombstonedIDs...)
	if c.ID != "" && !c.Retain {
		ids = append(ids, c.ID)
	}
	return ids
}

// take claims the object's name, or says whose it is. A claim whose owner is gone is taken over, with the duty to delete what that one
// had on the brokers.
func (w *write[T, H]) take(ctx context.Context, obj T, key string) (*storage.Claim, Leftover, error) {
	s := w.store
	if err := s.room(obj); err != nil {
		return nil, Leftover{}, err
	}
	wanted, makes, err := w.newClaim(ctx, obj)
	if err != nil {
		return nil, Leftover{}, err
	}
	if err := s.takeBack(ctx, wanted.Name); err != nil {
		return nil, Leftover{}, err
	}
	for range claimRetries {
		standing, err := s.claims.Take(ctx, wanted, key)
		var claimed *storage.ClaimedError
		switch {
		case err == nil:
			return standing, Leftover{}, nil
		case errors.Is(err, storage.ErrObjectExists):
			return nil, Leftover{}, apistorage.NewKeyExistsError(key, 0)
		case !errors.As(err, &claimed):
			return nil, Leftover{}, internal(err)
		}
		if err := s.free(ctx, obj, standing); err != nil {
			if apierrors.IsAlreadyExists(err) {
				err = apistorage.NewKeyExistsError(key, 0)
			}
			return nil, Leftover{}, err
		}
		left := w.leftover(standing, wanted.Name)
		taken, err := s.claims.Update(ctx, standing, func(c *storage.Claim) {
			// What the former owner had made is the next one's to recognize, should nobody be asked now.
			revised := wanted
			revised.TombstonedIDs, revised.Unproven = left.IDs, left.Unproven
			if makes {
				revised.Wanted = left.Wanted
			}
			for _, asked := range wanted.Wanted {
				revised.Want(asked)
			}
			if len(left.Unanswered) > 0 {
				revised.Unanswered, revised.Asked = left.Unanswered, standing.Asked
			}
			if revised.ClusterUID == "" {
				revised.ClusterUID = standing.ClusterUID
			}
			*c = revised
		})
		if err == nil {
			return taken, left, nil
		}
		if !errors.Is(err, storage.ErrClaimChanged) {
			return nil, Leftover{}, internal(err)
		}
	}
	return nil, Leftover{}, apierrors.NewConflict(s.DefaultQualifiedResource, obj.GetName(), errBusy)
}

// internal is an error of the storage as it is answered; that it is full is no fault of the server's.
func internal(err error) error {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return err
	}
	return apierrors.NewInternalError(err)
}

// claimRetries bounds the attempts to change a claim that others change too.
const claimRetries = 5

var errBusy = errors.New("others keep changing the claim on its name; try again")

// newClaim is the claim of a new object. makes tells whether anything is to be made for it.
func (w *write[T, H]) newClaim(ctx context.Context, obj T) (claim storage.Claim, makes bool, err error) {
	s := w.store
	id, err := s.servers.ID(ctx)
	if err != nil {
		return storage.Claim{}, false, apierrors.NewServiceUnavailable(err.Error())
	}
	wanted, err := s.kind.Wanted(obj)
	if err != nil {
		return storage.Claim{}, false, apierrors.NewInternalError(err)
	}
	retain, _ := s.kind.Retain(obj)
	claim = storage.Claim{Name: s.kind.Name(obj), ClusterUID: w.hostUID, Owner: ownerOf(obj), Retain: retain,
		MayAdopt: s.kind.MayAdopt(ctx, obj), Server: id, Since: s.clock.Now()}
	// Brokers that are away are not asked.
	if w.asks = wanted != nil && w.away == nil; w.asks {
		claim.Want(wanted)
	}
	return claim, wanted != nil, nil
}

// giveBack drops a claim whose object is not stored. One with something left of former owners stays for the sweeper.
func (w *write[T, H]) giveBack(ctx context.Context, claim *storage.Claim, left Leftover) {
	s := w.store
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterwards)
	defer cancel()
	_, err := s.tryOwn(ctx, claim, func(claim *storage.Claim) (*storage.Claim, error) {
		// Others may have found out meanwhile what former owners had.
		if len(left.IDs)+len(left.Wanted)+len(claim.TombstonedIDs) == 0 && !s.awaited(claim) {
			return nil, s.claims.Drop(ctx, claim)
		}
		s.Sweeper.Check(claim.Name, 0)
		s.outlives(claim)
		return s.claims.Update(ctx, claim, func(c *storage.Claim) {
			c.ID, c.Server, c.Retain, c.Wanted = "", "", false, left.Wanted
		})
	})
	if err != nil {
		w.withdraw(ctx, claim, left, err)
	}
}

// changeOwn changes the claim of an object that is being created, and returns it as it stands then.
func (s *Store[T, H]) changeOwn(ctx context.Context, claim *storage.Claim, change func(*storage.Claim)) (*storage.Claim, error) {
	return s.tryOwn(ctx, claim, func(claim *storage.Claim) (*storage.Claim, error) { return s.claims.Update(ctx, claim, change) })
}

// tryOwn does something to a claim, once more when others have changed it since it was read, as sweepers do, and it is still the owner's.
func (s *Store[T, H]) tryOwn(ctx context.Context, claim *storage.Claim, do func(*storage.Claim) (*storage.Claim, error)) (*storage.Claim, error) {
	owner := claim.Owner.UID
	for range claimRetries {
		now, err := do(claim)
		if !errors.Is(err, storage.ErrClaimChanged) {
			return now, err
		}
		if claim, err = s.claims.Get(ctx, claim.Name); err != nil {
			return nil, err
		}
		if claim == nil || claim.Owner.UID != owner {
			break
		}
	}
	return nil, storage.ErrClaimChanged
}

// changeClaim changes the claim of an owner if it is still the owner's. change says whether it changed anything.
func (s *Store[T, H]) changeClaim(ctx context.Context, name storage.Name, owner storage.Owner, change func(*storage.Claim) bool) error {
	for range claimRetries {
		standing, err := s.claims.Get(ctx, name)
		if err != nil {
			return apierrors.NewInternalError(err)
		}
		if standing == nil || standing.Owner.UID != owner.UID {
			return nil
		}
		if probe := *standing; !change(&probe) {
			return nil
		}
		_, err = s.claims.Update(ctx, standing, func(c *storage.Claim) { change(c) })
		if err == nil {
			return nil
		}
		if !errors.Is(err, storage.ErrClaimChanged) {
			return apierrors.NewInternalError(err)
		}
	}
	return apierrors.NewConflict(s.DefaultQualifiedResource, owner.Name, errBusy)
}

// Learn writes to the claim of an object what the brokers call what it has there, "" when they give no ids, and whether that was somebody's
// before. The object is stored with the id, by which it is recognized without the claim, so that a failure is logged. It outlives the request,
// whose time may be over.
func (s *Store[T, H]) Learn(ctx context.Context, obj T, id string, takenOver bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterwards)
	defer cancel()
	var withoutID json.RawMessage
	if id == "" {
		withoutID = s.withoutID(ctx, obj)
	}
	uid, err := s.askedHost(ctx, obj)
	if err != nil {
		klog.FromContext(ctx).Error(err, "Which cluster was asked is not written to the claim", "claim", s.kind.Name(obj))
	}
	if err := s.changeClaim(ctx, s.kind.Name(obj), ownerOf(obj), func(c *storage.Claim) bool {
		before := *c
		moveTo(c, uid)
		// That something else was to stay, which the object did not get in the end, says nothing of this.
		c.ID, c.WithoutID, c.Server, c.Retain, c.Wanted = id, withoutID, "", takenOver || c.Retain && c.ID == id, nil
		c.Prove(id)
		return !reflect.DeepEqual(before, *c)
	}); err != nil {
		klog.FromContext(ctx).Error(err, "Id not written to the claim", "claim", s.kind.Name(obj), "id", id)
	}
}

// hostKey is the key of a context's host.
type hostKey struct{}

// onHost notes for what comes of a request which host was asked: an object's may be another one by the time that the answer is there.
func onHost(ctx context.Context, uid types.UID) context.Context {
	return context.WithValue(ctx, hostKey{}, uid)
}

// askedHost is the host that a request has asked for an object, or that it would ask now.
func (s *Store[T, H]) askedHost(ctx context.Context, obj T) (types.UID, error) {
	if uid, asked := ctx.Value(hostKey{}).(types.UID); asked {
		return uid, nil
	}
	_, uid, err := s.kind.Host(ctx, obj, obj, false)
	if s.backend.Away(err) {
		err = nil
	}
	return uid, err
}

// withoutID is what an object has on brokers that give it no id.
func (s *Store[T, H]) withoutID(ctx context.Context, obj T) json.RawMessage {
	has, err := s.kind.Wanted(obj)
	if err != nil {
		klog.FromContext(ctx).Error(err, "What the brokers give no id to is not written to the claim", "claim", s.kind.Name(obj))
	}
	return has
}

// Doom notes that what has an id is about to be deleted for a stored object, or one that is being created, so that nobody takes it for its own when
// there is no answer to that. It was told by what it is like, and stays when somebody uses it before it is gone.
func (s *Store[T, H]) Doom(ctx context.Context, obj T, id string) error {
	return s.changeClaim(ctx, s.kind.Name(obj), ownerOf(obj), func(c *storage.Claim) bool {
		changed := !slices.Contains(c.TombstonedIDs, id)
		if changed {
			c.TombstonedIDs = append(slices.Clone(c.TombstonedIDs), id)
			c.Unprove(id)
		}
		return changed
	})
}

// Spare takes back a Doom: what has the id stays.
func (s *Store[T, H]) Spare(ctx context.Context, obj T, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterwards)
	defer cancel()
	return s.changeClaim(ctx, s.kind.Name(obj), ownerOf(obj), func(c *storage.Claim) bool {
		before := len(c.TombstonedIDs)
		c.TombstonedIDs = slices.DeleteFunc(slices.Clone(c.TombstonedIDs), func(doomed string) bool { return doomed == id })
		c.Prove(id)
		return len(c.TombstonedIDs) != before
	})
}

// Keep notes that what a stored object is about to have was somebody's before, so that it stays with an object that leaves that open.
func (s *Store[T, H]) Keep(ctx context.Context, obj T) error {
	return s.changeClaim(ctx, s.kind.Name(obj), ownerOf(obj), func(c *storage.Claim) bool {
		changed := !c.Retain
		c.Retain = true
		return changed
	})
}

// Asked notes that the brokers, which do not have what a stored object asks for, were asked for it, or are about to be: what is found of it
// later is the object's, whoever finds it. It is looked for by name. lost says that there may be no answer, so that it may come however late.
func (s *Store[T, H]) Asked(ctx context.Context, obj T, lost bool) error {
	wanted, err := s.kind.Wanted(obj)
	if err != nil {
		return apierrors.NewInternalError(err)
	}
	uid, err := s.askedHost(ctx, obj)
	if err != nil {
		return err
	}
	name := s.kind.Name(obj)
	first := false
	err = s.changeClaim(ctx, name, ownerOf(obj), func(c *storage.Claim) bool {
		before, now := *c, s.clock.Now()
		moveTo(c, uid)
		first = len(c.Wanted) == 0
		if wanted != nil {
			c.Want(wanted)
		}
		if lost && wanted != nil {
			s.await(c, wanted)
		}
		if age := now.Sub(c.Asked); first || age < 0 || age > askedAgain {
			c.Asked = now
		}
		return wanted != nil && !reflect.DeepEqual(before, *c)
	})
	if first {
		s.Sweeper.Check(name, requestFirst)
	}
	return err
}

// askedAgain is how soon a note that is made again is written again: often enough that a request is waited for longer than it can last, and
// not with each of the attempts of thousands of topics whose brokers do not answer.
const askedAgain = inFlight / 3

// moveTo makes a claim one about the Kafka with a uid: what was asked of another one is not there, and who made the object was not asked
// whether he may take over what is.
func moveTo(c *storage.Claim, uid types.UID) {
	if !c.OfKafka(uid) {
		c.MayAdopt, c.Wanted, c.WithoutID, c.Unanswered = false, nil, nil, nil
	}
	if !c.OfKafka(uid) || c.ClusterUID == "" && uid != "" || c.Lacks(uid) {
		c.ClusterUID = uid
	}
}

// noteHost writes to the claim of a stored object which Kafka it is about.
func (s *Store[T, H]) noteHost(ctx context.Context, obj T, uid types.UID) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterwards)
	defer cancel()
	return s.changeClaim(ctx, s.kind.Name(obj), ownerOf(obj), func(c *storage.Claim) bool {
		before := c.ClusterUID
		moveTo(c, uid)
		return c.ClusterUID != before
	})
}
