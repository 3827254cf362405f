package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"

	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/apimachinery/pkg/types"
)

// maxMakers is how many makers of one Kafka are kept: one for each change of its addresses that may be on its way at the same time.
const maxMakers = 8

// Maker is somebody who has wanted a Kafka to be at some addresses. It is kept beside the objects, where only this server writes.
type Maker struct {
	// External is a fingerprint of the spec.external that they wrote: who wrote another is not the maker of this one.
	External string `json:"external"`
	// Name, UID, Groups and Extra are the user of that request.
	Name   string              `json:"name"`
	UID    string              `json:"uid,omitempty"`
	Groups []string            `json:"groups,omitempty"`
	Extra  map[string][]string `json:"extra,omitempty"`
}

// makersOf are the makers of one Kafka, the newest first.
type makersOf struct {
	Makers []Maker `json:"makers"`
}

// Makers remember who made Kafkas.
type Makers struct {
	etcd   *clientv3.Client
	prefix string
}

// NewMakers keeps makers below an etcd prefix.
func NewMakers(etcd *clientv3.Client, prefix string) *Makers {
	return &Makers{etcd: etcd, prefix: path.Join("/", prefix, "makers") + "/"}
}

func (m *Makers) key(kafka types.UID) string { return m.prefix + string(kafka) }

// Record remembers a maker of a Kafka in the place of the one who wrote the same before. It is called before the object is stored, so
// that nothing is ever stored whose maker is not known; what is not stored in the end was wanted all the same.
func (m *Makers) Record(ctx context.Context, kafka types.UID, maker Maker) error {
	key := m.key(kafka)
	for range 5 {
		known, revision, err := m.read(ctx, kafka)
		if err != nil {
			return err
		}
		next := slices.DeleteFunc(known, func(other Maker) bool { return other.External == maker.External })
		next = append([]Maker{maker}, next...)
		value, err := Encode(makersOf{Makers: next[:min(len(next), maxMakers)]})
		if err != nil {
			return fmt.Errorf("encode who made a Kafka: %w", err)
		}
		done, err := m.etcd.Txn(ctx).
			If(clientv3.Compare(clientv3.ModRevision(key), "=", revision)).
			Then(clientv3.OpPut(key, string(value))).
			Commit()
		if err != nil {
			return fmt.Errorf("record who made a Kafka: %w", err)
		}
		if done.Succeeded {
			return nil
		}
	}
	return fmt.Errorf("record who made a Kafka: %w", ErrClaimChanged)
}

// Get returns who wrote a spec.external of a Kafka; nil when nobody is known to.
func (m *Makers) Get(ctx context.Context, kafka types.UID, external string) (*Maker, error) {
	known, _, err := m.read(ctx, kafka)
	if err != nil {
		return nil, err
	}
	for i := range known {
		if known[i].External == external {
			return &known[i], nil
		}
	}
	return nil, nil
}

func (m *Makers) read(ctx context.Context, kafka types.UID) ([]Maker, int64, error) {
	got, err := m.etcd.Get(ctx, m.key(kafka))
	if err != nil {
		return nil, 0, fmt.Errorf("read who made a Kafka: %w", err)
	}
	if len(got.Kvs) == 0 {
		return nil, 0, nil
	}
	var known makersOf
	if err := json.Unmarshal(got.Kvs[0].Value, &known); err != nil {
		return nil, 0, fmt.Errorf("decode who made a Kafka: %w", err)
	}
	return known.Makers, got.Kvs[0].ModRevision, nil
}

// Kafkas are the uids of the Kafkas that makers are remembered of.
func (m *Makers) Kafkas(ctx context.Context) ([]types.UID, error) {
	got, err := m.etcd.Get(ctx, m.prefix, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		return nil, fmt.Errorf("list whose makers are known: %w", err)
	}
	uids := make([]types.UID, 0, len(got.Kvs))
	for _, kv := range got.Kvs {
		uids = append(uids, types.UID(kv.Key[len(m.prefix):]))
	}
	return uids, nil
}

// Forget forgets the makers of a Kafka that is gone.
func (m *Makers) Forget(ctx context.Context, kafka types.UID) error {
	if _, err := m.etcd.Delete(ctx, m.key(kafka)); err != nil {
		return fmt.Errorf("forget who made a Kafka: %w", err)
	}
	return nil
}
