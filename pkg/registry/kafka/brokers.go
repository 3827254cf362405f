package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apiserver/pkg/warning"
	"k8s.io/klog/v2"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/plural"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/sub"
)

// Brokers is kafkas/brokers: what the brokers say of themselves, asked at request time.
type Brokers = sub.View[reached, *kafka.KafkaBrokers]

func newBrokers(f finder) *Brokers {
	return &Brokers{
		Type: sub.TypeOf("KafkaBrokers", func() *kafka.KafkaBrokers { return &kafka.KafkaBrokers{} }, brokers),
		Find: f.find,
		Show: f.brokers,
	}
}

func (f finder) brokers(ctx context.Context, t reached) (*kafka.KafkaBrokers, error) {
	info, err := t.cluster.Describe(ctx)
	if err != nil {
		return nil, f.refused(ctx, t, err)
	}
	snapshot, err := t.cluster.Snapshot(ctx, 0)
	if err != nil {
		return nil, f.refused(ctx, t, err)
	}
	versions, err := t.cluster.BrokerVersions(ctx)
	if err != nil {
		return nil, f.refused(ctx, t, err)
	}
	var quorum *broker.QuorumInfo
	if info.KRaft {
		// The brokers are worth showing without the quorum: they serve while controllers elect a leader.
		asking, cancel := context.WithTimeout(ctx, quorumTime)
		defer cancel()
		if q, err := t.cluster.Quorum(asking); err == nil {
			quorum = &q
		} else {
			klog.FromContext(ctx).V(2).Info("Quorum not described", "kafka", klog.KObj(t.kafka), "err", err)
			live.Warn(ctx, "which nodes are its controllers is not known", quorumFailure(err))
		}
	}
	warnOfSilent(ctx, versions)
	view := brokersView(info, snapshot, versions, quorum)
	view.ObjectMeta = t.meta()
	return view, nil
}

// quorumFailure is why a quorum is not known, in words for who sees the brokers. One that refuses our account answers.
func quorumFailure(err error) error {
	if len(kafkaerr.Refusals(err)) == 0 {
		return errors.New("the metadata quorum does not answer")
	}
	return err
}

// maxSilent bounds the warnings about single brokers.
const maxSilent = 8

// warnOfSilent says whose version is not known, and why.
func warnOfSilent(ctx context.Context, versions map[int32]broker.BrokerVersion) {
	silent := 0
	for _, id := range slices.Sorted(maps.Keys(versions)) {
		if err := versions[id].Err; err != nil {
			if silent++; silent <= maxSilent {
				live.Warn(ctx, fmt.Sprintf("the version of broker %d is not known", id), err)
			}
		}
	}
	if silent > maxSilent {
		warning.AddWarning(ctx, "", "nor are those of "+plural.Of(silent-maxSilent, "more broker", "more brokers"))
	}
}

// quorumTime bounds the wait for the metadata quorum: one whose leader hangs lets a request wait for as long as its caller does.
const quorumTime = 3 * time.Second

// brokersView joins what was asked into one row a node.
func brokersView(info broker.ClusterInfo, snapshot *broker.Snapshot, versions map[int32]broker.BrokerVersion, quorum *broker.QuorumInfo) *kafka.KafkaBrokers {
	view := &kafka.KafkaBrokers{ClusterID: info.ID}
	for _, b := range info.Brokers {
		view.Brokers = append(view.Brokers, kafka.BrokerView{
			ID: b.ID, Host: b.Host, Port: b.Port, Rack: b.Rack, Fenced: b.Fenced,
			Roles: append([]string{"broker"}, controllerRoles(b.ID, info, quorum)...), Leaders: int32(snapshot.Hosts[b.ID].Leaders), Replicas: int32(snapshot.Hosts[b.ID].Replicas),
			Version: versions[b.ID].Release,
		})
	}
	if quorum == nil {
		return view
	}
	for _, voter := range quorum.Voters {
		if slices.ContainsFunc(info.Brokers, func(b broker.BrokerInfo) bool { return b.ID == voter.ID }) {
			continue
		}
		controller := kafka.BrokerView{ID: voter.ID, Roles: controllerRoles(voter.ID, info, quorum)}
		for _, node := range quorum.Nodes {
			if node.ID == voter.ID && len(node.Listeners) > 0 {
				controller.Host, controller.Port = node.Listeners[0].Host, int32(node.Listeners[0].Port)
			}
		}
		view.Brokers = append(view.Brokers, controller)
	}
	slices.SortFunc(view.Brokers, func(a, b kafka.BrokerView) int { return int(a.ID - b.ID) })
	return view
}

func controllerRoles(id int32, info broker.ClusterInfo, quorum *broker.QuorumInfo) []string {
	if quorum == nil {
		// ZooKeeper elects one of the brokers; KRaft without an answer of the quorum is not known.
		if !info.KRaft && id == info.ControllerID {
			return []string{"controller", "leader"}
		}
		return nil
	}
	if !slices.ContainsFunc(quorum.Voters, func(v broker.QuorumReplica) bool { return v.ID == id }) {
		return nil
	}
	if id == quorum.LeaderID {
		return []string{"controller", "leader"}
	}
	return []string{"controller"}
}
