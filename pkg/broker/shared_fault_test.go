package broker

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// createsWith makes the broker answer one CreateTopics request of several topics as told, and do nothing.
func (b *bench) createsWith(code func(topic string) (int16, string), throttle time.Duration) {
	b.kafka.ControlKey(int16(kmsg.CreateTopics), func(req kmsg.Request) (kmsg.Response, error, bool) {
		resp := req.ResponseKind().(*kmsg.CreateTopicsResponse)
		resp.ThrottleMillis = int32(throttle.Milliseconds())
		for _, asked := range req.(*kmsg.CreateTopicsRequest).Topics {
			topic := kmsg.NewCreateTopicsResponseTopic()
			var text string
			topic.Topic = asked.Topic
			if topic.ErrorCode, text = code(asked.Topic); text != "" {
				topic.ErrorMessage = &text
			}
			resp.Topics = append(resp.Topics, topic)
		}
		return resp, nil, true
	})
}

// createTogether creates topics in one request, and returns what became of each.
func (b *bench) createTogether(t *testing.T, n int) map[string]error {
	t.Helper()
	return b.sendTogether(t, n)()
}

// sendTogether sends the request, and returns a function that waits for what became of each.
func (b *bench) sendTogether(t *testing.T, n int) (outcomes func() map[string]error) {
	t.Helper()
	ctx := testContext(t)
	became := make(map[string]error, n)
	var mu sync.Mutex
	var callers sync.WaitGroup
	create := b.cluster.topics.Create
	release := occupied(create)
	for i := range n {
		name := fmt.Sprintf("topic-%d", i)
		callers.Go(func() {
			_, err := b.cluster.CreateTopic(ctx, NewTopic{Name: name, Partitions: 1, Replicas: 1}, false)
			mu.Lock()
			defer mu.Unlock()
			became[name] = err
		})
	}
	eventually(t, "all wait", func() bool { return queued(create) == n })
	release()
	return func() map[string]error {
		callers.Wait()
		return became
	}
}

func TestOnlyWhatTheControllerDidNotDoIsSentAgain(t *testing.T) {
	b := newBench(t, Options{})
	b.warm(t)
	var mu sync.Mutex
	seen := map[string]int{}
	b.kafka.ControlKey(int16(kmsg.CreateTopics), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.kafka.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		for _, topic := range req.(*kmsg.CreateTopicsRequest).Topics {
			seen[topic.Topic]++
		}
		return nil, nil, false
	})
	b.createsWith(func(topic string) (int16, string) {
		if topic == "topic-3" || topic == "topic-7" {
			return kafkaerr.NotController, ""
		}
		return 0, ""
	}, 0)
	for name, err := range b.createTogether(t, 10) {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, n := range seen {
		if again := name == "topic-3" || name == "topic-7"; again != (n == 2) || n > 2 {
			t.Errorf("%s was sent %d times", name, n)
		}
	}
}

func TestOneOfABatchIsThrottled(t *testing.T) {
	for name, throttle := range map[string]time.Duration{"for a time": 7 * time.Second, "for a time not told": 0} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, Options{})
			b.warm(t)
			b.createsWith(func(topic string) (int16, string) {
				if topic == "topic-4" {
					return kafkaerr.ThrottlingQuotaExceeded, "The throttling quota has been exceeded."
				}
				return 0, ""
			}, throttle)
			for topic, err := range b.createTogether(t, 10) {
				if topic != "topic-4" {
					if err != nil {
						t.Errorf("%s: %v", topic, err)
					}
					continue
				}
				var refusal *kafkaerr.Error
				if !errors.As(err, &refusal) || refusal.Code != kafkaerr.ThrottlingQuotaExceeded || refusal.RetryAfter != throttle {
					t.Errorf("%s: %v, want THROTTLING_QUOTA_EXCEEDED", topic, err)
				}
				if got := kafkaerr.RetryAfter(err); got < max(time.Second, throttle) {
					t.Errorf("%s: to be tried again after %v", topic, got)
				}
			}
		})
	}
}

// recordsOf counts the metadata records that a request makes.
func recordsOf(req *kmsg.CreateTopicsRequest) int {
	records := 0
	for _, topic := range req.Topics {
		records += 1 + int(topic.NumPartitions) + len(topic.Configs)
	}
	return records
}

func TestCreatesAreCutBelowWhatAControllerAccepts(t *testing.T) {
	b := newBench(t, Options{})
	ctx := b.warm(t)
	var requests [][2]int // topics and records of each
	b.kafka.ControlKey(int16(kmsg.CreateTopics), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.kafka.KeepControl()
		asked := req.(*kmsg.CreateTopicsRequest)
		requests = append(requests, [2]int{len(asked.Topics), recordsOf(asked)})
		return nil, nil, false
	})
	validate := b.cluster.topics.ValidateCreate
	release := occupied(validate)
	var callers sync.WaitGroup
	for i := range 20 {
		topic := NewTopic{Name: fmt.Sprintf("topic-%d", i), Partitions: 2000, Replicas: 1, Config: map[string]string{"retention.ms": "1"}}
		if i == 7 {
			topic.Partitions = 20_000
		}
		callers.Go(func() {
			if _, err := b.cluster.CreateTopic(ctx, topic, true); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, "all wait", func() bool { return queued(validate) == 20 })
	release()
	callers.Wait()
	topics := 0
	for _, r := range requests {
		topics += r[0]
		if r[1] > 9000 && r[0] > 1 {
			t.Errorf("a request has %d topics and %d records", r[0], r[1])
		}
	}
	// Four of them fit; the largest goes alone, and cuts off those before it.
	if topics != 20 || len(requests) > 7 {
		t.Errorf("%d topics in the requests %v", topics, requests)
	}
}

func TestNamesThatCollideAreNotCreatedTogether(t *testing.T) {
	b := newBench(t, Options{})
	ctx := b.warm(t)
	release := occupied(b.cluster.topics.Create)
	outcomes := make(chan error, 2)
	create := func(name string) {
		_, err := b.cluster.CreateTopic(ctx, NewTopic{Name: name, Partitions: 1, Replicas: 1}, false)
		outcomes <- err
	}
	cost := b.counted(func() {
		go create("orders.new")
		go create("orders_new")
		eventually(t, "both wait", func() bool { return queued(b.cluster.topics.Create) == 2 })
		release()
		refused := 0
		for range 2 {
			if err := <-outcomes; err != nil {
				refused++
			}
		}
		if refused > 1 {
			t.Errorf("%d were refused", refused)
		}
	}, kmsg.CreateTopics)
	if cost != "CreateTopics 2" {
		t.Errorf("two names that collide cost %s", cost)
	}
}

func TestARequestThatIsTooLargeIsSentInHalves(t *testing.T) {
	const words = "Excessively large number of partitions per request."
	b := newBench(t, Options{})
	b.warm(t)
	b.kafka.ControlKey(int16(kmsg.CreateTopics), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.kafka.KeepControl()
		topics := req.(*kmsg.CreateTopicsRequest).Topics
		huge := false
		for _, topic := range topics {
			huge = huge || topic.Topic == "topic-2"
		}
		if !huge && len(topics) < 5 {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.CreateTopicsResponse)
		for _, asked := range topics {
			topic := kmsg.NewCreateTopicsResponseTopic()
			topic.Topic, topic.ErrorCode, topic.ErrorMessage = asked.Topic, kafkaerr.PolicyViolation, kmsg.StringPtr(words)
			resp.Topics = append(resp.Topics, topic)
		}
		return resp, nil, true
	})
	for name, err := range b.createTogether(t, 12) {
		if name == "topic-2" {
			var refusal *kafkaerr.Error
			if !errors.As(err, &refusal) || refusal.Code != kafkaerr.PolicyViolation || refusal.Message != words {
				t.Errorf("the one that is too large alone: %v, want the broker's words", err)
			}
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := b.existing(12); n != 11 {
		t.Errorf("%d topics on the brokers, want 11", n)
	}
}

func TestABatchWhoseAnswerIsLostIsLookedUp(t *testing.T) {
	// A topic of that name is there, and not as wanted: this create did not happen, the others did.
	options := unhurried
	options.Clock = newFakeClock()
	b := newBench(t, options, kfake.SeedTopics(7, "topic-13"))
	if _, err := b.cluster.Snapshot(b.warm(t), 0); err != nil {
		t.Fatal(err)
	}
	b.losing(kmsg.CreateTopics)
	topics, configs := b.cluster.metadata.TopicsByName, b.cluster.metadata.Configs
	releaseTopics, releaseConfigs := occupied(topics), occupied(configs)
	var outcomes map[string]error
	cost := b.counted(func() {
		wait := b.sendTogether(t, 100)
		eventually(t, "all look for their topics", func() bool { return queued(topics) == 100 })
		releaseTopics()
		eventually(t, "all look at the settings", func() bool { return queued(configs) == 100 })
		releaseConfigs()
		outcomes = wait()
	}, kmsg.CreateTopics, kmsg.Metadata, kmsg.DescribeConfigs)
	for name, err := range outcomes {
		if name == "topic-13" {
			if kafkaerr.CodeOf(err) != kafkaerr.TopicAlreadyExists || kafkaerr.IsUnknownOutcome(err) {
				t.Errorf("%s: %v, want TOPIC_ALREADY_EXISTS", name, err)
			}
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if cost != "CreateTopics 1, Metadata 1, DescribeConfigs 1" {
		t.Errorf("a hundred callers cost %s", cost)
	}
}
