package broker

import (
	"context"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// newestMetadata asks for topics, all without names, until an answer is not older than what was heard before. What is older to the end is
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
			if c.views.older(asked, now, t, said.directory.kraft) {
				older = append(older, name)
			}
		}
		if len(older) == 0 {
			if said.all {
				c.views.keep(asked, said.topics)
			}
			return &said, nil
		}
		c.doubt(said.addr)
		if time.Since(start) < newerTime && c.others(said.addr) {
			if err := c.pause(ctx, settlePause); err != nil {
				return nil, err
			}
			continue
		}
		text := "the brokers that answer tell of an older state than was seen before: they may have lost their controllers"
		for _, name := range older {
			delete(said.topics, name)
			said.refused[name] = kafkaerr.New(opDescribeTopic, name, kafkaerr.UnknownLeaderEpoch, &text, 0)
		}
		return &said, nil
	}
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
	there := map[string]Topic{}
	for name, t := range has {
		exists, err := c.controllerHas(ctx, name)
		switch {
		case err != nil:
			// That it is there is the safer word.
			there[name] = t
		case exists:
			c.doubt(first)
			there[name] = t
		default:
			c.doubt(t.source)
		}
	}
	return there
}

// controllerHas asks the controller whether a topic exists, by a request to create it that is only validated.
func (c *Cluster) controllerHas(ctx context.Context, name string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, secondTime)
	defer cancel()
	_, err := share(ctx, c, c.shared.validateCreate, kafkaerr.OpCreateTopic, name, creation{NewTopic: NewTopic{Name: name, Partitions: 1, Replicas: 1}, absence: &absence{name: name}})
	switch {
	case kafkaerr.CodeOf(err) == kafkaerr.TopicAlreadyExists:
		return true, nil
	case err == nil, kafkaerr.ClassOf(kafkaerr.CodeOf(err)) == kafkaerr.Invalid, kafkaerr.ClassOf(kafkaerr.CodeOf(err)) == kafkaerr.Forbidden:
		// Controllers look whether there is one of the name before anything else.
		return false, nil
	}
	return false, err
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
