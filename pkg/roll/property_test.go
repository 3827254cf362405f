package roll_test

import (
	"testing"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/roll"
)

// maxSteps is far more than the longest roll takes.
const maxSteps = 20000

// TestRollToTheEnd: with nothing failing, each node is restarted once and the roll ends, and nothing is lost on the way.
func TestRollToTheEnd(t *testing.T) {
	parallel, joint := 0, 0
	for seed := range uint64(60) {
		s := newSimulated(seed, false)
		steps := 0
		for ; ; steps++ {
			d := s.step()
			if len(d.Restart) > 1 {
				joint++
			}
			if d.Phase == roll.Failed || d.Phase == roll.Blocked {
				t.Fatalf("seed %d: got %+v", seed, d)
			}
			if d.Phase == roll.Done || steps > maxSteps {
				break
			}
			s.tick(time.Second)
		}
		if steps > maxSteps {
			t.Errorf("seed %d: no end", seed)
		}
		for _, n := range s.nodes {
			if s.restarts[n.Name] != 1 || n.Revision != n.Desired || !n.up() || s.lacks(n) {
				t.Errorf("seed %d: %s was restarted %d times and is %v", seed, n.Name, s.restarts[n.Name], n.Node)
			}
		}
		for _, v := range s.violated {
			t.Errorf("seed %d: %s", seed, v)
		}
		if s.o.Parallel == roll.Rack {
			parallel++
		}
	}
	if parallel == 0 || joint == 0 {
		t.Errorf("%d parallel rolls restarted %d racks together", parallel, joint)
	}
}

// TestRollAmongFailures: nodes crash, fall behind and are deleted by others, reads are behind or fail, so do our deletions, and the
// specification changes on the way, now and then to one with which no pod starts. Nothing is
// lost by our doing, and when the failures end, so does the roll.
func TestRollAmongFailures(t *testing.T) {
	for seed := range uint64(60) {
		rollAmongFailures(t, seed)
	}
}

func rollAmongFailures(t *testing.T, seed uint64) {
	s := newSimulated(seed, true)
	for steps := 0; ; steps++ {
		d := s.step()
		// What is done may be undone by what is yet to fail.
		if d.Phase == roll.Done && s.calm {
			break
		}
		if steps > maxSteps {
			t.Fatalf("seed %d: no end, %+v", seed, d)
		}
		if s.calm = steps > 2000; s.calm && s.bad {
			s.change(false)
		}
		s.tick(time.Second)
	}
	for _, n := range s.nodes {
		if n.Revision != n.Desired {
			t.Errorf("seed %d: %s runs the earlier revision: %v", seed, n.Name, n.Node)
		}
	}
	for _, v := range s.violated {
		t.Errorf("seed %d: %s", seed, v)
	}
}

// FuzzRoll is TestRollAmongFailures for any seed.
func FuzzRoll(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { rollAmongFailures(t, seed) })
}
