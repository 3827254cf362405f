package render

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

// QuorumIDs are the node ids that vote in a new cluster. In a combined cluster they are the first one or three brokers, whatever
// becomes of the number of brokers later: brokers come and go, an even quorum tolerates no more than the odd one below it.
func QuorumIDs(spec *v1beta1.KafkaSpec) []int32 {
	var ids []int32
	switch Mode(spec) {
	case v1beta1.ModeDedicated:
		for ordinal := range deref(spec.Controllers.Replicas, defaultReplicas) {
			ids = append(ids, FirstControllerID+ordinal)
		}
	case v1beta1.ModeCombined:
		ids = []int32{0}
		if deref(spec.Brokers.Replicas, defaultReplicas) >= 3 {
			ids = []int32{0, 1, 2}
		}
	}
	return ids
}

// FormatQuorum writes a quorum as "id:directory,…".
func FormatQuorum(quorum []v1beta1.QuorumVoter) string {
	parts := make([]string, 0, len(quorum))
	for _, voter := range quorum {
		parts = append(parts, fmt.Sprintf("%d:%s", voter.ID, voter.DirectoryID))
	}
	return strings.Join(parts, ",")
}

// ParseQuorum reads what FormatQuorum writes; "" is no quorum. It is strict: the result ends up in a start script, and claims are
// annotated by whoever may.
func ParseQuorum(s string) ([]v1beta1.QuorumVoter, error) {
	if s == "" {
		return nil, nil
	}
	var quorum []v1beta1.QuorumVoter
	for _, part := range strings.Split(s, ",") {
		id, directory, _ := strings.Cut(part, ":")
		number, err := strconv.ParseInt(id, 10, 32)
		if err != nil || number < 0 || !ValidID(directory) {
			return nil, fmt.Errorf("parse quorum: %q is not <node id>:<directory id>", part)
		}
		quorum = append(quorum, v1beta1.QuorumVoter{ID: int32(number), DirectoryID: directory})
	}
	return quorum, nil
}

// ValidID tells whether s has the form of Kafka's own ids: 16 bytes as base64url without padding, 22 characters.
func ValidID(s string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(s)
	return err == nil && len(raw) == 16
}

// FormatIDs writes node ids as "0,1,2".
func FormatIDs(ids []int32) string {
	parts := make([]string, 0, len(ids))
	for _, id := range ids {
		parts = append(parts, strconv.Itoa(int(id)))
	}
	return strings.Join(parts, ",")
}

// voterAddress is host:port of a voter's controller listener.
func voterAddress(kafka *v1beta1.Kafka, id int32) string {
	role, ordinal := Broker, id
	if Mode(&kafka.Spec) == v1beta1.ModeDedicated {
		role, ordinal = Controller, id-FirstControllerID
	}
	return fmt.Sprintf("%s:%d", PodHost(kafka.Namespace, kafka.Name, role, ordinal), ControllerPort)
}

// bootstrapControllers is the value of controller.quorum.bootstrap.servers.
func bootstrapControllers(kafka *v1beta1.Kafka, quorum []v1beta1.QuorumVoter) string {
	parts := make([]string, 0, len(quorum))
	for _, voter := range quorum {
		parts = append(parts, voterAddress(kafka, voter.ID))
	}
	return strings.Join(parts, ",")
}

// initialControllers is the value of StorageTool's --initial-controllers.
func initialControllers(kafka *v1beta1.Kafka, quorum []v1beta1.QuorumVoter) string {
	parts := make([]string, 0, len(quorum))
	for _, voter := range quorum {
		parts = append(parts, fmt.Sprintf("%d@%s:%s", voter.ID, voterAddress(kafka, voter.ID), voter.DirectoryID))
	}
	return strings.Join(parts, ",")
}

func voterIDs(quorum []v1beta1.QuorumVoter) []int32 {
	ids := make([]int32, 0, len(quorum))
	for _, voter := range quorum {
		ids = append(ids, voter.ID)
	}
	return ids
}

func deref[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
