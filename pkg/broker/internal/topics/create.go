package topics

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

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/metadata"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/plural"
)

// CreateTopic is that of broker.Cluster.
func (c *Topics) CreateTopic(ctx context.Context, topic NewTopic, validateOnly bool) (CreatedTopic, error) {
	ctx, done := c.Begin(ctx)
	defer done()
	const op = kafkaerr.OpCreateTopic
	if err := c.checkAssignments(ctx, op, topic.Name, topic.Assignments); err != nil {
		return CreatedTopic{}, err
	}
	create := creation{topic, &absence{name: topic.Name}}
	if validateOnly {
		would, err := transport.Share(ctx, c.Cluster, c.ValidateCreate, op, topic.Name, create)
		return would, c.waitsForBrokers(ctx, op, topic.Name, topic.replicas(), err)
	}
	before, others := c.LastSnapshot(), false
	result, err := transport.ShareWrite(ctx, c.Cluster, c.Create, op, topic.Name, create)
	lost := err
	err = c.Confirm(ctx, op, topic.Name, c.waitsForBrokers(ctx, op, topic.Name, topic.replicas(), err), func(ctx context.Context) (bool, error) {
		have, found, err := c.TopicNow(ctx, topic.Name)
		if err != nil || !found {
			if err == nil {
				create.absence.note()
			}
			return false, err
		}
		var ok bool
		result, ok, err = c.asWanted(ctx, topic, have)
		if ok && before.Has(topic.Name, result.ID) {
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
		unknown.Absent = create.absence.before(c.LastSnapshot(), metadata.TopicID{})
	}
	if err == nil {
		c.Expected.Created(c.Opts.Clock.Now(), c.SettleTime(), topic.Name, result.ID, max(1, int(result.Partitions)))
	}
	c.Outdated(err)
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
func (a *absence) sending(last *metadata.Snapshot, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sent, a.seen = now, last.Lacks(a.name, now)
}

// note notes that brokers were asked after the request was sent, and did not have the topic.
func (a *absence) note() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen = true
}

// before tells it of the topic that has the name by now, zero for none. last is the newest that was seen: others may have looked since the
// request was sent.
func (a *absence) before(last *metadata.Snapshot, have metadata.TopicID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.sent.IsZero() {
		a.seen = a.seen || last.Lacks(a.name, a.sent) || last.HadAnother(a.name, have, a.sent)
	}
	return a.seen
}

var createRules = transport.BatchRules[creation]{
	API: kmsg.CreateTopics.Name(), Width: transport.SideBySide, MaxWeight: transport.MaxRecords,
	// A KRaft controller compares names that differ in . and _ only with the topics that exist, not with each other: of two in one
	// request it would create both.
	Key: func(t creation) string { return strings.ReplaceAll(t.Name, ".", "_") },
	Weigh: func(t creation) int {
		return 1 + max(1, int(t.Partitions), len(t.Assignments)) + len(t.Config)
	},
}

// createTopics sends one CreateTopics request.
func (c *Topics) createTopics(validateOnly bool) func(context.Context, []creation) ([]transport.Answer[CreatedTopic], error) {
	const op = kafkaerr.OpCreateTopic
	return func(ctx context.Context, topics []creation) ([]transport.Answer[CreatedTopic], error) {
		details := make(map[string]*sarama.TopicDetail, len(topics))
		for _, t := range topics {
			details[t.Name] = TopicDetail(t.NewTopic)
		}
		timeout := transport.BrokerTimeout(ctx)
		resp, err := transport.AskController(ctx, c.Cluster, validateOnly, transport.Request[*sarama.CreateTopicsResponse]{Op: op, Object: "", Key: int16(kmsg.CreateTopics), Lane: wire.LaneControl,
			Send: wire.BySarama(func() *sarama.CreateTopicsRequest {
				seen, now := c.LastSnapshot(), c.Opts.Clock.Now()
				for _, t := range topics {
					t.absence.sending(seen, now)
				}
				return sarama.NewCreateTopicsRequest(sarama.MaxVersion, details, timeout, validateOnly)
			}, (*sarama.Broker).CreateTopics)},
			func(r *sarama.CreateTopicsResponse) []int16 {
				return transport.CodesOf(slices.Collect(maps.Values(r.TopicErrors)), func(e *sarama.TopicError) int16 { return int16(e.Err) })
			})
		if err != nil {
			return nil, err
		}
		answers := make([]transport.Answer[CreatedTopic], len(topics))
		for i, t := range topics {
			e, ok := resp.TopicErrors[t.Name]
			switch {
			case !ok:
				answers[i].Err = &kafkaerr.NotMentionedError{Op: op, Object: t.Name}
			case e.Err != sarama.ErrNoError:
				answers[i].Err = kafkaerr.New(op, t.Name, int16(e.Err), e.ErrMsg, resp.ThrottleTime)
			default:
				answers[i].Value = createdTopic(resp.TopicResults[t.Name])
			}
		}
		return answers, nil
	}
}

func TopicDetail(t NewTopic) *sarama.TopicDetail {
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
	created := CreatedTopic{ID: metadata.TopicID(r.TopicID), Partitions: r.NumPartitions, Replicas: r.ReplicationFactor}
	for _, name := range slices.Sorted(maps.Keys(r.Configs)) {
		entry := r.Configs[name]
		e := metadata.ConfigEntry{Name: name, Null: entry.Value == nil, Source: metadata.ConfigSource(entry.ConfigSource), ReadOnly: entry.ReadOnly, Sensitive: entry.IsSensitive}
		if entry.Value != nil {
			e.Value = *entry.Value
		}
		e.Default = e.Source == metadata.SourceDefault
		created.Config = append(created.Config, e)
	}
	return created
}

// asWanted looks whether a topic is what was asked for, and nothing else yet. That it is something else is an *kafkaerr.Error.
func (c *Topics) asWanted(ctx context.Context, want NewTopic, t metadata.Topic) (CreatedTopic, bool, error) {
	configs, err := c.TopicConfigs(ctx, want.Name)
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
	fresh, err := c.offsets.NeverUsed(ctx, t)
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
func difference(want NewTopic, got metadata.Topic, config []metadata.ConfigEntry) string {
	partitions, replicas := int(want.Partitions), int(want.Replicas)
	if len(want.Assignments) > 0 {
		partitions, replicas = len(want.Assignments), len(want.Assignments[0])
	}
	switch {
	case partitions >= 0 && len(got.Partitions) != partitions:
		return "with " + plural.Of(len(got.Partitions), "partition", "partitions")
	case replicas >= 0 && got.ReplicationFactor() != replicas:
		return "with " + plural.Of(got.ReplicationFactor(), "replica", "replicas")
	}
	for i, assigned := range want.Assignments {
		if !slices.Equal(got.Partitions[i].Replicas, assigned) {
			return fmt.Sprintf("with partition %d on %v", i, got.Partitions[i].Replicas)
		}
	}
	set := metadata.TopicValues(config)
	for _, name := range slices.Sorted(maps.Keys(want.Config)) {
		value := want.Config[name]
		if !metadata.SameValue(set, name, &value) {
			return fmt.Sprintf("with %s=%q", name, set[name])
		}
	}
	return ""
}

// controllerHas asks the controller whether a topic exists, by a request to create it that is only validated.
func (c *Topics) controllerHas(ctx context.Context, name string) (bool, error) {
	_, err := transport.Share(ctx, c.Cluster, c.ValidateCreate, kafkaerr.OpCreateTopic, name,
		creation{NewTopic: NewTopic{Name: name, Partitions: 1, Replicas: 1}, absence: &absence{name: name}})
	switch {
	case kafkaerr.CodeOf(err) == kafkaerr.TopicAlreadyExists:
		return true, nil
	case err == nil, kafkaerr.ClassOf(kafkaerr.CodeOf(err)) == kafkaerr.Invalid, kafkaerr.ClassOf(kafkaerr.CodeOf(err)) == kafkaerr.Forbidden:
		// Controllers look whether there is one of the name before they judge anything but names (ReplicationControlManager.createTopics).
		return false, nil
	}
	return false, err
}
