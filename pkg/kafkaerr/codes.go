package kafkaerr

import (
	"errors"
	"slices"
	"strconv"
)

// Class is what an error code means for whoever made the request.
type Class int

const (
	// Internal is an error inside the broker, or one that the caller can do nothing about.
	Internal Class = iota
	// Account: the account that we have on the brokers lacks a right. Whoever asked has been let in by somebody else, and can do nothing about it.
	Account
	// Exists: what was to be made is there already.
	Exists
	// Conflict: it does not go together with what is there now.
	Conflict
	// NotFound: what was asked about is not there.
	NotFound
	// Invalid: the request asks for what cannot be.
	Invalid
	// Forbidden: a policy of the brokers refuses it.
	Forbidden
	// Unsupported: the brokers, or their settings, have no such thing.
	Unsupported
	// Throttled: a quota is exceeded.
	Throttled
	// TimedOut: it was not done in time, or not seen to be.
	TimedOut
	// Unavailable: it can be done later.
	Unavailable
	// TooLarge: it is more than is taken at once.
	TooLarge
)

// trait is what is to be done about an error code.
type trait int

const (
	// retriable codes are those that Kafka calls transient (org.apache.kafka.common.errors.RetriableException).
	retriable trait = 1 << iota
	// refetch is that of a partition in an answer to Fetch after which it is looked for anew.
	refetch
	// sequence is that of a batch whose sequence number does not follow what the broker knows of the producer.
	sequence
	// outdated is what was believed of who leads a partition: the metadata that said so is of the past, or whoever answers lives in it.
	outdated
	// permanent refusals of a topic's create, change or deletion are mended by no waiting.
	permanent
	// coordinator is that of a broker that is not the coordinator of a group, or not yet: it is looked up anew.
	coordinator
	// notAppended codes in an answer to Produce prove that the broker has not appended the batch: what answers them in Kafka comes before the
	// append, and nothing behind it does. Behind it DelayedProduce answers 3, 6, 7, 20 and 56, and any error of the broker's own may come.
	notAppended
	// notTruncated codes in an answer to DeleteRecords prove that the broker has deleted nothing of the partition. Behind the deletion
	// DelayedDeleteRecords answers 3, 6, 7 and 56.
	notTruncated
	// stillOpen codes in an answer to a write of topics, settings or offsets leave open what becomes of it: its time was up (7), the append to
	// the coordinator's log was not seen in time (15), or the log is another's by then (16, both of GroupMetadataManager.storeOffsets and of
	// CoordinatorRuntime). That of a controller that is none any more (41) does not: in ZooKeeper mode it comes before all else
	// (KafkaApis.handleCreateTopicsRequest), and in KRaft mode a broker that gets it from a controller, before or after the append, asks the
	// next one by itself (BrokerToControllerRequestThread.handleResponse).
	stillOpen
)

type code struct {
	name   string
	class  Class
	traits trait
}

// codes are those of https://kafka.apache.org/protocol#protocol_error_codes, up to those of Kafka 4.4. It is the one place that decides what
// a code means.
var codes = map[int16]code{
	-1:  {"UNKNOWN_SERVER_ERROR", Internal, refetch},              // FetchCollector.handleInitializeErrors, DelayedRemoteFetch.onComplete
	1:   {"OFFSET_OUT_OF_RANGE", Invalid, refetch | notTruncated}, // Partition.deleteRecordsOnLeader, UnifiedLog.maybeIncrementLogStartOffset
	2:   {"CORRUPT_MESSAGE", Internal, retriable | notAppended},   // UnifiedLog.analyzeAndValidateRecords, LogValidator.validateRecord
	3:   {"UNKNOWN_TOPIC_OR_PARTITION", NotFound, retriable | refetch | outdated},
	4:   {"INVALID_FETCH_SIZE", Internal, 0},
	5:   {"LEADER_NOT_AVAILABLE", Unavailable, retriable | refetch},
	6:   {"NOT_LEADER_OR_FOLLOWER", Unavailable, retriable | refetch | outdated},
	7:   {"REQUEST_TIMED_OUT", TimedOut, retriable | stillOpen},
	8:   {"BROKER_NOT_AVAILABLE", Unavailable, refetch},
	9:   {"REPLICA_NOT_AVAILABLE", Unavailable, retriable | refetch},
	10:  {"MESSAGE_TOO_LARGE", TooLarge, notAppended}, // UnifiedLog.analyzeAndValidateRecords and, once more before the append, UnifiedLog.append
	11:  {"STALE_CONTROLLER_EPOCH", Internal, 0},
	12:  {"OFFSET_METADATA_TOO_LARGE", Invalid, 0},
	13:  {"NETWORK_EXCEPTION", Unavailable, retriable | refetch},
	14:  {"COORDINATOR_LOAD_IN_PROGRESS", Unavailable, retriable | coordinator},
	15:  {"COORDINATOR_NOT_AVAILABLE", Unavailable, retriable | coordinator | stillOpen},
	16:  {"NOT_COORDINATOR", Unavailable, retriable | coordinator | stillOpen},
	17:  {"INVALID_TOPIC_EXCEPTION", Invalid, permanent | notAppended | notTruncated}, // ReplicaManager.appendToLocalLog, ReplicaManager.deleteRecordsOnLocalLog
	18:  {"RECORD_LIST_TOO_LARGE", TooLarge, notAppended},                             // UnifiedLog.append, before the append
	19:  {"NOT_ENOUGH_REPLICAS", Unavailable, retriable | notAppended},                // Partition.appendRecordsToLeader
	20:  {"NOT_ENOUGH_REPLICAS_AFTER_APPEND", Unavailable, retriable},
	21:  {"INVALID_REQUIRED_ACKS", Internal, notAppended}, // ReplicaManager.appendRecords
	22:  {"ILLEGAL_GENERATION", Conflict, 0},
	23:  {"INCONSISTENT_GROUP_PROTOCOL", Internal, 0},
	24:  {"INVALID_GROUP_ID", Invalid, 0},
	25:  {"UNKNOWN_MEMBER_ID", Conflict, 0},
	26:  {"INVALID_SESSION_TIMEOUT", Internal, 0},
	27:  {"REBALANCE_IN_PROGRESS", Conflict, 0},
	28:  {"INVALID_COMMIT_OFFSET_SIZE", Internal, 0},
	29:  {"TOPIC_AUTHORIZATION_FAILED", Account, permanent | notAppended | notTruncated}, // KafkaApis.handleProduceRequest, KafkaApis.handleDeleteRecordsRequest
	30:  {"GROUP_AUTHORIZATION_FAILED", Account, 0},
	31:  {"CLUSTER_AUTHORIZATION_FAILED", Account, permanent | notAppended}, // KafkaApis.handleProduceRequest before Kafka 3.0
	32:  {"INVALID_TIMESTAMP", Invalid, notAppended},                        // LogValidator.validateTimestamp
	33:  {"UNSUPPORTED_SASL_MECHANISM", Unavailable, 0},
	34:  {"ILLEGAL_SASL_STATE", Unavailable, 0},
	35:  {"UNSUPPORTED_VERSION", Unsupported, permanent},
	36:  {"TOPIC_ALREADY_EXISTS", Exists, 0},
	37:  {"INVALID_PARTITIONS", Invalid, permanent},
	38:  {"INVALID_REPLICATION_FACTOR", Invalid, 0},
	39:  {"INVALID_REPLICA_ASSIGNMENT", Invalid, 0},
	40:  {"INVALID_CONFIG", Invalid, permanent},
	41:  {"NOT_CONTROLLER", Unavailable, retriable},
	42:  {"INVALID_REQUEST", Invalid, permanent},
	43:  {"UNSUPPORTED_FOR_MESSAGE_FORMAT", Unsupported, notAppended},       // LogValidator.validateBatch
	44:  {"POLICY_VIOLATION", Forbidden, permanent | notTruncated},          // Partition.deleteRecordsOnLeader
	45:  {"OUT_OF_ORDER_SEQUENCE_NUMBER", Internal, sequence | notAppended}, // ProducerAppendInfo.checkSequence
	46:  {"DUPLICATE_SEQUENCE_NUMBER", Internal, sequence | notAppended},    // ProducerAppendInfo.checkSequence before Kafka 1.1
	47:  {"INVALID_PRODUCER_EPOCH", Internal, sequence | notAppended},       // ProducerAppendInfo.checkProducerEpoch
	48:  {"INVALID_TXN_STATE", Internal, notAppended},                       // ProducerAppendInfo.appendDataBatch, on a copy of the producer that is not kept
	49:  {"INVALID_PRODUCER_ID_MAPPING", Internal, 0},
	50:  {"INVALID_TRANSACTION_TIMEOUT", Internal, 0},
	51:  {"CONCURRENT_TRANSACTIONS", Conflict, retriable},
	52:  {"TRANSACTION_COORDINATOR_FENCED", Internal, 0},
	53:  {"TRANSACTIONAL_ID_AUTHORIZATION_FAILED", Account, 0},
	54:  {"SECURITY_DISABLED", Unsupported, 0},
	55:  {"OPERATION_NOT_ATTEMPTED", Internal, 0},
	56:  {"KAFKA_STORAGE_ERROR", Unavailable, retriable | refetch},
	57:  {"LOG_DIR_NOT_FOUND", NotFound, 0},
	58:  {"SASL_AUTHENTICATION_FAILED", Unavailable, 0},
	59:  {"UNKNOWN_PRODUCER_ID", Internal, sequence | notAppended}, // ProducerAppendInfo.checkSequence before Kafka 2.5
	60:  {"REASSIGNMENT_IN_PROGRESS", Conflict, 0},
	61:  {"DELEGATION_TOKEN_AUTH_DISABLED", Internal, 0},
	62:  {"DELEGATION_TOKEN_NOT_FOUND", Internal, 0},
	63:  {"DELEGATION_TOKEN_OWNER_MISMATCH", Internal, 0},
	64:  {"DELEGATION_TOKEN_REQUEST_NOT_ALLOWED", Internal, 0},
	65:  {"DELEGATION_TOKEN_AUTHORIZATION_FAILED", Account, 0},
	66:  {"DELEGATION_TOKEN_EXPIRED", Internal, 0},
	67:  {"INVALID_PRINCIPAL_TYPE", Internal, 0},
	68:  {"NON_EMPTY_GROUP", Conflict, 0},
	69:  {"GROUP_ID_NOT_FOUND", NotFound, 0},
	70:  {"FETCH_SESSION_ID_NOT_FOUND", Internal, retriable},
	71:  {"INVALID_FETCH_SESSION_EPOCH", Internal, retriable},
	72:  {"LISTENER_NOT_FOUND", Unavailable, retriable},
	73:  {"TOPIC_DELETION_DISABLED", Forbidden, permanent},
	74:  {"FENCED_LEADER_EPOCH", Unavailable, retriable | refetch | outdated},
	75:  {"UNKNOWN_LEADER_EPOCH", Unavailable, retriable | refetch | outdated},
	76:  {"UNSUPPORTED_COMPRESSION_TYPE", Unsupported, notAppended}, // ProduceRequest.validateRecords, LogValidator.validateMessagesAndAssignOffsetsCompressed
	77:  {"STALE_BROKER_EPOCH", Unavailable, 0},
	78:  {"OFFSET_NOT_AVAILABLE", Unavailable, retriable | refetch},
	79:  {"MEMBER_ID_REQUIRED", Internal, 0},
	80:  {"PREFERRED_LEADER_NOT_AVAILABLE", Unavailable, retriable},
	81:  {"GROUP_MAX_SIZE_REACHED", Internal, 0},
	82:  {"FENCED_INSTANCE_ID", Conflict, 0},
	83:  {"ELIGIBLE_LEADERS_NOT_AVAILABLE", Unavailable, retriable},
	84:  {"ELECTION_NOT_NEEDED", Internal, retriable},
	85:  {"NO_REASSIGNMENT_IN_PROGRESS", Internal, 0},
	86:  {"GROUP_SUBSCRIBED_TO_TOPIC", Conflict, 0},
	87:  {"INVALID_RECORD", Invalid, notAppended}, // ProduceRequest.validateRecords, LogValidator.validateBatch and validateKey
	88:  {"UNSTABLE_OFFSET_COMMIT", Unavailable, retriable},
	89:  {"THROTTLING_QUOTA_EXCEEDED", Throttled, retriable},
	90:  {"PRODUCER_FENCED", Internal, 0},
	91:  {"RESOURCE_NOT_FOUND", NotFound, 0},
	92:  {"DUPLICATE_RESOURCE", Exists, 0},
	93:  {"UNACCEPTABLE_CREDENTIAL", Invalid, 0},
	94:  {"INCONSISTENT_VOTER_SET", Internal, 0},
	95:  {"INVALID_UPDATE_VERSION", Invalid, 0},
	96:  {"FEATURE_UPDATE_FAILED", Invalid, 0},
	97:  {"PRINCIPAL_DESERIALIZATION_FAILURE", Internal, 0},
	98:  {"SNAPSHOT_NOT_FOUND", Internal, 0},
	99:  {"POSITION_OUT_OF_RANGE", Internal, 0},
	100: {"UNKNOWN_TOPIC_ID", NotFound, retriable | refetch | outdated | notAppended}, // KafkaApis.handleProduceRequest since Kafka 4.1, which looks for the id
	101: {"DUPLICATE_BROKER_REGISTRATION", Internal, 0},
	102: {"BROKER_ID_NOT_REGISTERED", NotFound, 0},
	103: {"INCONSISTENT_TOPIC_ID", Conflict, retriable | refetch | outdated | notAppended}, // ReplicaManager.getPartitionOrException, for ReplicaManager.appendToLocalLog
	104: {"INCONSISTENT_CLUSTER_ID", Internal, 0},
	105: {"TRANSACTIONAL_ID_NOT_FOUND", NotFound, 0},
	106: {"FETCH_SESSION_TOPIC_ID_ERROR", Internal, retriable},
	107: {"INELIGIBLE_REPLICA", Internal, 0},
	108: {"NEW_LEADER_ELECTED", Internal, 0},
	109: {"OFFSET_MOVED_TO_TIERED_STORAGE", Internal, 0},
	110: {"FENCED_MEMBER_EPOCH", Internal, 0},
	111: {"UNRELEASED_INSTANCE_ID", Internal, 0},
	112: {"UNSUPPORTED_ASSIGNOR", Internal, 0},
	113: {"STALE_MEMBER_EPOCH", Conflict, 0},
	114: {"MISMATCHED_ENDPOINT_TYPE", Internal, 0},
	115: {"UNSUPPORTED_ENDPOINT_TYPE", Internal, 0},
	116: {"UNKNOWN_CONTROLLER_ID", Internal, 0},
	117: {"UNKNOWN_SUBSCRIPTION_ID", Internal, 0},
	118: {"TELEMETRY_TOO_LARGE", Internal, 0},
	119: {"INVALID_REGISTRATION", Internal, 0},
	120: {"TRANSACTION_ABORTABLE", Internal, 0},
	121: {"INVALID_RECORD_STATE", Internal, 0},
	122: {"SHARE_SESSION_NOT_FOUND", Internal, retriable},
	123: {"INVALID_SHARE_SESSION_EPOCH", Internal, retriable},
	124: {"FENCED_STATE_EPOCH", Internal, 0},
	125: {"INVALID_VOTER_KEY", Internal, 0},
	126: {"DUPLICATE_VOTER", Exists, 0},
	127: {"VOTER_NOT_FOUND", NotFound, 0},
	128: {"INVALID_REGULAR_EXPRESSION", Invalid, 0},
	129: {"REBOOTSTRAP_REQUIRED", Internal, 0},
	130: {"STREAMS_INVALID_TOPOLOGY", Internal, 0},
	131: {"STREAMS_INVALID_TOPOLOGY_EPOCH", Internal, 0},
	132: {"STREAMS_TOPOLOGY_FENCED", Internal, 0},
	133: {"SHARE_SESSION_LIMIT_REACHED", Internal, retriable},
	134: {"GROUP_DELETION_FAILED", Internal, 0},
	135: {"STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED", Internal, 0},
	136: {"CONTROLLER_ID_NOT_REGISTERED", NotFound, 0},
}

// Codes that are decided on by name.
const (
	UnknownServerError           int16 = -1  // UNKNOWN_SERVER_ERROR
	OffsetOutOfRange             int16 = 1   // OFFSET_OUT_OF_RANGE
	UnknownTopicOrPartition      int16 = 3   // UNKNOWN_TOPIC_OR_PARTITION
	LeaderNotAvailable           int16 = 5   // LEADER_NOT_AVAILABLE
	NotLeaderOrFollower          int16 = 6   // NOT_LEADER_OR_FOLLOWER
	RequestTimedOut              int16 = 7   // REQUEST_TIMED_OUT
	BrokerNotAvailable           int16 = 8   // BROKER_NOT_AVAILABLE
	ReplicaNotAvailable          int16 = 9   // REPLICA_NOT_AVAILABLE
	MessageTooLarge              int16 = 10  // MESSAGE_TOO_LARGE
	NetworkException             int16 = 13  // NETWORK_EXCEPTION
	CoordinatorLoadInProgress    int16 = 14  // COORDINATOR_LOAD_IN_PROGRESS
	CoordinatorNotAvailable      int16 = 15  // COORDINATOR_NOT_AVAILABLE
	NotCoordinator               int16 = 16  // NOT_COORDINATOR
	InvalidTopicException        int16 = 17  // INVALID_TOPIC_EXCEPTION
	NotEnoughReplicas            int16 = 19  // NOT_ENOUGH_REPLICAS
	NotEnoughReplicasAfterAppend int16 = 20  // NOT_ENOUGH_REPLICAS_AFTER_APPEND
	InvalidGroupID               int16 = 24  // INVALID_GROUP_ID
	TopicAuthorizationFailed     int16 = 29  // TOPIC_AUTHORIZATION_FAILED
	GroupAuthorizationFailed     int16 = 30  // GROUP_AUTHORIZATION_FAILED
	ClusterAuthorizationFailed   int16 = 31  // CLUSTER_AUTHORIZATION_FAILED
	IllegalSaslState             int16 = 34  // ILLEGAL_SASL_STATE
	UnsupportedVersion           int16 = 35  // UNSUPPORTED_VERSION
	TopicAlreadyExists           int16 = 36  // TOPIC_ALREADY_EXISTS
	InvalidPartitions            int16 = 37  // INVALID_PARTITIONS
	InvalidReplicationFactor     int16 = 38  // INVALID_REPLICATION_FACTOR
	InvalidReplicaAssignment     int16 = 39  // INVALID_REPLICA_ASSIGNMENT
	InvalidConfig                int16 = 40  // INVALID_CONFIG
	NotController                int16 = 41  // NOT_CONTROLLER
	InvalidRequest               int16 = 42  // INVALID_REQUEST
	PolicyViolation              int16 = 44  // POLICY_VIOLATION
	OutOfOrderSequenceNumber     int16 = 45  // OUT_OF_ORDER_SEQUENCE_NUMBER
	DuplicateSequenceNumber      int16 = 46  // DUPLICATE_SEQUENCE_NUMBER
	InvalidProducerEpoch         int16 = 47  // INVALID_PRODUCER_EPOCH
	KafkaStorageError            int16 = 56  // KAFKA_STORAGE_ERROR
	UnknownProducerID            int16 = 59  // UNKNOWN_PRODUCER_ID
	ReassignmentInProgress       int16 = 60  // REASSIGNMENT_IN_PROGRESS
	GroupIDNotFound              int16 = 69  // GROUP_ID_NOT_FOUND
	TopicDeletionDisabled        int16 = 73  // TOPIC_DELETION_DISABLED
	FencedLeaderEpoch            int16 = 74  // FENCED_LEADER_EPOCH
	UnknownLeaderEpoch           int16 = 75  // UNKNOWN_LEADER_EPOCH
	OffsetNotAvailable           int16 = 78  // OFFSET_NOT_AVAILABLE
	PreferredLeaderNotAvailable  int16 = 80  // PREFERRED_LEADER_NOT_AVAILABLE
	EligibleLeadersNotAvailable  int16 = 83  // ELIGIBLE_LEADERS_NOT_AVAILABLE
	ElectionNotNeeded            int16 = 84  // ELECTION_NOT_NEEDED
	NoReassignmentInProgress     int16 = 85  // NO_REASSIGNMENT_IN_PROGRESS
	ThrottlingQuotaExceeded      int16 = 89  // THROTTLING_QUOTA_EXCEEDED
	UnknownTopicID               int16 = 100 // UNKNOWN_TOPIC_ID
	BrokerIDNotRegistered        int16 = 102 // BROKER_ID_NOT_REGISTERED
	InconsistentTopicID          int16 = 103 // INCONSISTENT_TOPIC_ID
)

// Name is Kafka's name of an error code.
func Name(of int16) string {
	if c, ok := codes[of]; ok {
		return c.name
	}
	return "ERROR_" + strconv.Itoa(int(of))
}

// ClassOf is what a code means for whoever made the request; Internal when it is not known.
func ClassOf(of int16) Class { return codes[of].class }

// Retriable tells whether Kafka calls a code transient.
func Retriable(of int16) bool { return is(of, retriable) }

// LooksAnew tells whether a partition that an answer to Fetch has under a code is to be looked for anew.
func LooksAnew(of int16) bool { return is(of, refetch) }

// OfLeader tells whether a broker that was asked about a partition as its leader says by a code that another may answer, or itself later, as to
// ListOffsets (ReplicaManager.fetchOffset). They are those of Fetch, but for an offset that is not there: no leader has it.
func OfLeader(of int16) bool { return LooksAnew(of) && of != OffsetOutOfRange }

// OfSequence tells whether a broker says by a code that a sequence number does not follow what it knows of the producer.
func OfSequence(of int16) bool { return is(of, sequence) }

// IsOutdated tells whether a broker says that what was believed of who leads a partition is not so.
func IsOutdated(err error) bool { return is(CodeOf(err), outdated) }

// Permanent tells whether a refusal of a topic's create, change or deletion is one that no waiting mends. Too few brokers for the replicas is
// none of them: brokers come one after the other.
func Permanent(err error) bool { return is(CodeOf(err), permanent) }

// OfCoordinator tells whether a broker says by a code that it is not the coordinator of a group, or is still loading it.
func OfCoordinator(of int16) bool { return is(of, coordinator) }

// NotAppended tells whether a code in a broker's answer to Produce proves that it has not appended the batch.
func NotAppended(of int16) bool { return is(of, notAppended) }

// NotTruncated tells whether a code in a broker's answer to DeleteRecords proves that it has deleted nothing of the partition.
func NotTruncated(of int16) bool { return is(of, notTruncated) }

// StillOpen tells whether a code in a broker's answer to a write of topics, settings or offsets leaves open what becomes of it.
func StillOpen(of int16) bool { return is(of, stillOpen) }

// Unexplained tells whether an answer to a write says of some part of it neither that it was carried out nor why not: an error of the broker's
// own, which may have come at any point, a code that Kafka has learnt since, or an answer that leaves out what was asked for. The broker is done
// with it: what brokers have afterwards tells what became of it.
func Unexplained(err error) bool {
	var left *NotMentionedError
	return errors.As(err, &left) || slices.ContainsFunc(Refusals(err), func(e *Error) bool {
		_, known := codes[e.Code]
		return e.Code == UnknownServerError || !known
	})
}

func is(of int16, t trait) bool { return codes[of].traits&t != 0 }
