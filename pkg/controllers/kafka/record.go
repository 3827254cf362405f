package kafka

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/render"
)

// record is what must be known about a cluster even when our own storage is lost: the anchor's data.
type record struct {
	// KafkaUID is the Kafka that the anchor was last written for.
	KafkaUID types.UID
	// Storage is the identity of the storage that held that Kafka; "" when it was not known.
	Storage string
	// Mode is who keeps the cluster's metadata.
	Mode v1beta1.ClusterMode
	// ClusterID and Quorum are what nodes are formatted with (KRaft).
	ClusterID string
	Quorum    []v1beta1.QuorumVoter
	// InitialBrokers is the number of brokers at creation.
	InitialBrokers int32
	// Formed are the voters, or ZooKeeper members from 1, that served once, sorted.
	Formed []int32
}

const (
	keyKafkaUID       = "kafkaUID"
	keyStorage        = "storage"
	keyMode           = "mode"
	keyClusterID      = "clusterID"
	keyQuorum         = "quorum"
	keyInitialBrokers = "initialBrokers"
	keyFormed         = "formed"
)

func (r record) data() map[string]string {
	return map[string]string{
		keyKafkaUID:       string(r.KafkaUID),
		keyStorage:        r.Storage,
		keyMode:           string(r.Mode),
		keyClusterID:      r.ClusterID,
		keyQuorum:         render.FormatQuorum(r.Quorum),
		keyInitialBrokers: strconv.Itoa(int(r.InitialBrokers)),
		keyFormed:         render.FormatIDs(r.Formed),
	}
}

// readRecord reads an anchor. A damaged one is an error and not an empty record: guessing would make a second cluster.
func readRecord(anchor *corev1.ConfigMap) (*record, error) {
	if anchor == nil {
		return nil, nil
	}
	fail := func(key string, err error) (*record, error) {
		return nil, fmt.Errorf("read anchor %s/%s: %s: %w", anchor.Namespace, anchor.Name, key, err)
	}
	r := &record{
		KafkaUID:  types.UID(anchor.Data[keyKafkaUID]),
		Storage:   anchor.Data[keyStorage],
		Mode:      v1beta1.ClusterMode(anchor.Data[keyMode]),
		ClusterID: anchor.Data[keyClusterID],
	}
	if r.ClusterID != "" && !render.ValidID(r.ClusterID) {
		return fail(keyClusterID, fmt.Errorf("%q is not an id of 22 characters", r.ClusterID))
	}
	var err error
	if r.Quorum, err = render.ParseQuorum(anchor.Data[keyQuorum]); err != nil {
		return fail(keyQuorum, err)
	}
	initial, err := strconv.ParseInt(anchor.Data[keyInitialBrokers], 10, 32)
	if err != nil {
		return fail(keyInitialBrokers, err)
	}
	r.InitialBrokers = int32(initial)
	if formed := anchor.Data[keyFormed]; formed != "" {
		for _, part := range strings.Split(formed, ",") {
			id, err := strconv.ParseInt(part, 10, 32)
			if err != nil {
				return fail(keyFormed, err)
			}
			r.Formed = append(r.Formed, int32(id))
		}
	}
	return r, nil
}

// form adds nodes to those that served once, and tells whether any is new.
func (r *record) form(ids ...int32) bool {
	before := len(r.Formed)
	r.Formed = append(slices.Clone(r.Formed), ids...)
	slices.Sort(r.Formed)
	r.Formed = slices.Compact(r.Formed)
	return len(r.Formed) != before
}
