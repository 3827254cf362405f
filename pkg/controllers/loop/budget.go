package loop

import (
	"context"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

const (
	// DefaultSyncs is what the priority and fairness of a kube-apiserver takes at once from one account: each sync has one request in flight
	// at most.
	DefaultSyncs = 256
	// DefaultAsides is some 50 MiB of objects, goroutines and calls that wait for brokers.
	DefaultAsides = 4096
	// leastLanes is how many lanes can always step aside together: one alone does not fill the whole budget.
	leastLanes = 4
)

// Budget bounds what all loops that share it do at the same time, however many lanes they have. Lanes take turns, so that none waits
// for all the work of another.
//
// A sync holds a seat while it works. While it is aside (Loop.Aside) it holds none and counts as aside until it has a seat again, so that
// there are never more than both numbers together. One that may not step aside keeps its seat, and none of those that wait for a seat holds
// anything that one with a seat waits for: so all of them end.
type Budget struct {
	mu sync.Mutex
	// syncs and asides are the bounds.
	syncs, asides int
	// syncing are the syncs with a seat, aside those that have stepped aside.
	syncing, aside int
	// lanes is the number of lanes of all loops, turns those of them that want a seat, in their order.
	lanes int
	turns []*lane
}

// NewBudget returns a budget of so many syncs at work, and so many aside.
func NewBudget(syncs, asides int) *Budget {
	return &Budget{syncs: max(syncs, 1), asides: asides}
}

// lane is the work of one lane: how many are at it, and the keys that came when all were. The budget's lock is held for all of it.
type lane struct {
	loop *Loop
	name string
	// busy hold a place in the lane, and a seat of the budget with it.
	busy    int
	waiting []types.NamespacedName
	// aside is how many have stepped aside, and returning those of them who wait for a place.
	aside     int
	returning []chan struct{}
	// turn says that the lane is among the budget's turns.
	turn bool
}

// wants tells whether somebody of the lane could go on if the budget had a seat.
func (at *lane) wants() bool {
	return at.busy < at.loop.opts.Workers && len(at.returning)+len(at.waiting) > 0
}

// next gives a place, with its seat, to one of the lane: those who return come first, because others of their lane wait for them.
func (at *lane) next() {
	at.busy++
	if len(at.returning) > 0 {
		close(at.returning[0])
		at.returning = at.returning[1:]
		return
	}
	key := at.waiting[0]
	at.waiting = at.waiting[1:]
	at.loop.waiting--
	at.loop.start(at, key)
}

// serve gives seats to lanes that want one, in turns.
func (b *Budget) serve() {
	for b.syncing < b.syncs && len(b.turns) > 0 {
		at := b.turns[0]
		b.turns[0] = nil
		b.turns = b.turns[1:]
		at.turn = false
		if !at.wants() {
			continue
		}
		b.syncing++
		at.next()
		b.queue(at)
	}
}

// queue puts a lane that wants a seat behind the others that do.
func (b *Budget) queue(at *lane) {
	if !at.turn && at.wants() {
		at.turn = true
		b.turns = append(b.turns, at)
	}
}

// add has a key wait for its turn.
func (b *Budget) add(l *Loop, name string, key types.NamespacedName) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l.stopped {
		return
	}
	at := l.lanes[name]
	if at == nil {
		at = &lane{loop: l, name: name}
		l.lanes[name] = at
		b.lanes++
	}
	at.waiting = append(at.waiting, key)
	l.waiting++
	b.queue(at)
	b.serve()
}

// leave gives a place and its seat back.
func (b *Budget) leave(at *lane) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at.busy--
	b.syncing--
	b.passOn(at)
}

// passOn lets others have what a lane has given back, and forgets a lane that nobody is in.
func (b *Budget) passOn(at *lane) {
	if at.busy+at.aside+len(at.waiting) == 0 && at.loop.lanes[at.name] == at {
		delete(at.loop.lanes, at.name)
		b.lanes--
	}
	b.queue(at)
	b.serve()
}

// stepAside gives back a place and its seat for a while, unless too many are aside: no lane has more than its share of what all may have.
func (b *Budget) stepAside(p *place) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	share := max(b.asides/max(b.lanes, leastLanes), 1)
	if p.aside || b.aside >= b.asides || p.lane.aside >= share {
		return false
	}
	p.aside = true
	b.aside++
	p.lane.aside++
	p.lane.busy--
	b.syncing--
	b.passOn(p.lane)
	return true
}

// comeBack waits for a place and its seat.
func (b *Budget) comeBack(p *place) {
	free := make(chan struct{})
	b.mu.Lock()
	p.lane.returning = append(p.lane.returning, free)
	b.queue(p.lane)
	b.serve()
	b.mu.Unlock()
	<-free
	b.mu.Lock()
	defer b.mu.Unlock()
	p.aside = false
	p.lane.aside--
	b.aside--
}

// stop drops the keys of a loop that wait. Its syncs end by themselves.
func (b *Budget) stop(l *Loop) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.stopped = true
	l.waiting = 0
	for name, at := range l.lanes {
		at.waiting = nil
		if at.busy+at.aside == 0 {
			delete(l.lanes, name)
			b.lanes--
		}
	}
	b.turns = slices.DeleteFunc(b.turns, func(at *lane) bool {
		at.turn = at.wants()
		return !at.turn
	})
}

// place is what a sync has in its context: its lane, and whether it is aside.
type place struct {
	lane  *lane
	aside bool
}

// placeIn is the key of the place.
type placeIn struct{ loop *Loop }

func (l *Loop) placeOf(ctx context.Context) (*place, bool) {
	p, ok := ctx.Value(placeIn{l}).(*place)
	return p, ok
}
