package crash

import (
	"strings"
	"testing"
)

func TestAPanicBecomesTheErrorOfWhoWaits(t *testing.T) {
	answers := make(chan error)
	for _, part := range []func() error{func() error { panic("a bug") }, func() error { return nil }} {
		Go(part, func(err error) { answers <- err })
	}
	first, second := <-answers, <-answers
	if first == nil {
		first, second = second, first
	}
	if first == nil || !strings.Contains(first.Error(), "a bug") || strings.Contains(first.Error(), "goroutine") || second != nil {
		t.Errorf("the errors are %v and %v", first, second)
	}
}

func TestAPanicOfAPartIsOneOfTheWhole(t *testing.T) {
	var group Group
	ended := make(chan struct{})
	group.Go(func() { panic("a bug") })
	group.Go(func() { close(ended) })
	err := Call(func() error {
		group.Wait()
		return nil
	})
	select {
	case <-ended:
	default:
		t.Error("it did not wait for the others")
	}
	if err == nil || !strings.Contains(err.Error(), "a bug") {
		t.Errorf("the error is %v", err)
	}
	var well Group
	well.Go(func() {})
	well.Wait()
}
