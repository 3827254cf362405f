package offsets

// Isolation decides what the end offset of a partition means.
type Isolation int8

const (
	// ReadUncommitted makes End the high watermark.
	ReadUncommitted Isolation = 0
	// ReadCommitted makes End the last stable offset.
	ReadCommitted Isolation = 1
	// logEnd makes the end that of the leader's log, as followers ask for it: by the id of a broker, to which no isolation applies
	// (KafkaApis.handleListOffsetRequest, since Kafka 4.0 ReplicaManager.fetchOffset). The high watermark stands still while fewer replicas than
	// min.insync.replicas are in sync (Partition.maybeIncrementLeaderHW), and records that were acknowledged with acks=1 are behind it. The id for
	// debugging, -2, would have followers answer as well.
	logEnd Isolation = -1
)

// PartitionOffsets is the range of offsets that can be read: Start is the first, End is one past the last.
// End - Start is not the number of records in a compacted or transactional topic.
type PartitionOffsets struct {
	Start int64
	End   int64
	// Epoch is the leader's that told End, -1 when it is not known.
	Epoch int32
	// Err tells why this partition could not be asked; Start and End are then -1.
	Err error
}
