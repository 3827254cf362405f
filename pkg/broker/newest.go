package broker

import (
	"context"
	"maps"
	"slices"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// newestMetadata asks for topics until an answer is not older than what was heard before. What is older to the end is
// refused: whoever acts on it acts on a state that is no more.
func (c *Cluster) newestMetadata(ctx context.Context, names []string) (*metadataAnswer, error) {
	for start := time.Now(); ; {
		asked := c.opts.Clock.Now()
		said, err := askAny(ctx, c, c.metadataOf(names))
		if err != nil {
			return nil, err
		}
		said.read()
		c.learn(said.directory)
		var older []string
		now := c.opts.Clock.Now()
		for name, t := range said.topics {
			if c.views.older(asked, now, t.ID, t.epochs(), said.directory.kraft) {
				older = append(older, name)
			}
		}
		if len(older) == 0 {
			return &said, nil
		}
		if again, err := c.lookElsewhere(ctx, said.addr, start); err != nil {
			return nil, err
		} else if again {
			continue
		}
		for _, name := range older {
			delete(said.topics, name)
			said.refused[name] = tooOld(name)
		}
		return &said, nil
	}
}

// lookElsewhere notes that the broker at an address tells of an older state, and says whether others may tell of a newer one in the time that
// is left since a start.
func (c *Cluster) lookElsewhere(ctx context.Context, addr string, start time.Time) (again bool, err error) {
	c.doubt(addr)
	if time.Since(start) >= newerTime || !c.others(addr) {
		return false, nil
	}
	return true, c.pause(ctx, settlePause)
}

// tooOld refuses a topic of which brokers tell an older state to the end.
func tooOld(name string) error {
	text := "the brokers that answer tell of an older state than was seen before: they may have lost their controllers"
	return kafkaerr.New(kafkaerr.OpDescribeTopic, name, kafkaerr.UnknownLeaderEpoch, &text, 0)
}

// newerTime is how long brokers may lag behind one that has told of more: busy ones do for four seconds (seen on 4.3.1).
const newerTime = 5 * time.Second

// secondTime bounds the wait for a second broker's word that a topic is missing. When it does not come the first one's has to do.
const secondTime = time.Second

// missing settles whether topics exist of which a broker says that they do not, and returns those that do. Another broker is asked, as the
// first may have lost its controllers. When that one has some of them one of the two is behind: the controller knows.
func (c *Cluster) missing(ctx context.Context, first string, second func(context.Context) (map[string]Topic, error)) map[string]Topic {
	if !c.others(first) {
		return nil
	}
	asking, cancel := context.WithTimeout(ctx, secondTime)
	has, err := second(asking)
	cancel()
	if err != nil || len(has) == 0 {
		return nil
	}
	disputed := slices.Collect(maps.Values(has))
	there := map[string]Topic{}
	for i, said := range parallel(ctx, disputed, c.controllerHas) {
		t := disputed[i]
		switch {
		case said.err != nil:
			// That it is there is the safer word.
			there[t.Name] = t
		case said.value:
			c.doubt(first)
			there[t.Name] = t
		default:
			c.doubt(t.source)
		}
	}
	return there
}

// controllerHas asks the controller whether a topic exists, by a request to create it that is only validated.
func (c *Cluster) controllerHas(ctx context.Context, t Topic) answer[bool] {
	ctx, cancel := context.WithTimeout(ctx, secondTime)
	defer cancel()
	_, err := share(ctx, c, c.shared.validateCreate, kafkaerr.OpCreateTopic, t.Name,
		creation{NewTopic: NewTopic{Name: t.Name, Partitions: 1, Replicas: 1}, absence: &absence{name: t.Name}})
	switch {
	case kafkaerr.CodeOf(err) == kafkaerr.TopicAlreadyExists:
		return answer[bool]{value: true}
	case err == nil, kafkaerr.ClassOf(kafkaerr.CodeOf(err)) == kafkaerr.Invalid, kafkaerr.ClassOf(kafkaerr.CodeOf(err)) == kafkaerr.Forbidden:
		// Controllers look whether there is one of the name before they judge anything but names (ReplicationControlManager.createTopics).
		return answer[bool]{}
	}
	return answer[bool]{err: err}
}

// others tells whether the cluster has brokers beside the one at an address, which may be one of the bootstrap list.
func (c *Cluster) others(addr string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dir == nil {
		return false
	}
	for _, b := range c.dir.brokers {
		if b.address() != addr {
			return true
		}
	}
	return false
}

// doubt has the other brokers asked before the one at an address, whose picture is old.
func (c *Cluster) doubt(addr string) {
	if addr == "" {
		return
	}
	c.views.doubt(c.opts.Clock.Now(), addr)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.preferred == addr {
		c.preferred = ""
	}
}

// contradicted takes note of what a broker answered to whoever believed what a topic's metadata says of who leads it.
func (c *Cluster) contradicted(t Topic, err error) {
	if kafkaerr.IsOutdated(err) {
		c.doubt(t.source)
	}
}
