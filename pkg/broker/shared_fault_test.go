package broker

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
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
	ctx := testContext(t)
	outcomes := make(map[string]error, n)
	var mu sync.Mutex
	var callers sync.WaitGroup
	// All are in the queue before the first request is made of it.
	create := b.cluster.shared.create
	create.mu.Lock()
	create.running++
	create.mu.Unlock()
	for i := range n {
		name := fmt.Sprintf("topic-%d", i)
		callers.Go(func() {
			_, err := b.cluster.CreateTopic(ctx, NewTopic{Name: name, Partitions: 1, Replicas: 1}, false)
			mu.Lock()
			defer mu.Unlock()
			outcomes[name] = err
		})
	}
	eventually(t, "all wait", func() bool { return queued(create) == n })
	go create.run()
	callers.Wait()
	return outcomes
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
			return codeNotController, ""
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
					return codeThrottled, "The throttling quota has been exceeded."
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
				var refusal *Error
				if !errors.As(err, &refusal) || refusal.Code != codeThrottled || refusal.RetryAfter != throttle {
					t.Errorf("%s: %v, want THROTTLING_QUOTA_EXCEEDED", topic, err)
				}
				status := Status(err, topicsResource, topic, "spec").ErrStatus
				if status.Code != http.StatusTooManyRequests || status.Details.RetryAfterSeconds < max(1, int32(throttle.Seconds())) {
					t.Errorf("%s: %+v, want a 429 with the time to wait", topic, status)
				}
			}
		})
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
			topic.Topic, topic.ErrorCode, topic.ErrorMessage = asked.Topic, codePolicyViolation, kmsg.StringPtr(words)
			resp.Topics = append(resp.Topics, topic)
		}
		return resp, nil, true
	})
	for name, err := range b.createTogether(t, 12) {
		if name == "topic-2" {
			var refusal *Error
			if !errors.As(err, &refusal) || refusal.Code != codePolicyViolation || refusal.Message != words {
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
	b := newBench(t, Options{}, kfake.SeedTopics(7, "topic-13"))
	b.warm(t)
	b.losing(kmsg.CreateTopics)
	var outcomes map[string]error
	cost := b.counted(func() { outcomes = b.createTogether(t, 100) }, kmsg.CreateTopics)
	for name, err := range outcomes {
		if name == "topic-13" {
			if CodeOf(err) != codeTopicAlreadyExists || IsUnknownOutcome(err) {
				t.Errorf("%s: %v, want TOPIC_ALREADY_EXISTS", name, err)
			}
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if cost != "CreateTopics 1" {
		t.Errorf("the write was repeated: %s", cost)
	}
	if n := b.network.requests(int16(kmsg.Metadata)) + b.network.requests(int16(kmsg.DescribeConfigs)); n > 20 {
		t.Errorf("a hundred callers looked with %d requests", n)
	}
}
