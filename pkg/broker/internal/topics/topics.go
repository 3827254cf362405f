package topics

import (
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/metadata"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/offsets"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
)

// Topics creates topics, changes and deletes them.
type Topics struct {
	*metadata.Metadata
	offsets *offsets.Offsets

	Moving *transport.Batcher[[]metadata.Topic, map[string]map[int32]Reassignment]
	// Requests that only validate are other requests: Kafka has one flag for all that a request names.
	Create, ValidateCreate *transport.Batcher[creation, CreatedTopic]
	Grow, validateGrow     *transport.Batcher[growth, struct{}]
	Alter, ValidateAlter   *transport.Batcher[alteration, struct{}]
	Delete                 *transport.Batcher[metadata.TopicID, struct{}]
}

func New(o *offsets.Offsets) *Topics {
	c := &Topics{Metadata: o.Metadata, offsets: o}
	c.Moving = transport.NewBatcher(c.Cluster, reassignmentRules, c.askReassignments)
	c.Delete = transport.NewBatcher(c.Cluster, transport.AtMost(deleteRules, c.MaxWrites), transport.ToController(c.Cluster, c.deleteTopics))
	for _, validateOnly := range []bool{false, true} {
		create := transport.NewBatcher(c.Cluster, transport.AtMost(createRules, c.MaxWrites), transport.ToController(c.Cluster, c.createTopics(validateOnly)))
		grow := transport.NewBatcher(c.Cluster, transport.AtMost(growRules, c.MaxWrites), transport.ToController(c.Cluster, c.createPartitions(validateOnly)))
		alter := transport.NewBatcher(c.Cluster, transport.AtMost(alterRules, c.MaxWrites), transport.ToController(c.Cluster, c.alterTopicConfigs(validateOnly)))
		if validateOnly {
			c.ValidateCreate, c.validateGrow, c.ValidateAlter = create, grow, alter
		} else {
			c.Create, c.Grow, c.Alter = create, grow, alter
		}
	}
	c.ControllerHas = c.controllerHas
	return c
}
