package wire

// Lane is a purpose that connections are kept for, so that a slow kind of request never stands before another: a connection
// carries one request at a time and brokers serve a connection's requests one after the other.
type Lane int

const (
	LaneMetadata Lane = iota // short reads that any broker answers
	LaneControl              // writes, and reads that only the controller answers
	LaneBulk                 // sizes on disk, for which brokers walk their folders
	LaneData                 // offsets of partitions, asked of leaders
	LaneProduce              // records, which wait for replicas
	LaneCount
)
