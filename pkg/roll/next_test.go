package roll_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/roll"
)

// everywhere is a topic whose partition has replicas on brokers 0 to 2, all in sync.
func everywhere() roll.Topic { return topic("a", 2, partition(ids(0, 1, 2), ids(0, 1, 2))) }

// restarted puts a node at some time after its restart by this roll: it has a new pod of the current revision.
func restarted(s *roll.Snapshot, name string, ago time.Duration) *roll.Node {
	n := find(s, name)
	s.Progress.Began = now.Add(-time.Hour)
	s.Progress.Restarts = append(s.Progress.Restarts, roll.Restart{Name: name, UID: n.UID, At: now.Add(-ago), Reasons: n.Reasons})
	n.UID, n.Revision, n.Since = name+"-pod-2", n.Desired, now.Add(-ago)
	n.Reasons = nil
	return n
}

// TestNext: what is decided of three outdated brokers and a controller that is not, with a change.
func TestNext(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(s *roll.Snapshot, o *roll.Options)
		phase   roll.Phase
		cause   roll.Cause
		restart []string
		message string
	}{
		{name: "nothing to do", change: func(s *roll.Snapshot, _ *roll.Options) { s.Nodes = brokers(3, node) }, phase: roll.Done},
		{name: "a revision that differs asks for nothing by itself", change: func(s *roll.Snapshot, _ *roll.Options) {
			for i := range s.Nodes {
				s.Nodes[i].Reasons = nil
			}
		}, phase: roll.Done},
		{name: "the first by id", phase: roll.Restarting, restart: []string{"b0"}},
		{name: "a denied one is passed over", change: func(s *roll.Snapshot, _ *roll.Options) {
			s.Metadata = metadata(everywhere(), topic("b", 1, partition(ids(0, 3), ids(0))))
		}, phase: roll.Restarting, restart: []string{"b1"}},
		{name: "all denied", change: func(s *roll.Snapshot, _ *roll.Options) {
			s.Metadata = metadata(topic("a", 2, partition(ids(0, 1, 2), ids(0))))
		}, phase: roll.WaitingFor, cause: roll.Denied, message: "b0 cannot be restarted: below min.insync.replicas already: a-0"},
		{name: "denied for four minutes", change: func(s *roll.Snapshot, _ *roll.Options) {
			s.Metadata = metadata(topic("a", 2, partition(ids(0, 1, 2), ids(0))))
			s.Progress = roll.Progress{Began: now.Add(-time.Hour), Waiting: roll.Waiting{Cause: roll.Denied, Since: now.Add(-256 * time.Second)}}
		}, phase: roll.Blocked, cause: roll.Denied, message: "a-0"},
		{name: "denied for less", change: func(s *roll.Snapshot, _ *roll.Options) {
			s.Metadata = metadata(topic("a", 2, partition(ids(0, 1, 2), ids(0))))
			s.Progress = roll.Progress{Began: now.Add(-time.Hour), Waiting: roll.Waiting{Cause: roll.Denied, Since: now.Add(-255 * time.Second)}}
		}, phase: roll.WaitingFor, cause: roll.Denied},
		{name: "paused", change: func(_ *roll.Snapshot, o *roll.Options) { o.Paused = true }, phase: roll.Paused},
		{name: "paused with a pod that a restart would mend", change: func(s *roll.Snapshot, o *roll.Options) {
			stuck(&s.Nodes[0])
			o.Paused = true
		}, phase: roll.Paused},
		{name: "no window", change: func(_ *roll.Snapshot, o *roll.Options) { o.WindowClosed = true }, phase: roll.WaitingFor, cause: roll.OutsideWindow},
		{name: "no window, and one is urgent", change: func(s *roll.Snapshot, o *roll.Options) {
			o.WindowClosed, o.Urgent = true, []roll.Reason{roll.CertificateRenewed}
			s.Nodes[2].Reasons = append(s.Nodes[2].Reasons, roll.CertificateRenewed)
		}, phase: roll.Restarting, restart: []string{"b2"}},
		{name: "no window, and one is stuck", change: func(s *roll.Snapshot, o *roll.Options) {
			o.WindowClosed = true
			stuck(&s.Nodes[1])
		}, phase: roll.Restarting, restart: []string{"b1"}},
		{name: "no window, and an urgent broker has a new version that its controller has not", change: func(s *roll.Snapshot, o *roll.Options) {
			o.WindowClosed, o.Urgent = true, []roll.Reason{roll.CertificateRenewed}
			s.Nodes[2].Reasons = []roll.Reason{roll.VersionChanged, roll.CertificateRenewed}
			s.Nodes[3].Desired, s.Nodes[3].Reasons = "new", []roll.Reason{roll.VersionChanged}
		}, phase: roll.Restarting, restart: []string{"c0"}},
		{name: "one role", change: func(s *roll.Snapshot, o *roll.Options) {
			s.Nodes[3].Reasons = []roll.Reason{roll.Requested}
			o.Only.Roles = roll.Broker
		}, phase: roll.Restarting, restart: []string{"b0"}},
		{name: "one by name", change: func(_ *roll.Snapshot, o *roll.Options) { o.Only.Names = []string{"b1"} }, phase: roll.Restarting, restart: []string{"b1"}},
		{name: "another by name is not ready", change: func(s *roll.Snapshot, o *roll.Options) {
			o.Only.Names = []string{"b1"}
			notReady(time.Hour)(&s.Nodes[0])
		}, phase: roll.Blocked, cause: roll.NotReady},

		{name: "a stuck pod of an earlier revision first", change: func(s *roll.Snapshot, _ *roll.Options) { stuck(&s.Nodes[2]) },
			phase: roll.Restarting, restart: []string{"b2"}},
		{name: "a stuck pod although partitions deny it", change: func(s *roll.Snapshot, _ *roll.Options) {
			stuck(&s.Nodes[2])
			s.Metadata = nil
		}, phase: roll.Restarting, restart: []string{"b2"}},
		{name: "a stuck pod of an earlier revision that nothing else asks to restart", change: func(s *roll.Snapshot, _ *roll.Options) {
			stuck(&s.Nodes[2])
			s.Nodes[2].Reasons = nil
		}, phase: roll.Restarting, restart: []string{"b2"}},
		{name: "a stuck pod of the current revision", change: func(s *roll.Snapshot, _ *roll.Options) {
			stuck(&s.Nodes[2])
			s.Nodes[2].Revision = "new"
		}, phase: roll.Failed, cause: roll.Stuck, message: "pod b2 cannot start: CrashLoopBackOff"},
		{name: "a stuck pod of the current revision of another role", change: func(s *roll.Snapshot, _ *roll.Options) { stuck(&s.Nodes[3]) },
			phase: roll.Failed, cause: roll.Stuck, message: "c0"},
		{name: "stuck pods of both revisions: they may need each other", change: func(s *roll.Snapshot, _ *roll.Options) {
			stuck(&s.Nodes[1])
			stuck(&s.Nodes[2])
			s.Nodes[1].Revision = "new"
		}, phase: roll.Restarting, restart: []string{"b2"}},
		{name: "a stuck pod of an earlier revision that is not among those to restart", change: func(s *roll.Snapshot, o *roll.Options) {
			stuck(&s.Nodes[2])
			o.Only.Names = []string{"b0"}
		}, phase: roll.Blocked, cause: roll.Stuck},
		{name: "a stuck pod does not wait for what is under way", change: func(s *roll.Snapshot, _ *roll.Options) {
			restarted(s, "b0", time.Second).Ready = false
			stuck(&s.Nodes[1])
		}, phase: roll.Restarting, restart: []string{"b1"}},
		{name: "a pod that says it is stuck and ready", change: func(s *roll.Snapshot, _ *roll.Options) { s.Nodes[2].Stuck = "CrashLoopBackOff" },
			phase: roll.Restarting, restart: []string{"b0"}},

		{name: "not ready first, when it had its time", change: func(s *roll.Snapshot, _ *roll.Options) {
			notReady(300 * time.Second)(&s.Nodes[2])
			s.Metadata = metadata(topic("a", 1, partition(ids(0, 1, 2), ids(0, 1))))
		}, phase: roll.Restarting, restart: []string{"b2"}},
		{name: "not ready yet", change: func(s *roll.Snapshot, _ *roll.Options) { notReady(299 * time.Second)(&s.Nodes[2]) },
			phase: roll.WaitingFor, cause: roll.NotReady, message: "pod b2 is not ready"},
		{name: "not ready, and others need it", change: func(s *roll.Snapshot, _ *roll.Options) {
			notReady(time.Hour)(&s.Nodes[2])
			s.Metadata = metadata(topic("a", 2, partition(ids(0, 1, 2), ids(1))))
		}, phase: roll.WaitingFor, cause: roll.Denied, message: "b2 cannot be restarted"},
		{name: "not ready, and others need it: none of them is restarted", change: func(s *roll.Snapshot, _ *roll.Options) {
			notReady(time.Hour)(&s.Nodes[2])
			s.Metadata = metadata(topic("a", 2, partition(ids(3, 4, 2), ids(3))))
		}, phase: roll.WaitingFor, cause: roll.Denied, message: "b2 cannot be restarted"},
		{name: "another that needs no restart is not ready", change: func(s *roll.Snapshot, _ *roll.Options) {
			s.Nodes[2] = with(node("b2", 2, roll.Broker), notReady(299*time.Second))
		}, phase: roll.WaitingFor, cause: roll.NotReady},
		{name: "another that needs no restart is not ready for long", change: func(s *roll.Snapshot, _ *roll.Options) {
			s.Nodes[2] = with(node("b2", 2, roll.Broker), notReady(300*time.Second))
		}, phase: roll.Blocked, cause: roll.NotReady},
		{name: "others that need no restart are not ready, one for long", change: func(s *roll.Snapshot, _ *roll.Options) {
			s.Nodes[1] = with(node("b1", 1, roll.Broker), notReady(time.Second))
			s.Nodes[2] = with(node("b2", 2, roll.Broker), notReady(time.Hour))
		}, phase: roll.Blocked, cause: roll.NotReady, message: "b2"},
		{name: "another has no pod", change: func(s *roll.Snapshot, _ *roll.Options) {
			s.Nodes[2].UID, s.Nodes[2].Ready = "", false
		}, phase: roll.Blocked, cause: roll.Terminating, message: "b2 has not been made"},
		{name: "another is being deleted", change: func(s *roll.Snapshot, _ *roll.Options) {
			s.Nodes[2].Terminating, s.Nodes[2].Since = true, now.Add(-time.Second)
		}, phase: roll.WaitingFor, cause: roll.Terminating},
		{name: "a recovering broker is waited for without end", change: func(s *roll.Snapshot, _ *roll.Options) {
			notReady(10 * time.Hour)(&s.Nodes[0])
			s.Nodes[0].Recovering = true
		}, phase: roll.WaitingFor, cause: roll.Recovering},
		{name: "a recovering broker that is said to be stuck", change: func(s *roll.Snapshot, _ *roll.Options) {
			stuck(&s.Nodes[0])
			s.Nodes[0].Recovering = true
		}, phase: roll.WaitingFor, cause: roll.Recovering},
		{name: "a recovering broker whose pod is ready", change: func(s *roll.Snapshot, _ *roll.Options) { s.Nodes[0].Recovering = true },
			phase: roll.WaitingFor, cause: roll.Recovering},

		{name: "it does not answer, since a moment ago", change: func(s *roll.Snapshot, o *roll.Options) {
			s.Nodes[0].UnreachableSince = now.Add(-4 * time.Minute)
			o.Only.Names = []string{"b0"}
		}, phase: roll.WaitingFor, cause: roll.Denied, message: "does not answer"},
		{name: "it does not answer, since long", change: func(s *roll.Snapshot, _ *roll.Options) {
			s.Nodes[2].UnreachableSince = now.Add(-5 * time.Minute)
		}, phase: roll.Restarting, restart: []string{"b2"}},
		{name: "it does not answer, and others need it", change: func(s *roll.Snapshot, o *roll.Options) {
			s.Nodes[0].UnreachableSince = now.Add(-5 * time.Minute)
			s.Metadata = metadata(topic("a", 2, partition(ids(0, 1, 2), ids(0, 1))))
			o.Only.Names = []string{"b0"}
		}, phase: roll.WaitingFor, cause: roll.Denied, message: "min.insync.replicas"},
		{name: "it does not answer, nor does another", change: func(s *roll.Snapshot, o *roll.Options) {
			s.Nodes[0].UnreachableSince = now.Add(-5 * time.Minute)
			s.Nodes[1].UnreachableSince = now.Add(-5 * time.Minute)
			o.Only.Names = []string{"b0"}
		}, phase: roll.WaitingFor, cause: roll.Denied, message: "neither it nor b1 answers"},

		{name: "restarted, and its pod is going", change: func(s *roll.Snapshot, _ *roll.Options) {
			n := restarted(s, "b0", 10*time.Minute)
			n.UID, n.Terminating, n.Since = s.Progress.Restarts[0].UID, true, time.Time{}
		}, phase: roll.WaitingFor, cause: roll.Terminating},
		{name: "restarted, and its pod does not go", change: func(s *roll.Snapshot, _ *roll.Options) {
			n := restarted(s, "b0", 11*time.Minute)
			n.UID, n.Terminating, n.Since = s.Progress.Restarts[0].UID, true, time.Time{}
		}, phase: roll.Failed, cause: roll.Terminating},
		{name: "restarted, and no pod yet", change: func(s *roll.Snapshot, _ *roll.Options) {
			n := restarted(s, "b0", time.Minute)
			n.UID, n.Ready = "", false
		}, phase: roll.WaitingFor, cause: roll.Terminating},
		{name: "restarted and not ready", change: func(s *roll.Snapshot, _ *roll.Options) { restarted(s, "b0", 299*time.Second).Ready = false },
			phase: roll.WaitingFor, cause: roll.NotReady},
		{name: "restarted and not ready for too long", change: func(s *roll.Snapshot, _ *roll.Options) { restarted(s, "b0", 300*time.Second).Ready = false },
			phase: roll.Failed, cause: roll.NotReady, message: "b0"},
		{name: "restarted and not ready, and its specification is mended", change: func(s *roll.Snapshot, _ *roll.Options) {
			n := restarted(s, "b1", 300*time.Second)
			n.Ready, n.Desired, n.Reasons = false, "newer", []roll.Reason{roll.ConfigChanged}
			s.Metadata = metadata(topic("a", 2, partition(ids(0, 1, 2), ids(0, 2))))
		}, phase: roll.Restarting, restart: []string{"b1"}},
		{name: "restarted and not ready, and its specification is mended with that of a controller", change: func(s *roll.Snapshot, _ *roll.Options) {
			n := restarted(s, "b1", 300*time.Second)
			n.Ready, n.Desired, n.Reasons = false, "newer", []roll.Reason{roll.ConfigChanged}
			s.Nodes[3].Desired, s.Nodes[3].Reasons = "newer", []roll.Reason{roll.ConfigChanged}
		}, phase: roll.Restarting, restart: []string{"b1"}},
		{name: "restarted and stuck, and its specification is mended", change: func(s *roll.Snapshot, _ *roll.Options) {
			n := restarted(s, "b1", time.Second)
			n.Ready, n.Stuck, n.Desired, n.Reasons = false, "ImagePullBackOff", "newer", []roll.Reason{roll.ConfigChanged}
		}, phase: roll.Restarting, restart: []string{"b1"}},
		{name: "restarted and stuck", change: func(s *roll.Snapshot, _ *roll.Options) {
			n := restarted(s, "b1", time.Second)
			n.Ready, n.Stuck = false, "ImagePullBackOff"
		}, phase: roll.Failed, cause: roll.Stuck},
		{name: "restarted and recovering", change: func(s *roll.Snapshot, _ *roll.Options) {
			n := restarted(s, "b0", 5*time.Hour)
			n.Ready, n.Recovering = false, true
		}, phase: roll.WaitingFor, cause: roll.Recovering},
		{name: "paused, and what was restarted is going", change: func(s *roll.Snapshot, o *roll.Options) {
			o.Paused = true
			s.Nodes = append(brokers(2, node), outdated("b2", 2, roll.Broker))
			n := restarted(s, "b2", time.Minute)
			n.UID, n.Revision, n.Terminating, n.Ready, n.Reasons = s.Progress.Restarts[0].UID, "old", true, false, s.Progress.Restarts[0].Reasons
		}, phase: roll.WaitingFor, cause: roll.Terminating},
		{name: "restarted, ready, and not in sync", change: func(s *roll.Snapshot, _ *roll.Options) {
			restarted(s, "b0", 29*time.Minute)
			s.Metadata = metadata(topic("a", 1, partition(ids(0, 1, 2), ids(1, 2))))
		}, phase: roll.WaitingFor, cause: roll.NotInSync, message: "a-0"},
		{name: "restarted, ready, and not in sync for half an hour", change: func(s *roll.Snapshot, _ *roll.Options) {
			restarted(s, "b0", 30*time.Minute)
			s.Metadata = metadata(topic("a", 1, partition(ids(0, 1, 2), ids(1, 2))))
		}, phase: roll.Blocked, cause: roll.NotInSync, message: "a-0"},
		{name: "restarted, ready since it is not known when, and not in sync", change: func(s *roll.Snapshot, _ *roll.Options) {
			restarted(s, "b0", 29*time.Minute).Since = time.Time{}
			s.Metadata = metadata(topic("a", 1, partition(ids(0, 1, 2), ids(1, 2))))
		}, phase: roll.WaitingFor, cause: roll.NotInSync},
		{name: "restarted and back", change: func(s *roll.Snapshot, _ *roll.Options) { restarted(s, "b0", time.Minute) },
			phase: roll.Restarting, restart: []string{"b1"}},
		{name: "restarted, was back, and is behind again", change: func(s *roll.Snapshot, _ *roll.Options) {
			restarted(s, "b0", time.Hour)
			s.Progress.Restarts[0].Back = true
			s.Metadata = metadata(topic("a", 1, partition(ids(0, 1, 2), ids(1, 2))))
		}, phase: roll.Restarting, restart: []string{"b1"}},
		{name: "restarted, and the reason stays", change: func(s *roll.Snapshot, _ *roll.Options) {
			restarted(s, "b0", time.Minute).Reasons = []roll.Reason{roll.ConfigChanged}
		}, phase: roll.Restarting, restart: []string{"b1"}},
		{name: "restarted, and there is another reason", change: func(s *roll.Snapshot, _ *roll.Options) {
			restarted(s, "b0", time.Minute).Reasons = []roll.Reason{roll.ConfigChanged, roll.Requested}
		}, phase: roll.Restarting, restart: []string{"b0"}},
		{name: "restarted and not back, and there is another reason", change: func(s *roll.Snapshot, _ *roll.Options) {
			n := restarted(s, "b0", time.Minute)
			n.Reasons, n.Ready = []roll.Reason{roll.Requested}, false
		}, phase: roll.WaitingFor, cause: roll.NotReady},
		{name: "paused, and what was restarted is not back", change: func(s *roll.Snapshot, o *roll.Options) {
			o.Paused = true
			s.Nodes = brokers(3, node)
			restarted(s, "b0", time.Minute).Ready = false
		}, phase: roll.WaitingFor, cause: roll.NotReady},
		{name: "restarted with the earlier revision again", change: func(s *roll.Snapshot, _ *roll.Options) {
			n := restarted(s, "b0", time.Minute)
			n.Revision, n.Reasons = "old", []roll.Reason{roll.ConfigChanged}
		}, phase: roll.Restarting, restart: []string{"b0"}},

		{name: "the deletion does not show yet", change: func(s *roll.Snapshot, _ *roll.Options) {
			s.Progress = roll.Progress{Began: now, Restarts: []roll.Restart{{Name: "b1", UID: "b1-pod-1", At: now.Add(-time.Second)}}}
		}, phase: roll.Restarting, restart: []string{"b1"}},
		{name: "the deletion does not show yet, and the metadata has it", change: func(s *roll.Snapshot, _ *roll.Options) {
			s.Progress = roll.Progress{Began: now, Restarts: []roll.Restart{{Name: "b1", UID: "b1-pod-1", At: now.Add(-time.Second)}}}
			s.Metadata = metadata(topic("a", 2, partition(ids(1, 2, 3), ids(2))))
		}, phase: roll.WaitingFor, cause: roll.Denied, message: "b1 cannot be restarted"},
		{name: "the deletion does not show yet, and it is another's turn by now", change: func(s *roll.Snapshot, _ *roll.Options) {
			s.Progress = roll.Progress{Began: now, Restarts: []roll.Restart{{Name: "b1", UID: "b1-pod-1", At: now.Add(-time.Second)}}}
			s.Nodes[3].Reasons = []roll.Reason{roll.ConfigChanged}
		}, phase: roll.WaitingFor, cause: roll.Terminating},
		{name: "the deletion did not happen", change: func(s *roll.Snapshot, _ *roll.Options) {
			s.Progress = roll.Progress{Began: now, Restarts: []roll.Restart{{Name: "b1", UID: "b1-pod-1", At: now.Add(-time.Minute)}}}
		}, phase: roll.Restarting, restart: []string{"b0"}},

		{name: "partitions went offline during the roll", change: func(s *roll.Snapshot, _ *roll.Options) {
			s.Progress = roll.Progress{Began: now.Add(-time.Minute), Offline: 1}
			s.Metadata = metadata(everywhere(), topic("b", 1, offline(ids(7), ids(7)), offline(ids(8), ids(8))))
		}, phase: roll.WaitingFor, cause: roll.Denied, message: "went offline during the roll: b-0, b-1"},
		{name: "partitions were offline when the roll began", change: func(s *roll.Snapshot, _ *roll.Options) {
			s.Progress = roll.Progress{Began: now.Add(-time.Minute), Offline: 2}
			s.Metadata = metadata(everywhere(), topic("b", 1, offline(ids(7), ids(7)), offline(ids(8), ids(8))))
		}, phase: roll.Restarting, restart: []string{"b0"}},
		{name: "partitions went offline with the broker that a restart may mend", change: func(s *roll.Snapshot, _ *roll.Options) {
			s.Progress = roll.Progress{Began: now.Add(-time.Minute)}
			s.Metadata = metadata(everywhere(), topic("b", 1, offline(ids(2), ids(2))))
			notReady(time.Hour)(&s.Nodes[2])
		}, phase: roll.Restarting, restart: []string{"b2"}},
		{name: "no broker answers", change: func(s *roll.Snapshot, _ *roll.Options) { s.Metadata = nil }, phase: roll.WaitingFor, cause: roll.Denied},
		{name: "the cluster has never served, and its pods were corrected", change: func(s *roll.Snapshot, _ *roll.Options) {
			s.Metadata, s.Quorum, s.Unformed = nil, nil, true
			for i := range s.Nodes {
				notReady(time.Second)(&s.Nodes[i])
			}
		}, phase: roll.Restarting, restart: []string{"b0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, o := controlled(metadata(everywhere()), brokers(3, outdated)...), roll.Options{}
			if c.change != nil {
				c.change(s, &o)
			}
			d := roll.Next(s, o, now)
			if d.Phase != c.phase || d.Cause != c.cause || !slices.Equal(targets(d), c.restart) || !strings.Contains(d.Message, c.message) {
				t.Errorf("got %s %s %v %q, want %s %s %v %q", d.Phase, d.Cause, targets(d), d.Message, c.phase, c.cause, c.restart, c.message)
			}
			if held := d.Phase == roll.WaitingFor || d.Phase == roll.Blocked || d.Phase == roll.Failed; held && (len(d.Nodes) == 0 || d.Since.IsZero() || d.Recheck <= 0) {
				t.Errorf("does not tell for what, since when and how long to wait: %+v", d)
			}
			for _, target := range d.Restart {
				if n := find(s, target.Name); target.UID != n.UID || len(target.Reasons) == 0 || (target.Stuck != "") != (n.Stuck != "" && !n.Ready) {
					t.Errorf("got target %+v of %+v", target, n)
				}
			}
			if again := roll.Next(s, o, now); !reflect.DeepEqual(again, d) {
				t.Errorf("another decision for the same snapshot: %+v and %+v", again, d)
			}
		})
	}
}
