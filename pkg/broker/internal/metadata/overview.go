package metadata

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// overview is a broker's answer about all topics, counted. It is shared by all who asked: it is read only.
type overview struct {
	directory transport.Directory
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

func (o overview) Throttle() time.Duration { return o.throttled }

// judgement is told of each topic while an answer of a cluster is read, and says whether more was heard of it before.
type judgement func(transport.Directory) (older func(TopicID, []partitionEpoch) bool)

// overviewOf is one Metadata request about all topics.
func overviewOf(judge judgement) transport.Request[overview] {
	return transport.Request[overview]{Op: kafkaerr.OpListTopics, Object: "", Key: int16(kmsg.Metadata), Lane: wire.LaneMetadata, Send: func(l *wire.Link) (overview, error) {
		return readOverview(l, judge)
	}}
}

// heeding judges by what was heard before, and remembers what is heard.
func (c *Metadata) heeding(asked time.Time) judgement {
	return func(d transport.Directory) func(TopicID, []partitionEpoch) bool {
		now := c.Opts.Clock.Now()
		return func(id TopicID, partitions []partitionEpoch) bool {
			return c.views.older(asked, now, id, partitions, d.Kraft)
		}
	}
}

// heedless believes what a broker says.
func heedless(transport.Directory) func(TopicID, []partitionEpoch) bool {
	return func(TopicID, []partitionEpoch) bool { return false }
}

// newestOverview asks for all topics until an answer is not older than what was heard before, as newestMetadata does.
func (c *Metadata) newestOverview(ctx context.Context) (overview, error) {
	for start := time.Now(); ; {
		asked := c.Opts.Clock.Now()
		said, err := transport.AskAny(ctx, c.Cluster, overviewOf(c.heeding(asked)))
		if err != nil {
			return overview{}, err
		}
		if len(said.older) == 0 {
			c.Learn(said.directory)
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
