package external

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/crash"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

const (
	// tryEvery is how often the addresses of a Kafka are tried, in the looks at it. Those that failed are tried in each look, so that what was
	// mended is soon told.
	tryEvery = time.Minute - againSettled/2
	// tryTimeout bounds the tries of one look.
	tryTimeout = 20 * time.Second
	// maxTried bounds the brokers of one look; those of a larger cluster take turns. So many are tried at the same time as triesAtOnce says.
	maxTried, triesAtOnce = 100, 40
)

// tries know what came of the last try of each address.
type tries struct {
	mu  sync.Mutex
	now map[types.NamespacedName]*tried
}

// tried is what is known of the addresses of one Kafka: its bootstrap servers, and those that brokers advertise. A connection that is kept does not
// tell where the next one leads.
type tried struct {
	uid        types.UID
	generation int64
	at         time.Time
	// last is the broker that was tried last, in the order of ids.
	last int32
	// outcomes has those that are addresses of the Kafka still. What was never tried has none.
	outcomes map[string]outcome
}

// outcome is what came of the last try of an address.
type outcome struct {
	// id is the cluster that answers there.
	id string
	// why is why none does that the Kafka may be, "" when one does. replaced is why another one does not count.
	why      string
	replaced *kafkaerr.SecurityError
}

// tryFunc asks an address of which cluster it is, over a new connection.
type tryFunc func(ctx context.Context, address string) (string, error)

// of is what is known of a Kafka. It is new, and nothing is known, of another one of its name, or of another spec. Only its sync works with it.
func (t *tries) of(k *v1beta1.Kafka) (known *tried, isNew bool) {
	key := types.NamespacedName{Namespace: k.Namespace, Name: k.Name}
	t.mu.Lock()
	defer t.mu.Unlock()
	known = t.now[key]
	if known == nil || known.uid != k.UID || known.generation != k.Generation {
		known, isNew = &tried{uid: k.UID, generation: k.Generation, last: -1, outcomes: map[string]outcome{}}, true
		if t.now == nil {
			t.now = map[types.NamespacedName]*tried{}
		}
		t.now[key] = known
	}
	return known, isNew
}

func (t *tries) forget(key types.NamespacedName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.now, key)
}

// look tries the addresses where that is due, and says what is known of all of them.
func (t *tried) look(ctx context.Context, try tryFunc, bootstrap []string, brokers []broker.BrokerInfo, now time.Time) said {
	alive := slices.DeleteFunc(slices.Clone(brokers), func(b broker.BrokerInfo) bool { return b.Fenced })
	slices.SortFunc(alive, func(a, b broker.BrokerInfo) int { return int(a.ID) - int(b.ID) })
	is := map[string]bool{}
	for _, address := range bootstrap {
		is[address] = true
	}
	for _, b := range alive {
		is[addressOf(b)] = true
	}
	maps.DeleteFunc(t.outcomes, func(address string, _ outcome) bool { return !is[address] })
	var due []string
	if t.at.IsZero() || now.Sub(t.at) >= tryEvery {
		t.at, due = now, append(slices.Clone(bootstrap), t.next(alive)...)
	} else {
		// Brokers choose what they advertise: what is new in an answer is not dialled more often than the rest.
		for _, address := range slices.Sorted(maps.Keys(t.outcomes)) {
			if t.outcomes[address].why != "" && len(due) < maxTried {
				due = append(due, address)
			}
		}
	}
	t.try(ctx, try, due)
	return t.says(bootstrap, alive)
}

// next are the addresses of the brokers to try now, in a circle.
func (t *tried) next(alive []broker.BrokerInfo) []string {
	if len(alive) > maxTried {
		from, _ := slices.BinarySearchFunc(alive, t.last+1, func(b broker.BrokerInfo, id int32) int { return int(b.ID) - int(id) })
		alive = append(slices.Clone(alive[from:]), alive[:from]...)[:maxTried]
		t.last = alive[len(alive)-1].ID
	}
	var addresses []string
	for _, b := range alive {
		addresses = append(addresses, addressOf(b))
	}
	return addresses
}

// try tries addresses, each once, and keeps what comes of it. Those that there was no time for are as they were.
func (t *tried) try(ctx context.Context, try tryFunc, addresses []string) {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	slices.Sort(addresses)
	var mu sync.Mutex
	var trying crash.Group
	free := make(chan struct{}, triesAtOnce)
	for _, address := range slices.Compact(addresses) {
		trying.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			id, err := try(ctx, address)
			if err != nil && ctx.Err() != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			t.outcomes[address] = outcomeOf(id, err)
		})
	}
	trying.Wait()
}

func outcomeOf(id string, err error) outcome {
	if err == nil {
		return outcome{id: id}
	}
	found := outcome{why: whyUnreached(err)}
	var stranger *kafkaerr.NotAdmittedError
	if objections := kafkaerr.SecurityErrors(err); errors.As(err, &stranger) && len(objections) > 0 && objections[0].Reason == kafkaerr.ReasonClusterReplaced {
		found.id, found.replaced, found.why = stranger.ID, objections[0], fmt.Sprintf("cluster %q answers there", stranger.ID)
	}
	return found
}

// whyUnreached is why an address is not reached, in the same words for as long as they are true. Whoever answers as a broker chooses the
// addresses: whether one refuses, is silent, or cannot be routed to is not for him to find out here.
func whyUnreached(err error) string {
	var name *net.DNSError
	objections := kafkaerr.SecurityErrors(err)
	switch {
	case len(objections) > 0:
		return objections[0].Text
	case errors.As(err, &name):
		return "its name is not known here"
	}
	return "it does not answer"
}

func addressOf(b broker.BrokerInfo) string {
	return net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
}
