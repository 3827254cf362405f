package live

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/authentication/user"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/access"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/crash"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
)

const (
	// verdictFresh is how long a verdict stands before it is looked at again, and verdictStale how long it is used while that goes on:
	// a request does not wait for etcd.
	verdictFresh = 10 * time.Second
	verdictStale = time.Minute
	// verdictLife is when a verdict that nobody asks for is let go of.
	verdictLife = 10 * time.Minute
	// judgeTimeout bounds one look.
	judgeTimeout = 5 * time.Second
	// restateTimeout bounds the write of a status, for which brokers are asked.
	restateTimeout = 15 * time.Second
	// claimRetries bounds the attempts to change a claim that others change too.
	claimRetries = 5
)

// ClaimedError says that a Kafka's brokers are those of another Kafka. It is a 403 to whoever asks for something of them, which names the
// other only to who may get that one; see Clusters.For.
type ClaimedError struct {
	// By is the Kafka whose cluster it is, and ClusterID the cluster's id. Both are empty of a Kafka of which no more is known than that its
	// status says so: it is not the cluster, so that the status does not have the id.
	By        types.NamespacedName
	ClusterID string
	// kafka is the name of the one whose it is not, and ours says that it is run here, so that nobody wrote a spec.external.
	kafka string
	ours  bool
	// named says that its text may name the other.
	named bool
}

func (e *ClaimedError) Error() string {
	of, own := "another Kafka", "the verb \"own\" on that one"
	if e.named {
		of, own = fmt.Sprintf("Kafka %s, cluster %q", e.By, e.ClusterID), ownership(e.By).String()
	}
	if e.ours {
		return fmt.Sprintf("its brokers are those of %s; who creates it needs %s", of, own)
	}
	return fmt.Sprintf("its brokers are those of %s; who writes spec.external needs %s", of, own)
}

func (e *ClaimedError) Unwrap() error { return e.forbidden() }

var _ apierrors.APIStatus = &ClaimedError{}

// Status implements apierrors.APIStatus.
func (e *ClaimedError) Status() metav1.Status { return e.forbidden().ErrStatus }

func (e *ClaimedError) forbidden() *apierrors.StatusError {
	return apierrors.NewForbidden(kafka.Resource("kafkas"), e.kafka, errors.New(e.Error()))
}

// naming is the error for who may know whose the cluster is.
func (e *ClaimedError) naming() error {
	named := *e
	named.named = true
	return &named
}

// ownership is what the maker of another Kafka of a cluster needs.
func ownership(of types.NamespacedName) access.Question {
	return access.Question{Verb: "own", Resource: access.Kafkas, Namespace: of.Namespace, Name: of.Name}
}

// KafkaStore reads Kafkas from the storage.
type KafkaStore interface {
	KafkaGetter
	List(ctx context.Context, options *metainternalversion.ListOptions) (runtime.Object, error)
}

// Claims are the claims on clusters.
type Claims interface {
	Get(ctx context.Context, clusterID string) (*storage.ClusterClaim, error)
	Take(ctx context.Context, claim storage.ClusterClaim) (standing *storage.ClusterClaim, taken bool, err error)
	Replace(ctx context.Context, standing *storage.ClusterClaim, claim storage.ClusterClaim) (*storage.ClusterClaim, error)
	Drop(ctx context.Context, claim *storage.ClusterClaim) error
	List(ctx context.Context) ([]*storage.ClusterClaim, error)
}

// Makers remember who made Kafkas.
type Makers interface {
	Record(ctx context.Context, kafka types.UID, maker storage.Maker) error
	Get(ctx context.Context, kafka types.UID, external string) (*storage.Maker, error)
	Kafkas(ctx context.Context) ([]types.UID, error)
	Forget(ctx context.Context, kafka types.UID) error
}

// Identities know which Kafka may be which cluster. A cluster is its id, as its brokers tell it on each connection. It is the cluster of the
// Kafka that was first with the id: of one that is run here when the id is stored, before its brokers are started, of another when its
// brokers say so. A second Kafka is refused, unless who made it has the verb "own" on the first.
type Identities struct {
	Claims Claims
	Makers Makers
	Kafkas KafkaStore
	Access access.Reviewer
	Clock  clock.WithTicker
	// Restate writes the status of a Kafka anew, whose cluster is another's, or one of whose brokers is where none may be.
	Restate func(ctx context.Context, kafka types.NamespacedName) error

	mu       sync.Mutex
	verdicts map[question]*verdict
	// told is when the statuses of Kafkas were last to be written anew.
	told map[types.UID]time.Time
	// missed is since when makers are remembered of Kafkas that are not stored.
	missed map[types.UID]time.Time
}

// question is whether a Kafka may be a cluster. Another generation may have been made by somebody else.
type question struct {
	uid        types.UID
	generation int64
	clusterID  string
}

// verdict is what is known of a question.
type verdict struct {
	err      error
	at, used time.Time
	// flight is closed when the look that is under way has ended; nil when none is.
	flight chan struct{}
}

// maxVerdicts bounds the clusters that the brokers of one Kafka have said lately that they are: whoever answers chooses what he says.
const maxVerdicts = 16

// forget makes room for the verdict on a question: those that nobody asked for long go, those of earlier generations of the Kafka, and the
// oldest of too many.
func (i *Identities) forget(now time.Time, of question) {
	if i.verdicts == nil {
		i.verdicts = map[question]*verdict{}
	}
	var oldest question
	same := 0
	for q, v := range i.verdicts {
		switch {
		case v.flight != nil:
		case now.Sub(v.used) > verdictLife, q.uid == of.uid && q.generation < of.generation:
			delete(i.verdicts, q)
		case q.uid == of.uid:
			if same++; same == 1 || v.used.Before(i.verdicts[oldest].used) {
				oldest = q
			}
		}
	}
	if same >= maxVerdicts {
		delete(i.verdicts, oldest)
	}
}

// look begins to renew a verdict. It outlives the request that it begins with, and is nobody's: what that request has in its context, its
// user, its audit and where its warnings go, is not for it.
func (i *Identities) look(logger klog.Logger, k *v1beta1.Kafka, clusterID string, v *verdict) {
	ctx := klog.NewContext(genericapirequest.WithNamespace(context.Background(), k.Namespace), logger)
	crash.Go(func() error {
		ctx, cancel := context.WithTimeout(ctx, judgeTimeout)
		defer cancel()
		return i.judge(ctx, k, clusterID, true)
	}, func(err error) {
		i.renew(v, err)
		var claimed *ClaimedError
		if errors.As(err, &claimed) && !target.Claimed(k) {
			i.tell(ctx, k)
		}
	})
}

// renew notes how a look ended. While etcd does not answer, the last verdict stands for those who do not wait.
func (i *Identities) renew(v *verdict, err error) {
	var claimed *ClaimedError
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.Clock.Now()
	switch {
	case err == nil, errors.As(err, &claimed):
		v.err, v.at = err, now
	case v.at.IsZero(), now.Sub(v.at) >= verdictStale:
		v.err, v.at = err, time.Time{}
	}
	close(v.flight)
	v.flight = nil
}

// judge decides whether a Kafka may be a cluster, and claims the cluster for it where it can. Brokers of the Kafka have said that it is the
// cluster when answered is true. Otherwise nobody who is stored loses the cluster to it.
func (i *Identities) judge(ctx context.Context, k *v1beta1.Kafka, clusterID string, answered bool) error {
	if clusterID == "" {
		return apierrors.NewServiceUnavailable("the brokers do not say of which cluster they are")
	}
	wanted := storage.ClusterClaim{ClusterID: clusterID, RunHere: k.Spec.External == nil,
		Owner: storage.Owner{Namespace: k.Namespace, Name: k.Name, UID: k.UID}}
	for range claimRetries {
		standing, taken, err := i.Claims.Take(ctx, wanted)
		if err != nil {
			return apierrors.NewInternalError(err)
		}
		if taken {
			return i.release(ctx, wanted)
		}
		if standing.Owner.UID == k.UID {
			return nil
		}
		owned, err := i.stored(ctx, standing.Owner)
		if err != nil {
			return err
		}
		if owned {
			if err := i.second(ctx, k, standing); err != nil || !answered || standing.RunHere || !wanted.RunHere {
				return err
			}
		}
		if _, err := i.Claims.Replace(ctx, standing, wanted); err == nil {
			return i.release(ctx, wanted)
		} else if !errors.Is(err, storage.ErrClaimChanged) {
			return apierrors.NewInternalError(err)
		}
	}
	return apierrors.NewServiceUnavailable("others keep changing the claim on the cluster")
}

// compare decides whether a Kafka may be a cluster, and changes nothing.
func (i *Identities) compare(ctx context.Context, k *v1beta1.Kafka, clusterID string) error {
	standing, err := i.Claims.Get(ctx, clusterID)
	if err != nil {
		return apierrors.NewInternalError(err)
	}
	if standing == nil || standing.Owner.UID == k.UID {
		return nil
	}
	if owned, err := i.stored(ctx, standing.Owner); err != nil || !owned {
		return err
	}
	return i.second(ctx, k, standing)
}

// claim claims for a Kafka that is run here the cluster that its stored status says.
func (i *Identities) claim(ctx context.Context, k *kafka.Kafka) error {
	v, err := versioned(k)
	if err != nil {
		return err
	}
	return i.judge(ctx, v, v.Status.ClusterID, false)
}

// stored tells whether the owner of a claim is there still.
func (i *Identities) stored(ctx context.Context, owner storage.Owner) (bool, error) {
	obj, err := i.Kafkas.Get(genericapirequest.WithNamespace(ctx, owner.Namespace), owner.Name, &metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	k, ok := obj.(*kafka.Kafka)
	return ok && k.UID == owner.UID, nil
}

// release drops what else a Kafka has claimed, which is another cluster now: nobody can hold many.
func (i *Identities) release(ctx context.Context, taken storage.ClusterClaim) error {
	claims, err := i.Claims.List(ctx)
	if err != nil {
		return apierrors.NewInternalError(err)
	}
	for _, claim := range claims {
		if claim.Owner.UID != taken.Owner.UID || claim.ClusterID == taken.ClusterID {
			continue
		}
		if err := i.Claims.Drop(ctx, claim); err != nil && !errors.Is(err, storage.ErrClaimChanged) {
			return apierrors.NewInternalError(err)
		}
	}
	return nil
}

// second judges a Kafka whose cluster is another's.
func (i *Identities) second(ctx context.Context, k *v1beta1.Kafka, standing *storage.ClusterClaim) error {
	first := types.NamespacedName{Namespace: standing.Owner.Namespace, Name: standing.Owner.Name}
	maker, err := i.Makers.Get(ctx, k.UID, fingerprint(k.Spec.External))
	if err != nil {
		return apierrors.NewInternalError(err)
	}
	if maker != nil {
		own := ownership(first)
		own.User = &user.DefaultInfo{Name: maker.Name, UID: maker.UID, Groups: maker.Groups, Extra: maker.Extra}
		allowed, reason, err := i.Access.May(ctx, own)
		if allowed {
			return nil
		}
		if err != nil && reason == "" {
			return apierrors.NewInternalError(fmt.Errorf("ask for %s: %w", own, err))
		}
	}
	return &ClaimedError{By: first, kafka: k.Name, ClusterID: standing.ClusterID, ours: k.Spec.External == nil}
}

// Made records who wrote the spec.external of a Kafka that is about to be stored, or creates one that is run here.
func (i *Identities) Made(ctx context.Context, k, before *kafka.Kafka) error {
	if before != nil && equality.Semantic.DeepEqual(k.Spec.External, before.Spec.External) {
		return nil
	}
	var external *v1beta1.ExternalSpec
	if k.Spec.External != nil {
		external = &v1beta1.ExternalSpec{}
		if err := v1beta1.Convert_kafka_ExternalSpec_To_v1beta1_ExternalSpec(k.Spec.External, external, nil); err != nil {
			return apierrors.NewInternalError(fmt.Errorf("convert spec.external: %w", err))
		}
	}
	who, ok := genericapirequest.UserFrom(ctx)
	if !ok {
		return apierrors.NewInternalError(errors.New("no user in the request's context"))
	}
	maker := storage.Maker{External: fingerprint(external), Name: who.GetName(), UID: who.GetUID(), Groups: who.GetGroups(), Extra: who.GetExtra()}
	if err := i.Makers.Record(ctx, k.UID, maker); err != nil {
		return apierrors.NewInternalError(err)
	}
	return nil
}

// fingerprint tells one spec.external from another, and from none.
func fingerprint(external *v1beta1.ExternalSpec) string {
	// Strings, and lists and structs of them, are always encoded.
	text, _ := json.Marshal(external)
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
