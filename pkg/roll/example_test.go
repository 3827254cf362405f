package roll_test

import (
	"fmt"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/roll"
)

// Three combined nodes have a new configuration. The second has not caught up with a partition, so that the others are needed, and it is
// restarted itself.
func ExampleNext() {
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	s := &roll.Snapshot{Quorum: &roll.Quorum{Leader: 0}}
	for id := range int32(3) {
		s.Nodes = append(s.Nodes, roll.Node{
			Name: fmt.Sprintf("orders-kafka-%d", id), ID: id, Roles: roll.Broker | roll.Controller, UID: fmt.Sprintf("uid-%d", id), Ready: true,
			Revision: "5d8f", Desired: "77c1", Reasons: []roll.Reason{roll.ConfigChanged},
		})
		s.Quorum.Voters = append(s.Quorum.Voters, roll.Voter{ID: id, LastCaughtUp: at, Lag: -1})
	}
	s.Metadata = &roll.Metadata{Topics: []roll.Topic{{Name: "orders", MinISR: 2, Partitions: []roll.Partition{
		{ID: 0, Leader: 0, Replicas: []int32{0, 1, 2}, ISR: []int32{0, 2}},
	}}}}

	for _, step := range roll.Plan(s, roll.Options{}, at) {
		fmt.Printf("%s %v %q\n", step.Name, step.Reasons, step.Now.Message())
	}
	d := roll.Next(s, roll.Options{}, at)
	fmt.Println(d.Phase, d.Restart[0].Name)

	// The pod is deleted, and its successor runs.
	s.Progress = d.Progress
	s.Nodes[1].UID, s.Nodes[1].Revision, s.Nodes[1].Reasons = "uid-3", "77c1", nil
	d = roll.Next(s, roll.Options{}, at.Add(20*time.Second))
	fmt.Println(d.Phase, d.Message)

	// Output:
	// orders-kafka-1 [ConfigChanged] ""
	// orders-kafka-2 [ConfigChanged] "would fall below min.insync.replicas: orders-0"
	// orders-kafka-0 [ConfigChanged] "would fall below min.insync.replicas: orders-0"
	// Restarting orders-kafka-1
	// Waiting orders-kafka-1 is not back: replicas are not in sync: orders-0
}
