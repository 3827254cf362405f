package roll

import (
	"strings"
	"time"
)

// Role is a set of what a node does; a combined node is Broker|Controller.
type Role uint8

// The roles of a node.
const (
	Broker Role = 1 << iota
	Controller
	ZooKeeper
)

// String names the roles, as in process.roles.
func (r Role) String() string {
	var names []string
	for _, known := range []struct {
		role Role
		name string
	}{{Broker, "broker"}, {Controller, "controller"}, {ZooKeeper, "zookeeper"}} {
		if r&known.role != 0 {
			names = append(names, known.name)
		}
	}
	return strings.Join(names, ",")
}

// Reason is why a node has to be restarted. Callers may have reasons of their own.
type Reason string

// The reasons for a restart.
const (
	ConfigChanged      Reason = "ConfigChanged"
	VersionChanged     Reason = "VersionChanged"
	VolumeGrown        Reason = "VolumeGrown"
	CertificateRenewed Reason = "CertificateRenewed"
	Requested          Reason = "Requested"
	Evicted            Reason = "Evicted"
	// PodStuck is the reason for a node that nothing else asks to restart: its pod cannot start, and its revision is an earlier one.
	PodStuck Reason = "PodStuck"
)

// Node is one node of the cluster with its pod.
type Node struct {
	// Name is the name of the node's pod, whether there is one or not. It is unique in the cluster, which ids are not: a member of
	// ZooKeeper can have the id of a broker.
	Name string
	// ID is the node's id in Kafka, or that of a member of ZooKeeper.
	ID    int32
	Roles Role
	// Rack is broker.rack; empty for none.
	Rack string

	// UID is that of the pod, empty when there is none.
	UID string
	// Terminating pods are being deleted.
	Terminating bool
	// Ready is what the pod's condition says.
	Ready bool
	// Since is when the pod was made, or when Ready last changed; zero when not known.
	Since time.Time
	// Revision is a hash of what the pod was made from, Desired of what it would be made from now. A difference alone asks for no
	// restart, because brokers take some settings while they run.
	Revision, Desired string
	// Stuck says why the pod cannot start, such as CrashLoopBackOff, ImagePullBackOff or Unschedulable; empty when nothing hinders it.
	Stuck string
	// Recovering brokers read their logs after an unclean stop. That can take hours.
	Recovering bool
	// UnreachableSince is set while the pod is Ready and the process in it cannot be connected to.
	UnreachableSince time.Time
	// Reasons ask for a restart of the pod that is there now: they are expected to go with it.
	Reasons []Reason
}

// Partition is the metadata of a partition. Its slices are only read, so they can be those of the brokers' answer.
type Partition struct {
	ID int32
	// Leader is -1 when there is none.
	Leader        int32
	Replicas, ISR []int32
}

// Topic is the metadata of a topic.
type Topic struct {
	Name string
	// MinISR is min.insync.replicas as it is in force. When it is not known (0), all replicas but one are asked for.
	MinISR     int32
	Partitions []Partition
}

// Metadata is what the brokers tell.
type Metadata struct {
	Topics []Topic
	// Controller is the broker that ZooKeeper elected as controller. It means nothing in KRaft mode.
	Controller int32
}

// Voter is a voter of a KRaft quorum, as DescribeQuorum tells of it.
type Voter struct {
	ID int32
	// LastCaughtUp is the leader's time; zero when not known.
	LastCaughtUp time.Time
	// Lag is in records behind the leader, -1 when not known. It counts only where times are not known.
	Lag int64
}

// Quorum is a KRaft quorum.
type Quorum struct {
	// Leader is the active controller, -1 when there is none.
	Leader int32
	Voters []Voter
	// FetchTimeout is controller.quorum.fetch.timeout.ms; 0 means Kafka's default of two seconds.
	FetchTimeout time.Duration
}

// Ensemble is a ZooKeeper ensemble.
type Ensemble struct {
	// Size counts the members that vote, whether they run or not.
	Size int
	// Leader is -1 when there is none.
	Leader int32
	// Following are the members that follow the leader and are in sync with it.
	Following []int32
}

// Restart is a restart of this roll.
type Restart struct {
	Name string
	// UID is that of the pod that was deleted.
	UID string
	At  time.Time
	// Reasons are those of the restart that the new pod has, too, and has had ever since: a restart does not remove them.
	Reasons []Reason
	// Back is set once the node was seen to be back; what becomes of it later is no longer due to the restart.
	Back bool
}

// Waiting is what the last pass waited for, and since when.
type Waiting struct {
	Cause Cause
	Since time.Time
}

// Progress is what a roll remembers between two passes. The zero value begins a roll.
type Progress struct {
	// Began is when the roll began.
	Began time.Time
	// Restarts are those of this roll, the latest of each node, and of earlier ones those that did not remove their reasons.
	Restarts []Restart
	// Offline is how many partitions were offline when the roll began, or were at the least since then; -1 while that is not known.
	Offline int
	Waiting Waiting
}

// restart is the restart of a node by this roll, nil when there was none.
func (p *Progress) restart(n *Node) *Restart {
	for i := range p.Restarts {
		if p.Restarts[i].Name == n.Name {
			return &p.Restarts[i]
		}
	}
	return nil
}

// Snapshot is what is known of a cluster at one moment.
type Snapshot struct {
	Nodes []Node
	// Metadata, Quorum and Ensemble are nil while nobody tells of them.
	Metadata *Metadata
	Quorum   *Quorum
	Ensemble *Ensemble
	// Unformed clusters have never served: no node hosts anything, and there is no majority that could be lost.
	Unformed bool
	Progress Progress
}

// has tells whether a node of the role exists.
func (s *Snapshot) has(role Role) bool { return s.count(role) > 0 }

func (s *Snapshot) count(role Role) int {
	n := 0
	for i := range s.Nodes {
		if s.Nodes[i].Roles&role != 0 {
			n++
		}
	}
	return n
}

// outdated tells whether the pod was made from something else than it would be made from now.
func (n *Node) outdated() bool { return n.UID != "" && n.Revision != n.Desired }

// serves tells whether the pod of the node does its work, as far as Kubernetes knows.
func (n *Node) serves() bool { return n.UID != "" && n.Ready && !n.Terminating && !n.Recovering }

// isStuck tells whether the pod cannot start.
func (n *Node) isStuck() bool {
	return n.UID != "" && n.Stuck != "" && !n.Ready && !n.Terminating && !n.Recovering
}
