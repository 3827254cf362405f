package topics

import "time"

// room is what is known of what a cluster holds. The Capacity's lock guards it.
type room struct {
	// brokers are those that were looked at.
	brokers Snapshots
	// load is what the cluster was seen to hold at a time, the zero time when it was never seen. untold says that its brokers do not tell.
	load   Load
	at     time.Time
	untold bool
	// added counts the replicas that were let in since. over are those of them whose requests have ended: they may be there or not. blind
	// are those that were let in while what was seen was too old, since it was seen last: a look that fails shows none of them.
	added, over, blind int64
	// freed says that the cluster was made to hold less since.
	freed bool

	// looking is the look under way. begun counts the looks, seen is the number of the last that has ended, and triedAt when one was begun.
	looking     *look
	begun, seen int
	triedAt     time.Time

	// ended is closed when the next request ends.
	ended  chan struct{}
	users  int
	usedAt time.Time
}

// look is a look at a cluster. done is closed when it has ended.
type look struct {
	done   chan struct{}
	number int
	// over is the room's when it began: what has ended by then shows.
	over   int64
	load   Load
	untold bool
	err    error
}

// verdict is what is said to who wants to add to a cluster.
type verdict int

const (
	// fits lets it in, and fitsUnseen, too, while the cluster is looked at.
	fits verdict = iota
	fitsUnseen
	// full refuses it.
	full
	// early has it wait for those who came before and may not get what they asked for.
	early
	// unseen has it wait for a look.
	unseen
)

// judge tells whether a cluster takes some more partitions, whose replicas are n. fresh says that the cluster was looked at since they were
// asked for.
func (r *room) judge(now time.Time, partitions, replicas int32, perBroker int, fresh bool) (v verdict, n int64) {
	n = r.load.adds(partitions, replicas)
	age, all := now.Sub(r.at), r.load.holds(r.added+n, perBroker)
	switch known := !r.at.IsZero(); {
	case !known || age > loadAge:
		// What is small waits for nobody while the cluster is far from the bound, as it was last seen, and as long as all of it is small, too.
		if r.small(partitions, replicas, n) && (!known || r.untold || all) {
			return fitsUnseen, n
		}
		return unseen, n
	case r.untold, all:
		return fits, n
	case r.load.holds(n, perBroker):
		if r.load.holds(r.added-r.over+n, perBroker) {
			// It depends on what has come of those who have ended.
			return unseen, n
		}
		return early, n
	case fresh, age <= refusalAge && !r.freed:
		return full, n
	}
	return unseen, n
}

// small tells whether some more partitions, whose replicas are n, are few, together with all that was let in unseen before.
func (r *room) small(partitions, replicas int32, n int64) bool {
	return !Large(partitions, replicas) && r.blind+n <= largeRequest
}

func (r *room) letIn(n int64, now time.Time) {
	r.added += n
	if now.Sub(r.at) > loadAge {
		r.blind += n
	}
}

func (r *room) end(n int64) {
	r.over += n
	close(r.ended)
	r.ended = make(chan struct{})
}

// idle tells whether nobody has added to the cluster for long, and nothing is under way. Until then what was seen last tells whether what is
// small may be let in unseen.
func (r *room) idle(now time.Time) bool {
	return r.users == 0 && r.looking == nil && r.added == r.over && now.Sub(r.usedAt) > idleAge
}

func (r *room) begin(now time.Time) *look {
	r.begun++
	r.looking, r.triedAt, r.freed = &look{done: make(chan struct{}), number: r.begun, over: r.over}, now, false
	return r.looking
}

// see takes down what came of a look. What was let in while it lasted may show already, and is counted nevertheless.
func (r *room) see(l *look, err error, now time.Time) {
	r.looking, l.err = nil, err
	if err == nil {
		r.load, r.untold, r.at, r.seen = l.load, l.untold, now, l.number
		r.added, r.over, r.blind = r.added-l.over, r.over-l.over, 0
	} else {
		r.freed = true
	}
	close(l.done)
}
