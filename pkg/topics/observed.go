package topics

import (
	"fmt"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
)

// Observed is what an object's status says of its topic.
type Observed struct {
	// TopicID is the topic's id, and ReplacementID that of another topic of its name that was found; both "" when there is none.
	TopicID, ReplacementID string
	Partitions, Replicas   int32
	// Missing says that the topic was found to be missing, or that nobody has seen it yet.
	Missing bool
}

// Changed tells whether what a snapshot of the brokers shows is not what was observed. It compares with the status and not with the
// spec: what is not as specified, and was told already, is no news.
func Changed(was Observed, have broker.Topic, found bool) bool {
	switch {
	case !found:
		return !was.Missing
	case was.Missing:
		return true
	}
	id := have.ID.String()
	if was.ReplacementID != "" {
		return id != was.ReplacementID
	}
	known := Known(have)
	return id != was.TopicID || known.Partitions != was.Partitions || known.Replicas != was.Replicas
}

// Mine tells whether a topic on the brokers is the one of an object: the one that it had, or the one that it is to adopt. An object
// that had none can take any (see Disagreements). Brokers before 2.8 give no ids; there the name is all there is.
func Mine(topicID, adoptTopicID string, have broker.Topic) bool {
	id := have.ID.String()
	return have.ID.IsZero() || topicID == "" || topicID == id || adoptTopicID == id
}

// Replaced says that another topic has the name of an object's topic, and how it would be taken over.
func Replaced(topicID string, have broker.Topic) string {
	return fmt.Sprintf("topic %s was deleted on the brokers and another made of the same name: its id was %s and is %s; "+
		"set spec.adoptTopicID to %[3]s to take it over", have.Name, topicID, have.ID)
}
