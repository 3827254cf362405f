package records

import (
	"context"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/metadata"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// LookEvery is how often the brokers are asked about a topic that is read without an end: nothing else tells of partitions that are added, and
// leaders that are asked by a topic's name do not tell of another topic that has it now.
const LookEvery = 30 * time.Second

// look is what the brokers say of a topic while it is read.
type look struct {
	topic           metadata.Topic
	found, replaced bool
	err             error
}

func (r *reading) look(ctx context.Context, topic metadata.Topic) *look {
	asking, asked := r.c.Begin(ctx)
	defer asked()
	now, found, replaced, err := r.c.TopicAgain(asking, topic)
	return &look{now, found, replaced, err}
}

// looked begins with the partitions that a look has found new, and returns how many they are and when to look next. A look that fails tells
// nothing; brokers that are away are noticed by who reads from them.
func (r *reading) looked(ctx context.Context, l *look) (added int, pause time.Duration, err error) {
	switch {
	case l.err != nil:
		return 0, r.c.Opts.LookEvery, nil
	case !l.found:
		// A broker that has just begun may not know yet: two looks have to find the same.
		if r.gone++; r.gone > 1 {
			return 0, 0, r.goneError(l.replaced)
		}
		return 0, readPause, nil
	}
	r.gone, r.topic.ID = 0, l.topic.ID
	var fresh []*position
	for _, p := range l.topic.Partitions {
		if r.what.Added && !r.known[p.ID] {
			r.known[p.ID] = true
			fresh = append(fresh, newPosition(p.ID, 0))
		}
	}
	if len(fresh) > 0 {
		r.assign(ctx, l.topic, fresh)
	}
	return len(fresh), r.c.Opts.LookEvery, nil
}

// goneError is the end of a reading whose topic is not there any more.
func (r *reading) goneError(replaced bool) error {
	text := "the topic was deleted while it was read"
	if replaced {
		text += ", and another one has its name"
	}
	return kafkaerr.New(kafkaerr.OpRead, r.topic.Name, kafkaerr.UnknownTopicOrPartition, &text, 0)
}
