package transport

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wait"
)

// sent is a request of a batcher under test, held until the test says what comes of it.
type sent struct {
	ctx   context.Context
	calls []*Call[string, string]
	end   chan error
}

func (s sent) queries() []string {
	var queries []string
	for _, k := range s.calls {
		queries = append(queries, k.Query)
	}
	return queries
}

// answerAll gives each call its own query back.
func (s sent) answerAll() {
	for _, k := range s.calls {
		k.Answer("re: "+k.Query, nil)
	}
	s.end <- nil
}

// newTestBatcher sends nothing: what it would is handed to the test.
func newTestBatcher(rules BatchRules[string]) (*Batcher[string, string], chan sent) {
	requests := make(chan sent)
	return &Batcher[string, string]{BatchRules: rules, life: context.Background(), send: func(ctx context.Context, calls []*Call[string, string]) error {
		s := sent{ctx, calls, make(chan error)}
		requests <- s
		return <-s.end
	}}, requests
}

func expectAnswer(t *testing.T, k *Call[string, string]) {
	t.Helper()
	if got, err := k.Wait(t.Context()); got != "re: "+k.Query || err != nil {
		t.Errorf("the answer to %s is %q, %v", k.Query, got, err)
	}
}

func TestCallsShareTheRequestAfterTheOneInFlight(t *testing.T) {
	b, requests := newTestBatcher(BatchRules[string]{})
	ctx := t.Context()
	first := b.submit(ctx, "a")
	inFlight := <-requests // at once, alone
	var later []*Call[string, string]
	for _, q := range []string{"b", "c", "d"} {
		later = append(later, b.submit(ctx, q))
	}
	select {
	case s := <-requests:
		t.Fatalf("%v went out beside %v", s.queries(), inFlight.queries())
	default:
	}
	inFlight.answerAll()
	expectAnswer(t, first)
	next := <-requests
	if got := next.queries(); !slices.Equal(got, []string{"b", "c", "d"}) {
		t.Errorf("the next request has %v", got)
	}
	next.answerAll()
	for _, k := range later {
		expectAnswer(t, k)
	}
	wait.Until(t, "the batcher rests", b.idle)
	again := b.submit(ctx, "e")
	(<-requests).answerAll()
	expectAnswer(t, again)
}

func TestWhatSharesARequest(t *testing.T) {
	for name, c := range map[string]struct {
		rules BatchRules[string]
		queue []string
		want  [][]string
	}{
		"at most so many calls": {BatchRules[string]{MaxCalls: func() int { return 2 }}, []string{"a", "b", "c", "d", "e"}, [][]string{{"a", "b"}, {"c", "d"}, {"e"}}},
		"at most so heavy, in order": {BatchRules[string]{MaxWeight: 4, Weigh: func(q string) int { return len(q) }},
			[]string{"aa", "bb", "ccc", "d", "ee"}, [][]string{{"aa", "bb"}, {"ccc", "d"}, {"ee"}}},
		"too heavy alone goes alone": {BatchRules[string]{MaxWeight: 4, Weigh: func(q string) int { return len(q) }},
			[]string{"a", "bbbbbbbb", "c"}, [][]string{{"a"}, {"bbbbbbbb"}, {"c"}}},
		"the same name once": {BatchRules[string]{Key: func(q string) string { return q[:1] }},
			[]string{"a1", "b1", "a2", "c1", "a3"}, [][]string{{"a1", "b1", "c1"}, {"a2"}, {"a3"}}},
	} {
		t.Run(name, func(t *testing.T) {
			b, requests := newTestBatcher(c.rules)
			ctx := t.Context()
			b.submit(ctx, "first")
			inFlight := <-requests
			for _, q := range c.queue {
				b.submit(ctx, q)
			}
			inFlight.answerAll()
			for _, want := range c.want {
				s := <-requests
				if got := s.queries(); !slices.Equal(got, want) {
					t.Errorf("a request has %v, want %v", got, want)
				}
				s.answerAll()
			}
			wait.Until(t, "the batcher rests", b.idle)
		})
	}
}

func TestACallerWhoGivesUpLeavesTheRequestToTheOthers(t *testing.T) {
	b, requests := newTestBatcher(BatchRules[string]{})
	ctx := t.Context()
	b.submit(ctx, "first")
	inFlight := <-requests
	impatient, give := context.WithCancel(ctx)
	a, queued := b.submit(impatient, "a"), b.submit(impatient, "queued")
	patient := b.submit(ctx, "b")
	ended, stop := context.WithCancel(ctx)
	stop()
	var left *leftError
	if _, err := queued.Wait(ended); !errors.As(err, &left) || left.taken || !errors.Is(err, context.Canceled) {
		t.Errorf("who gives up in the queue gets %v", err)
	}
	inFlight.answerAll()
	next := <-requests
	if got := next.queries(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("sent %v, want those who still wait", got)
	}
	give()
	if _, err := a.Wait(impatient); !errors.As(err, &left) || !left.taken {
		t.Errorf("who gives up while the request is in flight gets %v", err)
	}
	if err := next.ctx.Err(); err != nil {
		t.Errorf("one who gave up has ended the others' request: %v", err)
	}
	next.answerAll()
	expectAnswer(t, patient)
}

func TestARequestThatNobodyWaitsForEnds(t *testing.T) {
	b, requests := newTestBatcher(BatchRules[string]{})
	b.leave = time.Minute
	ctx, giveUp := context.WithCancel(context.Background())
	first := b.submit(ctx, "first")
	s := <-requests
	ended := make(chan error)
	go func() {
		_, err := first.Wait(ctx)
		ended <- err
	}()
	giveUp()
	<-s.ctx.Done()
	// What the request made of its end is what the caller hears: it may say that nothing was sent.
	said := errors.New("nothing was sent")
	s.end <- said
	if err := <-ended; err != said {
		t.Errorf("the caller got %v", err)
	}
	// A request that does not end does not hold its caller.
	b.leave = leaveTime
	ctx, giveUp = context.WithCancel(context.Background())
	stuck := b.submit(ctx, "stuck")
	s = <-requests
	giveUp()
	var left *leftError
	if _, err := stuck.Wait(ctx); !errors.As(err, &left) {
		t.Errorf("the caller got %v", err)
	}
	s.end <- nil
}

func TestARequestLastsAsLongAsItsMostPatientCaller(t *testing.T) {
	b, requests := newTestBatcher(BatchRules[string]{})
	b.submit(t.Context(), "first")
	inFlight := <-requests
	latest := time.Now().Add(time.Hour)
	for _, deadline := range []time.Time{time.Now().Add(time.Minute), latest, time.Now().Add(time.Second)} {
		ctx, cancel := context.WithDeadline(context.Background(), deadline)
		defer cancel()
		b.submit(ctx, "next")
	}
	inFlight.answerAll()
	s := <-requests
	if deadline, ok := s.ctx.Deadline(); !ok || !deadline.Equal(latest) {
		t.Errorf("the request's deadline is %v, want %v", deadline, latest)
	}
	s.answerAll()
}

func TestABugLeavesNobodyWaiting(t *testing.T) {
	ctx := t.Context()
	b := &Batcher[string, string]{life: context.Background()}
	b.send = func(_ context.Context, calls []*Call[string, string]) error {
		for _, k := range calls {
			switch k.Query {
			case "panic":
				panic("a bug")
			case "fail":
				return errors.New("a failure")
			case "forget":
			default:
				k.Answer("re: "+k.Query, nil)
			}
		}
		return nil
	}
	for _, q := range []string{"panic", "forget", "fail"} {
		if got, err := b.submit(ctx, q).Wait(ctx); got != "" || err == nil {
			t.Errorf("%s: %q, %v", q, got, err)
		}
		expectAnswer(t, b.submit(ctx, "after "+q))
	}
	// Nobody knows whether a request that panicked was sent: writes look at the brokers then.
	if _, err := b.submit(ctx, "panic").Wait(ctx); !errors.Is(err, ErrSent) {
		t.Errorf("a panic is %v", err)
	}
}

func TestALateRequestDoesNotHoldUpTheNext(t *testing.T) {
	b, requests := newTestBatcher(BatchRules[string]{Width: 2})
	ctx := t.Context()
	stuck := b.submit(ctx, "stuck")
	late := <-requests
	next := b.submit(ctx, "next")
	var beside sent
	if took := wait.Timed(func() { beside = <-requests }); took > 2*StallAfter {
		t.Errorf("the next request waited %v", took)
	}
	// No more than the width, however late.
	third := b.submit(ctx, "third")
	wait.Until(t, "both requests are late", func() bool {
		b.Mu.Lock()
		defer b.Mu.Unlock()
		return b.late == 2
	})
	select {
	case s := <-requests:
		t.Errorf("%v went out beside two requests", s.queries())
	default:
	}
	beside.answerAll()
	expectAnswer(t, next)
	(<-requests).answerAll()
	expectAnswer(t, third)
	late.answerAll()
	expectAnswer(t, stuck)
	wait.Until(t, "the batcher rests", b.idle)
	// Afterwards one request at a time is the rule again.
	b.submit(ctx, "a")
	s := <-requests
	b.submit(ctx, "b")
	select {
	case s := <-requests:
		t.Errorf("%v went out beside a request that is not late", s.queries())
	default:
	}
	s.answerAll()
	(<-requests).answerAll()
}

func TestATargetThatNobodyAsksIsForgotten(t *testing.T) {
	s := Batchers[int, string, string]{Build: func(target int) *Batcher[string, string] {
		return &Batcher[string, string]{life: context.Background(), send: func(_ context.Context, calls []*Call[string, string]) error {
			for _, k := range calls {
				k.Answer(fmt.Sprint(target), nil)
			}
			return nil
		}}
	}}
	ctx := t.Context()
	for target := range 100 {
		if got, err := s.Submit(ctx, target, "q").Wait(ctx); got != fmt.Sprint(target) || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		wait.Until(t, "the batcher rests", s.ByTarget[target].idle)
	}
	if n := len(s.ByTarget); n > 1 {
		t.Errorf("%d targets are kept", n)
	}
}

// Many callers with deadlines of their own, under a sender that is sometimes slow: everyone gets the own answer or an error in time.
func TestManyCallersGetTheirOwnAnswers(t *testing.T) {
	b := &Batcher[string, string]{BatchRules: BatchRules[string]{MaxCalls: func() int { return 7 }, Key: func(q string) string { return q[:1] }}, life: context.Background()}
	b.send = func(ctx context.Context, calls []*Call[string, string]) error {
		if len(calls) == 7 {
			<-ctx.Done()
			return ctx.Err()
		}
		for _, k := range calls {
			k.Answer("re: "+k.Query, nil)
		}
		return nil
	}
	var callers sync.WaitGroup
	for i := range 300 {
		callers.Go(func() {
			patience := time.Duration(1+i%40) * time.Millisecond
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			start := time.Now()
			q := fmt.Sprintf("%c%d", 'a'+i%26, i)
			got, err := b.submit(ctx, q).Wait(ctx)
			if err == nil && got != "re: "+q {
				t.Errorf("%s got %q", q, got)
			}
			// A busy machine is late as well; a caller who waits for the others' answers waits for ever.
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("%s waited %v for %v", q, took, patience)
			}
		})
	}
	callers.Wait()
	wait.Until(t, "the batcher rests", b.idle)
}
