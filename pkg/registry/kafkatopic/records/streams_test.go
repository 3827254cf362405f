package records

import (
	"context"
	"fmt"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/authentication/user"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
)

// However many users stream what they may, one more has some left.
func TestStreamsAreShared(t *testing.T) {
	s := &streams{}
	as := func(name string) context.Context {
		return genericapirequest.WithUser(t.Context(), &user.DefaultInfo{Name: name})
	}
	var releases []func()
	all := func(name, cluster string) (taken int) {
		for {
			release, err := s.take(as(name), cluster)
			if err != nil {
				if !apierrors.IsTooManyRequests(err) {
					t.Fatalf("refused with %v", err)
				}
				if seconds, retry := apierrors.SuggestsClientDelay(err); retry {
					t.Errorf("clients are told to try again after %d s by themselves", seconds)
				}
				return taken
			}
			releases = append(releases, release)
			taken++
		}
	}
	for i, want := range []int{broker.MaxReads / 2, broker.MaxReads / 4, broker.MaxReads / 8, broker.MaxReads / 16} {
		if got := all(fmt.Sprint("user-", i), "streams/k/1"); got != want {
			t.Errorf("user %d has %d streams, want %d", i, got, want)
		}
	}
	if got := all("user-0", "streams/other/1"); got != broker.MaxReads/2 {
		t.Errorf("on another cluster the first has %d", got)
	}
	for _, release := range releases {
		release()
		release()
	}
	if len(s.open) != 0 {
		t.Errorf("streams that have ended are counted: %v", s.open)
	}
	if got := all("user-9", "streams/k/1"); got != broker.MaxReads/2 {
		t.Errorf("after all have ended %d streams are there for one", got)
	}
}
