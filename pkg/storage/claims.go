package storage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
)

// ClaimKind says what a name that is claimed is the name of.
type ClaimKind string

// TopicClaim is on the name of a topic.
const TopicClaim ClaimKind = "topic"

// Name is what can be claimed: a name of a kind on one Kafka.
type Name struct {
	Kind ClaimKind `json:"kind"`
	// Cluster is the Kafka.
	Cluster types.NamespacedName `json:"cluster"`
	// Name is the name there.
	Name string `json:"name"`
}

// Claimed is the name that stands for all those that collide with a name, of which one can be claimed: Kafka refuses a topic whose name
// differs from another's only in '.' and '_', since metric names cannot tell them apart
// (org.apache.kafka.common.internals.Topic.hasCollision).
func (n Name) Claimed() Name {
	if n.Kind == TopicClaim {
		n.Name = strings.ReplaceAll(n.Name, ".", "_")
	}
	return n
}

// String is for messages.
func (n Name) String() string { return fmt.Sprintf("%s %s of Kafka %s", n.Kind, n.Name, n.Cluster) }

// Owner is an object that holds a claim.
type Owner struct {
	Namespace string    `json:"namespace"`
	Name      string    `json:"name"`
	UID       types.UID `json:"uid"`
}

// Claim is the hold of one object on one name of one Kafka. It makes two objects for
// one name impossible, and it outlives its owner: a claim whose owner is gone is the
// tombstone of what is still to be deleted on the brokers.
type Claim struct {
	Name
	// ClusterUID tells the Kafka from a later one of the same name, and where it is known the cluster that it stands for from one that it stands
	// for later; see OnCluster.
	ClusterUID types.UID `json:"clusterUID"`
	// Owner is the object.
	Owner Owner `json:"owner"`
	// ID is what the brokers call what the owner has there, such as Kafka's id of a topic. It is "" while nothing is known to exist.
	// What is deleted when the owner is gone is told by it alone: it is written by the server that asked the brokers, and never copied
	// from a status, which others write.
	ID string `json:"id,omitempty"`
	// WithoutID is what the owner has on brokers that give it no id, as topics had none before Kafka 2.8, in the form of its kind. While they
	// give none the name is all that tells it; nothing is deleted by that.
	WithoutID json.RawMessage `json:"withoutID,omitempty"`
	// ReportedID is an id from the owner's status that is not the claim's, and ReportedAs what the owner said last of what has it, in the form
	// of its kind. They are noted when the owner is deleted.
	ReportedID string          `json:"reportedID,omitempty"`
	ReportedAs json.RawMessage `json:"reportedAs,omitempty"`
	// Retain says that what the owner has on the brokers stays when the owner is gone.
	Retain bool `json:"retain,omitempty"`
	// Wanted is what may have been made for the owner, or for former ones, although nobody could record its id, in the form of its kind and the
	// newest first: what the brokers were asked for when they did not have the name, or are about to be. Another of the name that they have
	// is somebody else's.
	Wanted []json.RawMessage `json:"wanted,omitempty"`
	// Asked is when brokers were asked last for what a stored owner wants, about, so that each request is waited for anew. Clocks differ and
	// jump: how old it is proves nothing.
	Asked time.Time `json:"asked,omitzero"`
	// Unanswered is what brokers were asked to make for the owner, or for former ones, and did not answer, in the form of its kind and the newest
	// first. They may do so however late: also when the owner has got it by another request, and after that was deleted.
	Unanswered []json.RawMessage `json:"unanswered,omitempty"`
	// MayAdopt says that who made the owner may take over what is on the brokers already.
	MayAdopt bool `json:"mayAdopt,omitempty"`
	// TombstonedIDs are what former owners had on the brokers and is still to be deleted.
	TombstonedIDs []string `json:"tombstonedIDs,omitempty"`
	// Unproven are those of the ids to be deleted that nobody was told for an owner: what has them is like what was asked for, and nobody had used it.
	// Somebody may by the time of the next try, and then it stays.
	Unproven []string `json:"unproven,omitempty"`
	// Server is the one that created the owner, or is about to; "" when the owner is known to have been stored.
	Server string `json:"server,omitempty"`
	// Fence is the server that carries out a change of the owner on the brokers; "" when none does.
	Fence string `json:"fence,omitempty"`
	// Since is when the claim was taken, for people to read: clocks differ and jump.
	Since time.Time `json:"since"`

	revision int64
}

// maxWanted and maxWantedBytes bound what is remembered of a claim whose owner changes again and again while nobody knows what became of it: etcd
// takes no entry of more than 1.5 MiB, and two of these are in one. The newest is remembered in any case.
const (
	maxWanted      = 9
	maxWantedBytes = 256 << 10
)

// Want notes what the brokers are asked for from now on, in addition to what they were asked for before.
func (c *Claim) Want(wanted json.RawMessage) { c.Wanted = newest(wanted, c.Wanted) }

// Await notes what the brokers were asked for and did not answer, in addition to what they did not answer before.
func (c *Claim) Await(wanted json.RawMessage) { c.Unanswered = newest(wanted, c.Unanswered) }

// Unprove notes that what has an id was told by what it is like.
func (c *Claim) Unprove(id string) {
	if !slices.Contains(c.Unproven, id) {
		c.Unproven = append(slices.Clone(c.Unproven), id)
	}
}

// Prove notes that what has an id is the owner's, or that nobody is to delete it.
func (c *Claim) Prove(id string) {
	c.Unproven = slices.DeleteFunc(slices.Clone(c.Unproven), func(unproven string) bool { return unproven == id })
}

// newest puts something before others, once.
func newest(wanted json.RawMessage, others []json.RawMessage) []json.RawMessage {
	all, size := []json.RawMessage{wanted}, len(wanted)
	for _, earlier := range others {
		if bytes.Equal(earlier, wanted) {
			continue
		}
		if size += len(earlier); len(all) == maxWanted || size > maxWantedBytes {
			break
		}
		all = append(all, earlier)
	}
	return all
}

// OfKafka tells whether a claim is about the Kafka with a uid: another one of its name may have been there when it was written, or it may have
// stood for another cluster. "" is a uid that is not known, and so that of any; so is the id of a cluster that is not told. But what was
// noted before any was known is about the first one that the Kafka stood for.
func (c *Claim) OfKafka(uid types.UID) bool {
	if c.ClusterUID == "" || uid == "" {
		return true
	}
	noted, notedCluster, _ := cutCluster(c.ClusterUID)
	asked, askedCluster, later := cutCluster(uid)
	return noted == asked && (notedCluster == askedCluster || askedCluster == "" || notedCluster == "" && !later)
}

// Lacks tells whether a uid says which cluster the Kafka of a claim stands for, and the claim does not.
func (c *Claim) Lacks(uid types.UID) bool {
	_, noted, _ := cutCluster(c.ClusterUID)
	_, told, _ := cutCluster(uid)
	return noted == "" && told != ""
}

// OnCluster is the uid of a Kafka with the cluster that it stands for, as claims note it. later says that it stood for another one before.
func OnCluster(kafka types.UID, cluster string, later bool) types.UID {
	if later {
		cluster = "/" + cluster
	}
	return kafka + types.UID("/"+cluster)
}

// ClusterID is the id of the cluster that a claim is about; "" where that is not noted.
func (c *Claim) ClusterID() string {
	_, id, _ := cutCluster(c.ClusterUID)
	return id
}

func cutCluster(uid types.UID) (kafka, cluster string, later bool) {
	kafka, cluster, _ = strings.Cut(string(uid), "/")
	cluster, later = strings.CutPrefix(cluster, "/")
	return kafka, cluster, later
}

// Revision is etcd's of the claim's last change, as it was read.
func (c *Claim) Revision() int64 { return c.revision }

// ClaimedError says that another object holds the name.
type ClaimedError struct{ Claim Claim }

func (e *ClaimedError) Error() string {
	return fmt.Sprintf("%s is claimed by %s/%s", e.Claim.Name, e.Claim.Owner.Namespace, e.Claim.Owner.Name)
}

var (
	// ErrClaimChanged says that a claim is no longer what the caller read.
	ErrClaimChanged = errors.New("the claim has changed")
	// ErrObjectExists says that an object is stored already for which a claim was to be taken.
	ErrObjectExists = errors.New("the object exists already")
)

// Claims are the claims of all Kafkas.
type Claims struct {
	etcd   *clientv3.Client
	root   string
	prefix string
}

// NewClaims keeps claims below an etcd prefix.
func NewClaims(etcd *clientv3.Client, prefix string) *Claims {
	root := path.Join("/", prefix)
	return &Claims{etcd: etcd, root: root, prefix: root + "/claims/"}
}

// key puts names that collide into one place.
func (c *Claims) key(of Name) string {
	of = of.Claimed()
	return c.prefix + url.PathEscape(string(of.Kind)) + "/" + url.PathEscape(of.Cluster.Namespace) + "/" + url.PathEscape(of.Cluster.Name) + "/" +
		url.PathEscape(of.Name)
}

// Get returns the claim on a name, or on one that collides with it; nil without one.
func (c *Claims) Get(ctx context.Context, of Name) (*Claim, error) {
	got, err := c.etcd.Get(ctx, c.key(of))
	if err != nil {
		return nil, fmt.Errorf("read the claim on %s: %w", of, err)
	}
	if len(got.Kvs) == 0 {
		return nil, nil
	}
	return decodeClaim(got.Kvs[0].Value, got.Kvs[0].ModRevision)
}

// Take claims a name for an owner that is about to be stored under object, which is a key below the same prefix; "" for an owner that
// is stored. When the object is there already nothing is claimed, and the error is ErrObjectExists. A claim by another owner is a
// *ClaimedError; one by the same owner is returned as it is.
func (c *Claims) Take(ctx context.Context, claim Claim, object string) (*Claim, error) {
	key := c.key(claim.Name)
	value, err := Encode(claim)
	if err != nil {
		return nil, fmt.Errorf("encode the claim on %s: %w", claim.Name, err)
	}
	free := []clientv3.Cmp{clientv3.Compare(clientv3.CreateRevision(key), "=", 0)}
	look := []clientv3.Op{clientv3.OpGet(key)}
	if object != "" {
		object = path.Join(c.root, object)
		free = append(free, clientv3.Compare(clientv3.CreateRevision(object), "=", 0))
		look = append(look, clientv3.OpGet(object, clientv3.WithKeysOnly()))
	}
	done, err := c.etcd.Txn(ctx).If(free...).Then(clientv3.OpPut(key, string(value))).Else(look...).Commit()
	if err != nil {
		return nil, Explain(fmt.Errorf("claim %s: %w", claim.Name, err))
	}
	if done.Succeeded {
		claim.revision = done.Header.Revision
		return &claim, nil
	}
	if object != "" && len(done.Responses[1].GetResponseRange().Kvs) > 0 {
		return nil, ErrObjectExists
	}
	kv := done.Responses[0].GetResponseRange().Kvs[0]
	standing, err := decodeClaim(kv.Value, kv.ModRevision)
	if err != nil {
		return nil, err
	}
	if standing.Owner.UID != claim.Owner.UID {
		return standing, &ClaimedError{Claim: *standing}
	}
	return standing, nil
}

// Update writes a claim if nobody changed it since it was read, and returns it as it stands then.
func (c *Claims) Update(ctx context.Context, claim *Claim, change func(*Claim)) (*Claim, error) {
	next := *claim
	next.TombstonedIDs, next.Wanted, next.Unanswered = slices.Clone(claim.TombstonedIDs), slices.Clone(claim.Wanted), slices.Clone(claim.Unanswered)
	change(&next)
	next.forgetUnproven()
	value, err := Encode(next)
	if err != nil {
		return nil, fmt.Errorf("encode the claim on %s: %w", claim.Name, err)
	}
	key := c.key(claim.Name)
	done, err := c.etcd.Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(key), "=", claim.revision)).
		Then(clientv3.OpPut(key, string(value))).
		Commit()
	if err != nil {
		return nil, Explain(fmt.Errorf("change the claim on %s: %w", claim.Name, err))
	}
	if !done.Succeeded {
		return nil, ErrClaimChanged
	}
	next.revision = done.Header.Revision
	return &next, nil
}

// Drop removes a claim if nobody changed it since it was read.
func (c *Claims) Drop(ctx context.Context, claim *Claim) error {
	key := c.key(claim.Name)
	done, err := c.etcd.Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(key), "=", claim.revision)).
		Then(clientv3.OpDelete(key)).
		Commit()
	if err != nil {
		return fmt.Errorf("drop the claim on %s: %w", claim.Name, err)
	}
	if !done.Succeeded {
		return ErrClaimChanged
	}
	return nil
}

// claimsPage is how many claims are read at a time.
const claimsPage = 500

// List shows all claims that can be read, in the order of their keys, and ends with the first error of visit. A page of them is in memory at a time. Claims
// that are taken or dropped meanwhile may be seen or not.
func (c *Claims) List(ctx context.Context, visit func(*Claim) error) error {
	from, end := c.prefix, clientv3.GetPrefixRangeEnd(c.prefix)
	for {
		got, err := c.etcd.Get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(claimsPage))
		if err != nil {
			return fmt.Errorf("list the claims: %w", err)
		}
		for _, kv := range got.Kvs {
			claim, err := decodeClaim(kv.Value, kv.ModRevision)
			if err != nil {
				// Nothing is done about its name, and all others are looked after.
				klog.FromContext(ctx).Error(err, "Claim skipped", "key", string(kv.Key))
				continue
			}
			if err := visit(claim); err != nil {
				return err
			}
		}
		if !got.More {
			return nil
		}
		// The key after the last one.
		from = string(got.Kvs[len(got.Kvs)-1].Key) + "\x00"
	}
}

func decodeClaim(value []byte, revision int64) (*Claim, error) {
	claim := &Claim{}
	if err := json.Unmarshal(value, claim); err != nil {
		return nil, fmt.Errorf("decode a claim: %w", err)
	}
	claim.revision = revision
	claim.forgetNoIDs()
	return claim, nil
}

// forgetUnproven has no more of what was told by likeness than there is to delete.
func (c *Claim) forgetUnproven() {
	c.Unproven = slices.DeleteFunc(slices.Clone(c.Unproven), func(id string) bool { return id != c.ID && !slices.Contains(c.TombstonedIDs, id) })
	if len(c.Unproven) == 0 {
		c.Unproven = nil
	}
}

// noID is how earlier releases wrote that brokers gave a topic no id.
const noID = "AAAAAAAAAAAAAAAAAAAAAA"

// forgetNoIDs has no id where there is none.
func (c *Claim) forgetNoIDs() {
	if c.ID == noID {
		c.ID = ""
	}
	if c.ReportedID == noID {
		c.ReportedID = ""
	}
	c.TombstonedIDs = slices.DeleteFunc(c.TombstonedIDs, func(id string) bool { return id == noID })
}
