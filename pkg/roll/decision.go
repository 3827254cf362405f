package roll

import (
	"slices"
	"time"
)

// Parallel says which nodes may be restarted together.
type Parallel string

const (
	// None restarts one node at a time.
	None Parallel = ""
	// Rack restarts those brokers of one rack together of which no partition needs one. Controllers and members of ZooKeeper are
	// still restarted one at a time.
	Rack Parallel = "Rack"
)

// Selection is a part of the nodes. The zero value is all of them.
type Selection struct {
	// Roles selects the nodes that have one of them.
	Roles Role
	// Names selects nodes by name.
	Names []string
}

func (s Selection) has(n *Node) bool {
	return (s.Roles == 0 || n.Roles&s.Roles != 0) && (len(s.Names) == 0 || slices.Contains(s.Names, n.Name))
}

// Options are what people ask of a roll.
type Options struct {
	// Paused holds every restart.
	Paused bool
	// WindowClosed holds the restarts that have no urgent reason, outside of maintenance windows.
	WindowClosed bool
	// Urgent are the reasons that do not wait for a window. A node that is down does not either.
	Urgent   []Reason
	Parallel Parallel
	// Only restricts which nodes are restarted. All others have to be ready nevertheless.
	Only Selection
}

// Phase is what a roll does.
type Phase string

// The phases of a roll.
const (
	// Done: no node needs a restart, and all that were restarted are back.
	Done Phase = "Done"
	// Restarting: the nodes of Decision.Restart are to be restarted now.
	Restarting Phase = "Restarting"
	// WaitingFor: what Cause says takes its time.
	WaitingFor Phase = "Waiting"
	// Blocked: what Cause says has lasted for so long that somebody should look (RollBlocked). The roll goes on when it is over.
	Blocked Phase = "Blocked"
	// Failed: a pod of the current revision does not come up, and no other is touched until it does or its revision changes.
	Failed Phase = "Failed"
	// Paused: a restart is needed, and Options.Paused holds it.
	Paused Phase = "Paused"
)

// Cause is what a roll waits for or is held by.
type Cause string

// The causes.
const (
	// Stuck: a pod cannot start.
	Stuck Cause = "Stuck"
	// Terminating: a pod is on its way out, or its successor has not been made.
	Terminating Cause = "Terminating"
	// NotReady: a pod is not ready.
	NotReady Cause = "NotReady"
	// Recovering: a broker recovers its logs.
	Recovering Cause = "Recovering"
	// NotInSync: a node that was restarted has not caught up.
	NotInSync Cause = "NotInSync"
	// Denied: no node that is next may be taken away.
	Denied Cause = "Denied"
	// OutsideWindow: no maintenance window is open.
	OutsideWindow Cause = "OutsideWindow"
)

// How long a roll waits before it says that something is wrong.
const (
	// readyTimeout is for a pod to become ready (KafkaRoller's operation timeout).
	readyTimeout = 300 * time.Second
	// terminationTimeout is for a pod to end: the grace period of Kafka's pods, and a little for the kubelet.
	terminationTimeout = 330*time.Second + readyTimeout
	// syncTimeout is for the replicas of a broker to be in sync after its restart.
	syncTimeout = 30 * time.Minute
	// deletionTimeout is how long a deletion that was decided on is expected to show in what the caller reads. After that it did not
	// happen.
	deletionTimeout = time.Minute
)

// How soon to look again. Pods can be watched, metadata cannot.
const (
	firstBackOff = 250 * time.Millisecond
	maxBackOff   = 30 * time.Second
	// deniedTimeout is the sum of ten back-offs that double, after which KafkaRoller gives up a pass.
	deniedTimeout = firstBackOff * (1<<10 - 1)

	recheckSoon  = 2 * time.Second
	recheckLater = 5 * time.Second
	recheckHeld  = 30 * time.Second
)

// backOff is 250 ms·2^k after k attempts that each waited for theirs: what they have waited for already, and the first once more. Told
// by the time that has passed it needs no counter, and what wakes a caller in between does not count as an attempt.
func backOff(waited time.Duration) time.Duration {
	return min(max(waited, 0)+firstBackOff, maxBackOff)
}

// Target is a pod to delete.
type Target struct {
	Name, UID string
	ID        int32
	Reasons   []Reason
	// Stuck is why the pod cannot start; it may be deleted without grace.
	Stuck string
	// Warnings are what nobody can help.
	Warnings []string
}

// Decision is what a roll does next, and what it has come to.
type Decision struct {
	Phase Phase
	// Restart are the pods to delete now, in the phase Restarting.
	Restart []Target
	// Cause, Message and Nodes say what is waited for in the other phases, and since when.
	Cause   Cause
	Message string
	Nodes   []string
	Since   time.Time
	// Partitions are those that it is about: the first ten by name, all by number.
	Partitions Partitions
	// Recheck is how soon to look again, 0 when only a change of the cluster or of what is asked for can lead to anything else.
	Recheck time.Duration
	// Done, InWork and Waiting are the nodes that were restarted and are back, that are restarted or not back, and that are to be
	// restarted, in the order of the roll.
	Done, InWork, Waiting []string
	// Progress is to be stored before anything is done, and to be in the next Snapshot.
	Progress Progress
}
