package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// overview is a broker's answer about all topics, counted. It is shared by all who asked: it is read only.
type overview struct {
	directory directory
	addr      string
	throttled time.Duration
	topics    map[string]TopicCounts
	hosts     map[int32]BrokerCounts
	// refused are the topics that are there and that the broker does not describe, or not so that it could be.
	refused map[string]refusedTopic
	// older are those of which more was heard before.
	older []string
}

// refusedTopic is a topic with its id, zero when that is not told, and why nothing else is known of it.
type refusedTopic struct {
	id  TopicID
	err error
}

func (o overview) throttle() time.Duration { return o.throttled }

// judgement is told of each topic while an answer of a cluster is read, and says whether more was heard of it before.
type judgement func(directory) (older func(TopicID, []partitionEpoch) bool)

// overviewOf is one Metadata request about all topics.
func overviewOf(judge judgement) request[overview] {
	return request[overview]{kafkaerr.OpListTopics, "", int16(kmsg.Metadata), laneMetadata, func(l *link) (overview, error) {
		return readOverview(l, judge)
	}}
}

// heeding judges by what was heard before, and remembers what is heard.
func (c *Cluster) heeding(asked time.Time) judgement {
	return func(d directory) func(TopicID, []partitionEpoch) bool {
		now := c.opts.Clock.Now()
		return func(id TopicID, partitions []partitionEpoch) bool {
			return c.views.older(asked, now, id, partitions, d.kraft)
		}
	}
}

// heedless believes what a broker says.
func heedless(directory) func(TopicID, []partitionEpoch) bool {
	return func(TopicID, []partitionEpoch) bool { return false }
}

// newestOverview asks for all topics until an answer is not older than what was heard before, as newestMetadata does.
func (c *Cluster) newestOverview(ctx context.Context) (overview, error) {
	for start := time.Now(); ; {
		asked := c.opts.Clock.Now()
		said, err := askAny(ctx, c, overviewOf(c.heeding(asked)))
		if err != nil {
			return overview{}, err
		}
		c.learn(said.directory)
		if len(said.older) == 0 {
			c.views.keep(asked, said.topics)
			return said, nil
		}
		if again, err := c.lookElsewhere(ctx, said.addr, start); err != nil {
			return overview{}, err
		} else if again {
			continue
		}
		for _, name := range said.older {
			said.refused[name] = refusedTopic{err: tooOld(name)}
		}
		return said, nil
	}
}
