package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// CreateTopic creates a topic, or with validateOnly asks the brokers whether they would. A refusal has the broker's own words. When
// the answer is lost, a topic of that name with the partitions, replicas and settings asked for counts as created if brokers were seen
// without it a moment before the request was sent, or after. Otherwise, or when it has held a record, somebody else may have made it: then
// the outcome is unknown.
func (c *Cluster) CreateTopic(ctx context.Context, topic NewTopic, validateOnly bool) (CreatedTopic, error) {
	ctx, done := c.begin(ctx)
	defer done()
	const op = kafkaerr.OpCreateTopic
	if err := c.checkAssignments(ctx, op, topic.Name, topic.Assignments); err != nil {
		return CreatedTopic{}, err
	}
	create := creation{topic, &absence{name: topic.Name}}
	if validateOnly {
		would, err := share(ctx, c, c.shared.validateCreate, op, topic.Name, create)
		return would, c.waitsForBrokers(ctx, op, topic.Name, topic.replicas(), err)
	}
	before, others := c.LastSnapshot(), false
	result, err := shareWrite(ctx, c, c.shared.create, op, topic.Name, create)
	lost := err
	err = c.confirm(ctx, op, topic.Name, c.waitsForBrokers(ctx, op, topic.Name, topic.replicas(), err), func(ctx context.Context) (bool, error) {
		have, found, err := c.topicNow(ctx, topic.Name)
		if err != nil || !found {
			if err == nil {
				create.absence.note()
			}
			return false, err
		}
		var ok bool
		result, ok, err = c.asWanted(ctx, topic, have)
		if ok && before.has(topic.Name, result.ID) {
			text := "a topic of that name exists, and did before this create"
			return false, kafkaerr.New(op, topic.Name, kafkaerr.TopicAlreadyExists, &text, 0)
		}
		others = ok && !create.absence.before(c.LastSnapshot(), result.ID)
		return ok, err
	})
	if others {
		err = &kafkaerr.UnknownOutcomeError{Op: op, Object: topic.Name, Err: fmt.Errorf("%w; afterwards: a topic of that name exists, which may have been there before", lost)}
	}
	var unknown *kafkaerr.UnknownOutcomeError
	if errors.As(err, &unknown) {
		unknown.Absent = create.absence.before(c.LastSnapshot(), TopicID{})
	}
	if err == nil {
		c.expected.created(c.opts.Clock.Now(), c.settleTime(), topic.Name, result.ID, max(1, int(result.Partitions)))
	}
	c.outdated(err)
	if err != nil {
		return CreatedTopic{}, err
	}
	return result, nil
}

// replicas is how many replicas a topic is to have; less than 1 for the brokers' default.
func (t NewTopic) replicas() int {
	if len(t.Assignments) > 0 {
		return len(t.Assignments[0])
	}
	return int(t.Replicas)
}

// creation is a topic to create.
type creation struct {
	NewTopic
	absence *absence
}

// absence tells whether brokers were seen without a topic, a moment before the request for it was sent or after. What was seen earlier says
// nothing: others may have made one since.
type absence struct {
	name string

	mu   sync.Mutex
	sent time.Time
	seen bool
}

// sending notes that the request is about to be sent, and what was seen last.
func (a *absence) sending(last *Snapshot, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sent, a.seen = now, last.lacks(a.name, now)
}

// note notes that brokers were asked after the request was sent, and did not have the topic.
func (a *absence) note() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen = true
}

// before tells it of the topic that has the name by now, zero for none. last is the newest that was seen: others may have looked since the
// request was sent.
func (a *absence) before(last *Snapshot, have TopicID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.sent.IsZero() {
		a.seen = a.seen || last.lacks(a.name, a.sent) || last.hadAnother(a.name, have, a.sent)
	}
	return a.seen
}

var createRules = batchRules[creation]{
	api: kmsg.CreateTopics.Name(), width: sideBySide, maxWeight: maxRecords,
	// A KRaft controller compares names that differ in . and _ only with the topics that exist, not with each other: of two in one
	// request it would create both.
	key: func(t creation) string { return strings.ReplaceAll(t.Name, ".", "_") },
	weigh: func(t creation) int {
		return 1 + max(1, int(t.Partitions), len(t.Assignments)) + len(t.Config)
	},
}

// createTopics sends one CreateTopics request.
func (c *Cluster) createTopics(validateOnly bool) func(context.Context, []creation) ([]answer[CreatedTopic], error) {
	const op = kafkaerr.OpCreateTopic
	return func(ctx context.Context, topics []creation) ([]answer[CreatedTopic], error) {
		details := make(map[string]*sarama.TopicDetail, len(topics))
		for _, t := range topics {
			details[t.Name] = topicDetail(t.NewTopic)
		}
		timeout := brokerTimeout(ctx)
		resp, err := askController(ctx, c, validateOnly, request[*sarama.CreateTopicsResponse]{op, "", int16(kmsg.CreateTopics), laneControl,
			bySarama(func() *sarama.CreateTopicsRequest {
				seen, now := c.LastSnapshot(), c.opts.Clock.Now()
				for _, t := range topics {
					t.absence.sending(seen, now)
				}
				return sarama.NewCreateTopicsRequest(sarama.MaxVersion, details, timeout, validateOnly)
			}, (*sarama.Broker).CreateTopics)},
			func(r *sarama.CreateTopicsResponse) []int16 {
				return codesOf(slices.Collect(maps.Values(r.TopicErrors)), func(e *sarama.TopicError) int16 { return int16(e.Err) })
			})
		if err != nil {
			return nil, err
		}
		answers := make([]answer[CreatedTopic], len(topics))
		for i, t := range topics {
			e, ok := resp.TopicErrors[t.Name]
			switch {
			case !ok:
				answers[i].err = &kafkaerr.NotMentionedError{Op: op, Object: t.Name}
			case e.Err != sarama.ErrNoError:
				answers[i].err = kafkaerr.New(op, t.Name, int16(e.Err), e.ErrMsg, resp.ThrottleTime)
			default:
				answers[i].value = createdTopic(resp.TopicResults[t.Name])
			}
		}
		return answers, nil
	}
}

// checkAssignments refuses replicas on brokers that do not live, in ZooKeeper mode: there a controller accepts a topic with any broker
// ids, even for validateOnly, and the partitions are offline from the start (seen on 3.9.2).
func (c *Cluster) checkAssignments(ctx context.Context, op, object string, assignments [][]int32) error {
	if len(assignments) == 0 {
		return nil
	}
	d, err := c.directory(ctx, false)
	if err != nil || !d.zookeeper {
		return err
	}
	if d, err = c.directory(ctx, true); err != nil {
		return err
	}
	for _, replicas := range assignments {
		for _, id := range replicas {
			if _, alive := d.brokers[id]; !alive {
				text := fmt.Sprintf("the replica assignment names broker %d, which is not alive", id)
				return kafkaerr.New(op, object, kafkaerr.InvalidReplicaAssignment, &text, 0)
			}
		}
	}
	return nil
}

func topicDetail(t NewTopic) *sarama.TopicDetail {
	d := &sarama.TopicDetail{NumPartitions: t.Partitions, ReplicationFactor: t.Replicas, ConfigEntries: make(map[string]*string, len(t.Config))}
	for name, value := range t.Config {
		d.ConfigEntries[name] = &value
	}
	if len(t.Assignments) > 0 {
		// Kafka wants both numbers unset then.
		d.NumPartitions, d.ReplicationFactor = -1, -1
		d.ReplicaAssignment = make(map[int32][]int32, len(t.Assignments))
		for i, replicas := range t.Assignments {
			d.ReplicaAssignment[int32(i)] = replicas
		}
	}
	return d
}

func createdTopic(r *sarama.CreatableTopicResult) CreatedTopic {
	if r == nil {
		return CreatedTopic{Partitions: -1, Replicas: -1}
	}
	created := CreatedTopic{ID: TopicID(r.TopicID), Partitions: r.NumPartitions, Replicas: r.ReplicationFactor}
	for _, name := range slices.Sorted(maps.Keys(r.Configs)) {
		entry := r.Configs[name]
		e := ConfigEntry{Name: name, Null: entry.Value == nil, Source: ConfigSource(entry.ConfigSource), ReadOnly: entry.ReadOnly, Sensitive: entry.IsSensitive}
		if entry.Value != nil {
			e.Value = *entry.Value
		}
		e.Default = e.Source == SourceDefault
		created.Config = append(created.Config, e)
	}
	return created
}

// asWanted looks whether a topic is what was asked for, and nothing else yet. That it is something else is an *kafkaerr.Error.
func (c *Cluster) asWanted(ctx context.Context, want NewTopic, t Topic) (CreatedTopic, bool, error) {
	configs, err := c.topicConfigs(ctx, []string{want.Name})
	if err != nil {
		if kafkaerr.CodeOf(err) == kafkaerr.UnknownTopicOrPartition {
			return CreatedTopic{}, false, nil
		}
		return CreatedTopic{}, false, err
	}
	if diff := difference(want, t, configs[want.Name]); diff != "" {
		text := "a topic of that name exists, " + diff
		return CreatedTopic{}, false, kafkaerr.New(kafkaerr.OpCreateTopic, want.Name, kafkaerr.TopicAlreadyExists, &text, 0)
	}
	fresh, err := c.neverUsed(ctx, t)
	if kafkaerr.CodeOf(err) != 0 {
		// A leader that is being elected will say.
		err = nil
	}
	if err != nil || !fresh {
		return CreatedTopic{}, false, err
	}
	return CreatedTopic{ID: t.ID, Partitions: int32(len(t.Partitions)), Replicas: int16(t.ReplicationFactor()), Config: configs[want.Name]}, true, nil
}

// difference tells in words how a topic is not what was asked for; "" when it is.
func difference(want NewTopic, got Topic, config []ConfigEntry) string {
	partitions, replicas := int(want.Partitions), int(want.Replicas)
	if len(want.Assignments) > 0 {
		partitions, replicas = len(want.Assignments), len(want.Assignments[0])
	}
	switch {
	case partitions >= 0 && len(got.Partitions) != partitions:
		return fmt.Sprintf("with %d partitions", len(got.Partitions))
	case replicas >= 0 && got.ReplicationFactor() != replicas:
		return fmt.Sprintf("with %d replicas", got.ReplicationFactor())
	}
	for i, assigned := range want.Assignments {
		if !slices.Equal(got.Partitions[i].Replicas, assigned) {
			return fmt.Sprintf("with partition %d on %v", i, got.Partitions[i].Replicas)
		}
	}
	set := topicValues(config)
	for _, name := range slices.Sorted(maps.Keys(want.Config)) {
		value := want.Config[name]
		if !sameValue(set, name, &value) {
			return fmt.Sprintf("with %s=%q", name, set[name])
		}
	}
	return ""
}

func objects(names []string) string {
	if len(names) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), len(names)-3)
	}
	return strings.Join(names, ", ")
}

// CreatePartitions grows a topic to total partitions; assignments, when given, are the replica lists of the new ones only. A
// topic that has exactly total partitions already is a success. A topic that is being reassigned is refused with
// REASSIGNMENT_IN_PROGRESS, because a KRaft controller would take the number of replicas from a list that is in flux.
func (c *Cluster) CreatePartitions(ctx context.Context, topic string, total int32, assignments [][]int32, validateOnly bool) error {
	ctx, done := c.begin(ctx)
	defer done()
	const op = kafkaerr.OpCreatePartitions
	before, err := c.reassignableTopic(ctx, op, topic)
	if err != nil {
		return err
	}
	if len(before.Partitions) == int(total) && len(assignments) == 0 {
		return nil
	}
	moving, err := c.reassignmentsOf(ctx, before)
	if err != nil {
		return err
	}
	if len(moving[topic]) > 0 {
		text := fmt.Sprintf("%d partitions of the topic are being reassigned; more can be added when that has ended", len(moving[topic]))
		return kafkaerr.New(op, topic, kafkaerr.ReassignmentInProgress, &text, 0)
	}
	if err := c.checkAssignments(ctx, op, topic, assignments); err != nil {
		return err
	}
	grow := growth{topic, total, max(1, int(total)-len(before.Partitions)), assignments}
	if validateOnly {
		_, err = share(ctx, c, c.shared.validateGrow, op, topic, grow)
	} else {
		_, err = shareWrite(ctx, c, c.shared.grow, op, topic, grow)
	}
	if kafkaerr.CodeOf(err) == kafkaerr.InvalidPartitions && len(before.Partitions) < int(total) {
		// Somebody was faster: the controller says that there are as many, or more. Other brokers may not have heard of them yet.
		c.expected.created(c.opts.Clock.Now(), c.settleTime(), topic, before.ID, int(total))
		if t, ok, lookErr := c.topicNow(ctx, topic); lookErr == nil && ok && grow.doneIn(t) {
			return nil
		}
	}
	err = c.waitsForBrokers(ctx, op, topic, before.ReplicationFactor(), err)
	if validateOnly {
		return err
	}
	err = c.confirm(ctx, op, topic, err, func(ctx context.Context) (bool, error) {
		t, ok, err := c.topicNow(ctx, topic)
		return ok && grow.doneIn(t), err
	})
	if err == nil {
		c.expected.created(c.opts.Clock.Now(), c.settleTime(), topic, before.ID, int(total))
	}
	c.outdated(err)
	return err
}

// growth is a topic's new number of partitions.
type growth struct {
	topic       string
	total       int32
	added       int
	assignments [][]int32
}

// doneIn tells whether a topic has as many partitions as are wanted, the new ones on the replicas that were asked for.
func (g growth) doneIn(t Topic) bool {
	if len(t.Partitions) != int(g.total) {
		return false
	}
	first := int(g.total) - len(g.assignments)
	for _, p := range t.Partitions {
		if at := int(p.ID) - first; at >= 0 && at < len(g.assignments) && !slices.Equal(p.Replicas, g.assignments[at]) {
			return false
		}
	}
	return true
}

var growRules = batchRules[growth]{
	api: kmsg.CreatePartitions.Name(), width: sideBySide, maxWeight: maxRecords,
	key:   func(g growth) string { return g.topic },
	weigh: func(g growth) int { return g.added },
}

// createPartitions sends one CreatePartitions request.
func (c *Cluster) createPartitions(validateOnly bool) func(context.Context, []growth) ([]answer[struct{}], error) {
	const op = kafkaerr.OpCreatePartitions
	return func(ctx context.Context, topics []growth) ([]answer[struct{}], error) {
		wanted := make(map[string]*sarama.TopicPartition, len(topics))
		for _, g := range topics {
			wanted[g.topic] = &sarama.TopicPartition{Count: g.total, Assignment: g.assignments}
		}
		timeout := brokerTimeout(ctx)
		resp, err := askController(ctx, c, validateOnly, request[*sarama.CreatePartitionsResponse]{op, "", int16(kmsg.CreatePartitions), laneControl,
			bySarama(func() *sarama.CreatePartitionsRequest {
				return &sarama.CreatePartitionsRequest{Version: createPartitionsVersion, TopicPartitions: wanted, Timeout: timeout, ValidateOnly: validateOnly}
			}, (*sarama.Broker).CreatePartitions)},
			func(r *sarama.CreatePartitionsResponse) []int16 {
				return codesOf(slices.Collect(maps.Values(r.TopicPartitionErrors)), func(e *sarama.TopicPartitionError) int16 { return int16(e.Err) })
			})
		if err != nil {
			return nil, err
		}
		answers := make([]answer[struct{}], len(topics))
		for i, g := range topics {
			e, ok := resp.TopicPartitionErrors[g.topic]
			switch {
			case !ok:
				answers[i].err = &kafkaerr.NotMentionedError{Op: op, Object: g.topic}
			case e.Err != sarama.ErrNoError:
				answers[i].err = kafkaerr.New(op, g.topic, int16(e.Err), e.ErrMsg, resp.ThrottleTime)
			}
		}
		return answers, nil
	}
}

// createPartitionsVersion is the first that tells a controller's quota error (KIP-599).
const createPartitionsVersion = 3

// topicNow is Topic inside another call.
func (c *Cluster) topicNow(ctx context.Context, name string) (Topic, bool, error) {
	topics, err := c.topics(ctx, []string{name})
	t, ok := topics[name]
	return t, ok, err
}

// reassignableTopic is a topic that must exist.
func (c *Cluster) reassignableTopic(ctx context.Context, op, name string) (Topic, error) {
	t, ok, err := c.topicNow(ctx, name)
	if err == nil && !ok {
		text := "there is no such topic on the brokers"
		err = kafkaerr.New(op, name, kafkaerr.UnknownTopicOrPartition, &text, 0)
	}
	return t, err
}
