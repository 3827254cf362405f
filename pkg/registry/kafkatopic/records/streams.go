package records

import (
	"context"
	"fmt"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/plural"
)

// streams count the logs that are streamed, by cluster and user. A cluster has as many as broker.MaxReads at a time in this process, which
// all tenants share: each may have as many as are left to others, so that nobody takes all of them.
type streams struct {
	mu   sync.Mutex
	open map[string]map[string]int
}

// take counts one more stream of a user on a cluster, until release is called.
func (s *streams) take(ctx context.Context, cluster string) (release func(), err error) {
	who := ""
	if user, known := genericapirequest.UserFrom(ctx); known {
		who = user.GetName()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	total := 0
	for _, n := range s.open[cluster] {
		total += n
	}
	own, left := s.open[cluster][who], broker.MaxReads-total
	if own >= left {
		return nil, apierrors.NewTooManyRequestsError(fmt.Sprintf(
			"%d of the %d logs that are streamed from this cluster at the same time %s yours, and %s left, for others: end one of yours",
			own, broker.MaxReads, plural.Word(own, "is", "are"), plural.Of(left, "is", "are")))
	}
	if s.open == nil {
		s.open = map[string]map[string]int{}
	}
	if s.open[cluster] == nil {
		s.open[cluster] = map[string]int{}
	}
	s.open[cluster][who]++
	return sync.OnceFunc(func() { s.release(cluster, who) }), nil
}

func (s *streams) release(cluster, who string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.open[cluster]
	if of[who]--; of[who] == 0 {
		delete(of, who)
	}
	if len(of) == 0 {
		delete(s.open, cluster)
	}
}
