package kafkatopic_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	apistorage "k8s.io/apiserver/pkg/storage"

	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// paged is a storage that notes how long a list of topics may be, and gives two at a time.
type paged struct {
	apistorage.Interface
	mu     *sync.Mutex
	limits *[]int64
}

func (p paged) GetList(ctx context.Context, key string, options apistorage.ListOptions, list runtime.Object) error {
	if strings.Contains(key, "kafkatopics") {
		p.mu.Lock()
		*p.limits = append(*p.limits, options.Predicate.Limit)
		p.mu.Unlock()
		options.Predicate.Limit = 2
	}
	return p.Interface.GetList(ctx, key, options, list)
}

// A scan has a page of objects in memory, however many there are, and finds those that lost their claims on every page.
func TestAScanReadsPages(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var limits []int64
	s, err := apiservertest.Start(apiservertest.Options{Objects: func(i apistorage.Interface) apistorage.Interface { return paged{i, &mu, &limits} }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	k := s.NewKafka(t, 3)
	const objects = 7
	for i := range objects {
		if _, err := create(s.Client, newTopic(k, fmt.Sprintf("t-%d", i))); err != nil {
			t.Fatal(err)
		}
	}
	claims := func(visit func(*storage.Claim) error) (n int) {
		if err := s.Claims.List(t.Context(), func(c *storage.Claim) error { n++; return visit(c) }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := claims(func(c *storage.Claim) error { return s.Claims.Drop(t.Context(), c) }); n != objects {
		t.Fatalf("%d claims were there", n)
	}
	apiservertest.Eventually(t, "the claims are taken again", func() bool { return claims(func(*storage.Claim) error { return nil }) == objects })
	mu.Lock()
	defer mu.Unlock()
	for _, limit := range limits {
		if limit < 1 || limit > 500 {
			t.Errorf("a list of %d objects was asked for", limit)
		}
	}
}
