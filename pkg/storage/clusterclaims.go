package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"path"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// ClusterClaim is the hold of one Kafka on the cluster that has an id. Rights and topics are kept by Kafka, and anybody can make a second
// one with the addresses of the first: without the claim its maker would have every right on the brokers.
type ClusterClaim struct {
	// ClusterID is Kafka's id of the cluster, as its brokers tell it.
	ClusterID string `json:"clusterID"`
	// Owner is the Kafka.
	Owner Owner `json:"owner"`
	// RunHere says that the owner's brokers are run here: no external Kafka takes its place.
	RunHere bool `json:"runHere,omitempty"`

	revision int64
}

// ClusterClaims are the claims on all clusters.
type ClusterClaims struct {
	etcd   *clientv3.Client
	prefix string
}

// NewClusterClaims keeps claims on clusters below an etcd prefix.
func NewClusterClaims(etcd *clientv3.Client, prefix string) *ClusterClaims {
	return &ClusterClaims{etcd: etcd, prefix: path.Join("/", prefix, "clusters") + "/"}
}

func (c *ClusterClaims) key(id string) string { return c.prefix + url.PathEscape(id) }

// Take claims a cluster that nobody has claimed, and returns the claim that stands: it may be somebody else's. taken tells whether it was
// taken now.
func (c *ClusterClaims) Take(ctx context.Context, claim ClusterClaim) (standing *ClusterClaim, taken bool, err error) {
	value, err := Encode(claim)
	if err != nil {
		return nil, false, fmt.Errorf("encode the claim on cluster %s: %w", claim.ClusterID, err)
	}
	key := c.key(claim.ClusterID)
	done, err := c.etcd.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
		Then(clientv3.OpPut(key, string(value))).
		Else(clientv3.OpGet(key)).
		Commit()
	if err != nil {
		return nil, false, fmt.Errorf("claim cluster %s: %w", claim.ClusterID, err)
	}
	if done.Succeeded {
		claim.revision = done.Header.Revision
		return &claim, true, nil
	}
	kv := done.Responses[0].GetResponseRange().Kvs[0]
	standing, err = decodeClusterClaim(kv.Value, kv.ModRevision)
	return standing, false, err
}

// Get returns the claim that stands on a cluster, nil when there is none.
func (c *ClusterClaims) Get(ctx context.Context, clusterID string) (*ClusterClaim, error) {
	got, err := c.etcd.Get(ctx, c.key(clusterID))
	if err != nil {
		return nil, fmt.Errorf("read the claim on cluster %s: %w", clusterID, err)
	}
	if len(got.Kvs) == 0 {
		return nil, nil
	}
	return decodeClusterClaim(got.Kvs[0].Value, got.Kvs[0].ModRevision)
}

// Replace puts a claim in the place of one, if nobody changed that since it was read. Otherwise the error is ErrClaimChanged.
func (c *ClusterClaims) Replace(ctx context.Context, standing *ClusterClaim, claim ClusterClaim) (*ClusterClaim, error) {
	value, err := Encode(claim)
	if err != nil {
		return nil, fmt.Errorf("encode the claim on cluster %s: %w", claim.ClusterID, err)
	}
	key := c.key(standing.ClusterID)
	done, err := c.etcd.Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(key), "=", standing.revision)).
		Then(clientv3.OpPut(key, string(value))).
		Commit()
	if err != nil {
		return nil, fmt.Errorf("take over the claim on cluster %s: %w", standing.ClusterID, err)
	}
	if !done.Succeeded {
		return nil, ErrClaimChanged
	}
	claim.revision = done.Header.Revision
	return &claim, nil
}

// Drop removes a claim if nobody changed it since it was read.
func (c *ClusterClaims) Drop(ctx context.Context, claim *ClusterClaim) error {
	key := c.key(claim.ClusterID)
	done, err := c.etcd.Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(key), "=", claim.revision)).
		Then(clientv3.OpDelete(key)).
		Commit()
	if err != nil {
		return fmt.Errorf("drop the claim on cluster %s: %w", claim.ClusterID, err)
	}
	if !done.Succeeded {
		return ErrClaimChanged
	}
	return nil
}

// List returns all claims on clusters.
func (c *ClusterClaims) List(ctx context.Context) ([]*ClusterClaim, error) {
	got, err := c.etcd.Get(ctx, c.prefix, clientv3.WithPrefix())
	if err != nil {
		return nil, fmt.Errorf("list the claims on clusters: %w", err)
	}
	claims := make([]*ClusterClaim, 0, len(got.Kvs))
	for _, kv := range got.Kvs {
		claim, err := decodeClusterClaim(kv.Value, kv.ModRevision)
		if err != nil {
			return nil, err
		}
		claims = append(claims, claim)
	}
	return claims, nil
}

func decodeClusterClaim(value []byte, revision int64) (*ClusterClaim, error) {
	claim := &ClusterClaim{}
	if err := json.Unmarshal(value, claim); err != nil {
		return nil, fmt.Errorf("decode a claim on a cluster: %w", err)
	}
	claim.revision = revision
	return claim, nil
}
