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
func Changed(was Observed, have broker.TopicCounts, found bool) bool {
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
	return id != was.TopicID || have.Partitions != was.Partitions || have.Replicas != was.Replicas
}

// Mine tells whether a topic on the brokers is the one of an object: the one that it had, or the one that it is to adopt. An object
// that had none can take any (see Disagreements), unless it says which. Brokers before 2.8 give no ids; there the name is all there is.
func Mine(topicID, adoptTopicID string, have broker.TopicID) bool {
	id := have.String()
	switch {
	case adoptTopicID != "" && adoptTopicID == id:
		return true
	case topicID == "":
		return adoptTopicID == ""
	}
	return have.IsZero() || topicID == id
}

// Recorded tells whether a topic on the brokers is the one that a status has recorded: by its id, or where brokers give none by the numbers
// that it had.
func Recorded(topicID string, partitions int32, have broker.TopicID) bool {
	if topicID == "" {
		return have.IsZero() && partitions > 0
	}
	return Mine(topicID, "", have)
}

// NotThere says that an object is to take over a topic with an id, and has none yet, but no topic of its name has that id; have is the topic
// of the name, if there is one.
func NotThere(name, adoptTopicID string, have *broker.Topic) string {
	if have == nil {
		return fmt.Sprintf("the brokers have no topic %s, and none is made in the place of the one with id %s that is to be taken over; leave spec.adoptTopicID out to have one made",
			name, adoptTopicID)
	}
	return fmt.Sprintf("topic %s on the brokers has id %s, and not %s; set spec.adoptTopicID to %[2]s to take it over", name, have.ID, adoptTopicID)
}

// Another says that another topic has the name of an object's topic. It may have been made in the place of that one, or be of another
// cluster than the Kafka stood for before.
func Another(topicID string, have broker.Topic) string {
	return fmt.Sprintf("topic %s on the brokers is another than the object had: its id was %s and is %s", have.Name, topicID, have.ID)
}

// Replaced is Another with how that topic would be taken over.
func Replaced(topicID string, have broker.Topic) string {
	return fmt.Sprintf("%s; set spec.adoptTopicID to %s to take it over", Another(topicID, have), have.ID)
}
