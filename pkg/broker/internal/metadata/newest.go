package metadata

import (
	"context"
	"maps"
	"slices"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// newestMetadata asks for topics until an answer is not older than what was heard before. What is older to the end is
// refused: whoever acts on it acts on a state that is no more.
func (c *Metadata) newestMetadata(ctx context.Context, names []string) (*metadataAnswer, error) {
	said, older, err := newestOf(ctx, c, c.MetadataOf(names), func(a *metadataAnswer) (string, transport.Directory, []Topic) {
		a.read()
		return a.addr, a.directory, slices.Collect(maps.Values(a.topics))
	})
	if err != nil {
		return nil, err
	}
	for _, t := range older {
		delete(said.topics, t.Name)
		said.refused[t.Name] = tooOld(t.Name)
	}
	return &said, nil
}

// newestOf asks until an answer is not older than what was heard before, and returns the topics of the last one of which it is to the end. read
// tells who has answered, and what.
func newestOf[T any](ctx context.Context, c *Metadata, req transport.Request[T], read func(*T) (string, transport.Directory, []Topic)) (said T, older []Topic, err error) {
	for start := time.Now(); ; {
		asked := c.Opts.Clock.Now()
		if said, err = transport.AskAny(ctx, c.Cluster, req); err != nil {
			return said, nil, err
		}
		addr, directory, topics := read(&said)
		now := c.Opts.Clock.Now()
		older = slices.DeleteFunc(topics, func(t Topic) bool { return !c.views.older(asked, now, t.ID, t.epochs(), directory.Kraft) })
		if len(older) == 0 {
			// Who the brokers are is not asked of one that lives in the past: others are to be asked now.
			c.Learn(directory)
			return said, nil, nil
		}
		if again, err := c.lookElsewhere(ctx, addr, start); err != nil || !again {
			return said, older, err
		}
	}
}

// lookElsewhere notes that the broker at an address tells of an older state, and says whether others may tell of a newer one in the time that
// is left since a start.
func (c *Metadata) lookElsewhere(ctx context.Context, addr string, start time.Time) (again bool, err error) {
	c.Doubt(addr)
	if time.Since(start) >= newerTime || !c.Others(addr) {
		return false, nil
	}
	return true, c.Pause(ctx, SettlePause)
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
func (c *Metadata) missing(ctx context.Context, first string, second func(context.Context) (map[string]Topic, error)) map[string]Topic {
	if !c.Others(first) {
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
	for i, said := range transport.Parallel(ctx, disputed, func(ctx context.Context, t Topic) transport.Answer[bool] {
		ctx, cancel := context.WithTimeout(ctx, secondTime)
		defer cancel()
		has, err := c.ControllerHas(ctx, t.Name)
		return transport.Answer[bool]{Value: has, Err: err}
	}) {
		t := disputed[i]
		switch {
		case said.Err != nil:
			// That it is there is the safer word.
			there[t.Name] = t
		case said.Value:
			c.Doubt(first)
			there[t.Name] = t
		default:
			c.Doubt(t.Source)
		}
	}
	return there
}

// Contradicted takes note of what a broker answered to whoever believed what a topic's metadata says of who leads it.
func (c *Metadata) Contradicted(t Topic, err error) {
	if kafkaerr.IsOutdated(err) {
		c.Doubt(t.Source)
	}
}
