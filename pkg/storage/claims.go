package storage

import (
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
)

// Owner is a KafkaTopic that holds a claim.
type Owner struct {
	Namespace string    `json:"namespace"`
	Name      string    `json:"name"`
	UID       types.UID `json:"uid"`
}

// Claim is the hold of one KafkaTopic on one topic name of one Kafka. It makes two
// objects for one topic impossible, and it outlives its owner: a claim whose owner
// is gone is the tombstone of a topic that is still to be deleted on the brokers.
type Claim struct {
	// Cluster is the Kafka.
	Cluster types.NamespacedName `json:"cluster"`
	// ClusterUID tells the Kafka from a later one of the same name.
	ClusterUID types.UID `json:"clusterUID"`
	// Topic is the name on the brokers.
	Topic string `json:"topic"`
	// Owner is the KafkaTopic.
	Owner Owner `json:"owner"`
	// TopicID is Kafka's id of the owner's topic, "" while it is not known to exist.
	TopicID string `json:"topicID,omitempty"`
	// Retain says that the topic stays when its owner is gone.
	Retain bool `json:"retain,omitempty"`
	// Sought is what the owner's topic would be like that may have been made although nobody could record its id; it is set when the
	// owner is deleted.
	Sought *SoughtTopic `json:"sought,omitempty"`
	// Doomed are ids of topics of former owners that are still to be deleted.
	Doomed []string `json:"doomed,omitempty"`
	// Since is when the claim was taken, for people to read: clocks differ and jump. It is zero when the owner is known to have been
	// stored.
	Since time.Time `json:"since"`

	revision int64
}

// SoughtTopic is the spec of a topic; numbers that it leaves to the brokers are nil.
type SoughtTopic struct {
	Partitions *int32            `json:"partitions,omitempty"`
	Replicas   *int32            `json:"replicas,omitempty"`
	Config     map[string]string `json:"config,omitempty"`
}

// Revision is etcd's of the claim's last change, as it was read.
func (c *Claim) Revision() int64 { return c.revision }

// ClaimedError says that another KafkaTopic holds the name.
type ClaimedError struct{ Claim Claim }

func (e *ClaimedError) Error() string {
	return fmt.Sprintf("topic %s of Kafka %s is claimed by KafkaTopic %s/%s",
		e.Claim.Topic, e.Claim.Cluster, e.Claim.Owner.Namespace, e.Claim.Owner.Name)
}

// ErrClaimChanged says that a claim is no longer what the caller read.
var ErrClaimChanged = errors.New("the claim has changed")

// Claims are the claims of all Kafkas.
type Claims struct {
	etcd   *clientv3.Client
	prefix string
}

// NewClaims keeps claims below an etcd prefix.
func NewClaims(etcd *clientv3.Client, prefix string) *Claims {
	return &Claims{etcd: etcd, prefix: path.Join("/", prefix, "claims") + "/"}
}

// key puts names that collide into one place: Kafka refuses a topic whose name differs from another's only in '.'
// and '_', since metric names cannot tell them apart (org.apache.kafka.common.internals.Topic.hasCollision).
func (c *Claims) key(cluster types.NamespacedName, topic string) string {
	return c.prefix + url.PathEscape(cluster.Namespace) + "/" + url.PathEscape(cluster.Name) + "/" +
		url.PathEscape(strings.ReplaceAll(topic, ".", "_"))
}

// Get returns the claim on a topic name, or on one that collides with it; nil without one.
func (c *Claims) Get(ctx context.Context, cluster types.NamespacedName, topic string) (*Claim, error) {
	got, err := c.etcd.Get(ctx, c.key(cluster, topic))
	if err != nil {
		return nil, fmt.Errorf("read the claim on topic %s: %w", topic, err)
	}
	if len(got.Kvs) == 0 {
		return nil, nil
	}
	return decodeClaim(got.Kvs[0].Value, got.Kvs[0].ModRevision)
}

// Take claims a name for an owner. A claim by another owner is a *ClaimedError; one
// by the same owner is returned as it is.
func (c *Claims) Take(ctx context.Context, claim Claim) (*Claim, error) {
	key := c.key(claim.Cluster, claim.Topic)
	value, err := json.Marshal(claim)
	if err != nil {
		return nil, fmt.Errorf("encode the claim on topic %s: %w", claim.Topic, err)
	}
	done, err := c.etcd.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
		Then(clientv3.OpPut(key, string(value))).
		Else(clientv3.OpGet(key)).
		Commit()
	if err != nil {
		return nil, fmt.Errorf("claim topic %s: %w", claim.Topic, err)
	}
	if done.Succeeded {
		claim.revision = done.Header.Revision
		return &claim, nil
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
	next.Doomed = slices.Clone(claim.Doomed)
	change(&next)
	value, err := json.Marshal(next)
	if err != nil {
		return nil, fmt.Errorf("encode the claim on topic %s: %w", claim.Topic, err)
	}
	key := c.key(claim.Cluster, claim.Topic)
	done, err := c.etcd.Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(key), "=", claim.revision)).
		Then(clientv3.OpPut(key, string(value))).
		Commit()
	if err != nil {
		return nil, fmt.Errorf("change the claim on topic %s: %w", claim.Topic, err)
	}
	if !done.Succeeded {
		return nil, ErrClaimChanged
	}
	next.revision = done.Header.Revision
	return &next, nil
}

// Drop removes a claim if nobody changed it since it was read.
func (c *Claims) Drop(ctx context.Context, claim *Claim) error {
	key := c.key(claim.Cluster, claim.Topic)
	done, err := c.etcd.Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(key), "=", claim.revision)).
		Then(clientv3.OpDelete(key)).
		Commit()
	if err != nil {
		return fmt.Errorf("drop the claim on topic %s: %w", claim.Topic, err)
	}
	if !done.Succeeded {
		return ErrClaimChanged
	}
	return nil
}

// List returns all claims.
func (c *Claims) List(ctx context.Context) ([]*Claim, error) {
	got, err := c.etcd.Get(ctx, c.prefix, clientv3.WithPrefix())
	if err != nil {
		return nil, fmt.Errorf("list the claims: %w", err)
	}
	claims := make([]*Claim, 0, len(got.Kvs))
	for _, kv := range got.Kvs {
		claim, err := decodeClaim(kv.Value, kv.ModRevision)
		if err != nil {
			return nil, err
		}
		claims = append(claims, claim)
	}
	return claims, nil
}

func decodeClaim(value []byte, revision int64) (*Claim, error) {
	claim := &Claim{}
	if err := json.Unmarshal(value, claim); err != nil {
		return nil, fmt.Errorf("decode a claim: %w", err)
	}
	claim.revision = revision
	return claim, nil
}
