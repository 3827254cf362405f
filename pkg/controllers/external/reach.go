package external

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/validation"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

const (
	// tryEvery is how often the addresses are tried that brokers advertise, in the looks at the cluster. While one does not answer, each look
	// tries them, so that what was mended is soon told.
	tryEvery = time.Minute - againSettled/2
	// tryTimeout bounds one try of all.
	tryTimeout = 20 * time.Second
	// maxTried bounds the brokers of one try; those of a larger cluster take turns.
	maxTried = 100
)

// tries know which brokers did not answer at the addresses that they advertise when they were last tried.
type tries struct {
	mu  sync.Mutex
	now map[types.NamespacedName]*tried
}

// tried is what is known of the brokers of one Kafka.
type tried struct {
	uid        types.UID
	generation int64
	at         time.Time
	// last is the broker that was tried last, in the order of ids.
	last int32
	// why has the brokers that did not answer.
	why map[int32]string
}

// of is what is known of a Kafka, nothing yet of another one of its name, or of another spec. Only its sync works with it.
func (t *tries) of(k *v1beta1.Kafka) *tried {
	key := types.NamespacedName{Namespace: k.Namespace, Name: k.Name}
	t.mu.Lock()
	defer t.mu.Unlock()
	known := t.now[key]
	if known == nil || known.uid != k.UID || known.generation != k.Generation {
		known = &tried{uid: k.UID, generation: k.Generation, last: -1, why: map[int32]string{}}
		if t.now == nil {
			t.now = map[types.NamespacedName]*tried{}
		}
		t.now[key] = known
	}
	return known
}

func (t *tries) forget(key types.NamespacedName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.now, key)
}

// look tries the brokers where that is due, and returns those that do not answer, by id.
func (t *tried) look(ctx context.Context, cluster Cluster, brokers []broker.BrokerInfo, now time.Time) []v1beta1.UnreachableBroker {
	alive := slices.DeleteFunc(slices.Clone(brokers), func(b broker.BrokerInfo) bool { return b.Fenced })
	slices.SortFunc(alive, func(a, b broker.BrokerInfo) int { return int(a.ID) - int(b.ID) })
	if len(t.why) > 0 || t.at.IsZero() || now.Sub(t.at) >= tryEvery {
		ctx, cancel := context.WithTimeout(ctx, tryTimeout)
		defer cancel()
		ids := t.next(alive)
		for i, err := range cluster.Reach(ctx, ids...) {
			if delete(t.why, ids[i]); err != nil {
				t.why[ids[i]] = whyUnreached(err)
			}
		}
		t.at = now
	}
	var unreachable []v1beta1.UnreachableBroker
	for _, b := range alive {
		if why, is := t.why[b.ID]; is {
			unreachable = append(unreachable, v1beta1.UnreachableBroker{ID: b.ID, Address: net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port))), Message: why})
		}
	}
	return unreachable
}

// next are the brokers to try now, in a circle. What is known of brokers that are not there any more is forgotten.
func (t *tried) next(alive []broker.BrokerInfo) []int32 {
	ids := make([]int32, len(alive))
	for i, b := range alive {
		ids[i] = b.ID
	}
	for id := range t.why {
		if _, there := slices.BinarySearch(ids, id); !there {
			delete(t.why, id)
		}
	}
	if len(ids) <= maxTried {
		return ids
	}
	from, _ := slices.BinarySearch(ids, t.last+1)
	ids = append(slices.Clone(ids[from:]), ids[:from]...)[:maxTried]
	t.last = ids[len(ids)-1]
	return ids
}

// whyUnreached is why a broker is not reached, in the same words for as long as they are true.
func whyUnreached(err error) string {
	var name *net.DNSError
	objections := kafkaerr.SecurityErrors(err)
	switch {
	case len(objections) > 0:
		return objections[0].Text
	case errors.As(err, &name) && name.IsNotFound:
		return "its name is not known here"
	case errors.As(err, &name):
		return "its name cannot be looked up here"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nobody listens there"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "there is no way to it from here"
	}
	return "it does not answer"
}

// unreachableMessage names brokers that do not answer, as many as a status does.
func unreachableMessage(unreachable []v1beta1.UnreachableBroker) string {
	var texts []string
	for _, b := range validation.CutUnreachable(slices.Clone(unreachable)) {
		texts = append(texts, fmt.Sprintf("broker %d is not reached at %s, which it advertises: %s", b.ID, b.Address, b.Message))
	}
	if more := len(unreachable) - validation.MaxUnreachable; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, "; ")
}
