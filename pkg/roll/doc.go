// Package roll decides which node of a Kafka cluster may be restarted next, or why none may. It is pure: it looks at a Snapshot, the
// same Snapshot at the same time always gives the same Decision, and it never asks a cluster, starts anything or reads a clock.
//
// The rules are those of Strimzi's KafkaRoller, KafkaAvailability and KafkaQuorumCheck, with a few that are stricter:
//
//   - A restart never takes a partition below min.insync.replicas that could be kept at it, and never a KRaft quorum or a ZooKeeper
//     ensemble its majority. There is no way round such a denial here.
//   - A node is back when all replicas assigned to it are in sync, when it has caught up as a voter, when it follows as a member of the
//     ensemble: that its pod is Ready is not enough. Until it is back, no other node is restarted.
//   - ZooKeeper comes before controllers, and these before brokers. The leader of each goes last, so that leadership moves once.
//   - A pod of an earlier revision that cannot start is deleted first, since it serves nothing. One of the current revision stops the
//     whole roll: the next restart would end the same way.
//   - A broker that recovers its logs is never restarted: it would begin again.
//
// Assess tells the availability alone; conditions and disruption budgets follow it, so that they agree with what a roll does.
//
// A caller reads the pods first and the brokers' metadata afterwards: the other way round, a broker that was restarted in between looks
// as in sync as it was before. It stores Decision.Progress, then deletes the pods of Decision.Restart with their UIDs as precondition,
// and asks again. A crash between any two of these steps repeats a deletion at most.
package roll
