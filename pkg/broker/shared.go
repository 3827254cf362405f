package broker

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// shared are a cluster's batchers, one for each kind of call.
type shared struct {
	topics           *batcher[[]string, *metadataAnswer]
	controllerTopics *batcher[[]string, *metadataAnswer]
	topicByID        *batcher[TopicID, topicByID]
	configs          *batcher[[]string, *configsAnswer]
	reassignments    *batcher[[]Topic, map[string]map[int32]Reassignment]
	offsets          batchers[offsetsTarget, offsetsQuestion, offsetsAnswer]
	logDirs          batchers[int32, map[string][]int32, *logDirsAnswer]

	// Requests that only validate are other requests: Kafka has one flag for all that a request names.
	create, validateCreate *batcher[creation, CreatedTopic]
	grow, validateGrow     *batcher[growth, struct{}]
	alter, validateAlter   *batcher[alteration, struct{}]
	delete                 *batcher[TopicID, struct{}]
}

const (
	// maxRecords bounds the metadata records that one request makes: a KRaft controller refuses more than 10,000 at once.
	maxRecords = 9000
	// maxWrites bounds the topics that one request writes, so that those at its head do not wait long for those at its tail. In
	// ZooKeeper mode a controller takes tens of milliseconds for each.
	maxWrites, maxZooKeeperWrites = 250, 100
	// sideBySide is how many requests of a kind may be in flight when those before are late.
	sideBySide = 3
)

func newShared(c *Cluster) *shared {
	byName := func(k kmsg.Key, width int) batchRules[[]string] {
		return batchRules[[]string]{api: k.Name(), width: width, maxWeight: maxNames, weigh: func(names []string) int { return len(names) }}
	}
	s := &shared{
		topics:           newBatcher(c, byName(kmsg.Metadata, sideBySide), c.askTopics),
		controllerTopics: newBatcher(c, byName(kmsg.Metadata, 1), c.askControllerForTopics),
		topicByID:        newBatcher(c, batchRules[TopicID]{api: kmsg.Metadata.Name(), width: sideBySide, maxCalls: func() int { return maxNames }}, c.askTopicsByID),
		configs:          newBatcher(c, byName(kmsg.DescribeConfigs, sideBySide), c.askConfigs),
		reassignments:    newBatcher(c, reassignmentRules, c.askReassignments),
		delete:           newBatcher(c, atMost(deleteRules, c.maxWrites), toController(c, c.deleteTopics)),
	}
	s.configs.maxWeight = maxConfigTopics
	s.offsets.build = func(target offsetsTarget) *batcher[offsetsQuestion, offsetsAnswer] {
		return newBatcher(c, offsetsRules, c.askLeader(target))
	}
	s.logDirs.build = func(id int32) *batcher[map[string][]int32, *logDirsAnswer] {
		return newBatcher(c, logDirsRules, c.askBrokerLogDirs(id))
	}
	for _, validateOnly := range []bool{false, true} {
		create := newBatcher(c, atMost(createRules, c.maxWrites), toController(c, c.createTopics(validateOnly)))
		grow := newBatcher(c, atMost(growRules, c.maxWrites), toController(c, c.createPartitions(validateOnly)))
		alter := newBatcher(c, atMost(alterRules, c.maxWrites), toController(c, c.alterTopicConfigs(validateOnly)))
		if validateOnly {
			s.validateCreate, s.validateGrow, s.validateAlter = create, grow, alter
		} else {
			s.create, s.grow, s.alter = create, grow, alter
		}
	}
	return s
}

// atMost bounds the calls of one request.
func atMost[Q any](rules batchRules[Q], calls func() int) batchRules[Q] {
	rules.maxCalls = calls
	return rules
}

func (c *Cluster) maxWrites() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dir != nil && c.dir.zookeeper {
		return maxZooKeeperWrites
	}
	return maxWrites
}

func newBatcher[Q, A any](c *Cluster, rules batchRules[Q], send func(context.Context, []*call[Q, A]) error) *batcher[Q, A] {
	return &batcher[Q, A]{batchRules: rules, life: c.life, send: send}
}

// share asks in a batch, and gives a failure the form that this caller sees.
func share[Q, A any](ctx context.Context, c *Cluster, b *batcher[Q, A], op, object string, query Q) (A, error) {
	value, err := b.submit(ctx, query).wait(ctx)
	return value, c.ownFailure(ctx, op, object, err)
}

// shareWrite is share for a write. It leaves time to look at the brokers when the outcome is unknown, also when this caller gives up
// before the others: the error then satisfies errors.Is(err, errSent).
func shareWrite[Q, A any](ctx context.Context, c *Cluster, b *batcher[Q, A], op, object string, query Q) (A, error) {
	window, cancel, _ := writeWindow(ctx)
	defer cancel()
	value, err := b.submit(window, query).wait(window)
	var left *leftError
	if errors.As(err, &left) && left.taken {
		return value, fmt.Errorf("%w: %w", errSent, c.failed(window, op, object, left.cause))
	}
	return value, c.ownFailure(window, op, object, err)
}

// ownFailure words the failure of a request that was shared for one of its callers.
func (c *Cluster) ownFailure(ctx context.Context, op, object string, err error) error {
	var refusal *kafkaerr.Error
	switch {
	case err == nil, errors.Is(err, errSent):
		return err
	case errors.As(err, &refusal), kafkaerr.IsUnreachable(err), ctx.Err() != nil:
		return c.failed(ctx, op, object, err)
	}
	return err
}

// answer is what a write came to.
type answer[A any] struct {
	value A
	err   error
}

// toController makes a batch's send function of one that sends a single request to the controller and has an answer for each query,
// in order. Those, and only those, that were refused with NOT_CONTROLLER are sent again, to the new one. A request that is refused
// as a whole because it is too large is sent in halves: only the controller knows how many partitions its defaults mean.
func toController[Q, A any](c *Cluster, once func(context.Context, []Q) ([]answer[A], error)) func(context.Context, []*call[Q, A]) error {
	var send func(context.Context, []*call[Q, A]) error
	send = func(ctx context.Context, calls []*call[Q, A]) error {
		queries := make([]Q, len(calls))
		for i, k := range calls {
			queries[i] = k.query
		}
		answers, err := once(ctx, queries)
		if err != nil {
			return err
		}
		tooLarge := len(calls) > 1
		for _, a := range answers {
			tooLarge = tooLarge && kafkaerr.MakesTooMuch(a.err)
		}
		if tooLarge {
			for _, half := range [][]*call[Q, A]{calls[:len(calls)/2], calls[len(calls)/2:]} {
				if err := send(ctx, half); err != nil {
					refuse(half, err)
				}
			}
			return nil
		}
		var again []*call[Q, A]
		for i, a := range answers {
			if kafkaerr.CodeOf(a.err) == kafkaerr.NotController && len(calls) > 1 {
				again = append(again, calls[i])
			} else {
				calls[i].answer(a.value, a.err)
			}
		}
		if len(again) == 0 {
			return nil
		}
		if _, err := c.directory(ctx, true); err != nil {
			return err
		}
		return send(ctx, again)
	}
	return send
}
