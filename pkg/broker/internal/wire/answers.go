package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/semaphore"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// Whoever may create a Kafka names the addresses that this process connects to. What they answer is decoded into many times its bytes, so
// an answer is judged by its length before there is memory for it.

const (
	// MaxResponseSize bounds any answer, also when there is no budget that would.
	MaxResponseSize = 100 << 20
	// DefaultAnswerBytes is the budget of a process that does not name one.
	DefaultAnswerBytes = 256 << 20
	// FreeAnswer is the length of answers that need no budget: the connections of a cluster bound how many of them there are.
	FreeAnswer = 64 << 10
	// FreeFetch is the same for records: what one fetch should bring, twice.
	FreeFetch = 2 * FetchBytes
	// FetchBytes is what one answer with records should bring; a batch that is larger comes whole all the same.
	FetchBytes = 1 << 20
	// answerGrace and answerRate bound how long an answer with a part of the budget may take to arrive.
	answerGrace = 10 * time.Second
	answerRate  = 1 << 20 // bytes a second
)

// ErrLate is what reading ends with when an answer that others may be waiting for does not arrive.
var ErrLate = errors.New("the answer began and did not arrive in time")

// answerLimit is what is accepted as the answer to a kind of request.
type answerLimit struct {
	// max is the longest answer in bytes.
	max int64
	// weight is how much memory a byte of it takes when it is decoded, measured on honest ones.
	weight int64
}

// smallAnswers are those of a handshake, during which nobody waits for a budget, and others of fixed content.
var smallAnswers = map[int16]bool{
	int16(kmsg.ApiVersions): true, int16(kmsg.SASLHandshake): true, int16(kmsg.SASLAuthenticate): true, int16(kmsg.InitProducerID): true,
}

// LimitOf is the limit for the answers to a kind of request.
func LimitOf(key int16) answerLimit {
	switch {
	case smallAnswers[key]:
		return answerLimit{max: FreeAnswer, weight: 16}
	case key == int16(kmsg.Metadata):
		// 47 bytes a partition, of which decoding makes some 250.
		return answerLimit{max: MaxResponseSize, weight: 6}
	case key == int16(kmsg.Fetch):
		// A batch that is larger than what was asked for comes whole, and one record of it is in memory as well.
		return answerLimit{max: MaxResponseSize, weight: 2}
	}
	// Requests about many things are sent in parts, and brokers have limits of their own for what one of them may name.
	return answerLimit{max: 4 << 20, weight: 16}
}

// Answers are the budgets, in bytes of memory, for what brokers answer.
type Answers struct {
	// All is what all clusters have, and own the share of one: a cluster that answers much delays itself first.
	All, own *semaphore.Weighted
	share    int64
	// records is what all clusters have for answers with records, which whoever reads a log slowly may hold for long.
	records *semaphore.Weighted
}

func NewAnswers(bytes int64) *Answers {
	return &Answers{All: semaphore.NewWeighted(bytes), records: semaphore.NewWeighted(bytes / 2), share: bytes / 2}
}

// OfCluster are the budgets as one more cluster has them.
func (a *Answers) OfCluster() *Answers {
	one := *a
	one.own = semaphore.NewWeighted(a.share)
	return &one
}

// Longest is the longest answer that is accepted; more than half of the budget is none's.
func (a *Answers) Longest(limit answerLimit) int64 { return min(limit.max, a.share/limit.weight) }

// take waits until an answer that takes so many bytes of memory may be read, and returns what gives them back.
func (a *Answers) take(ctx context.Context, fetch bool, bytes int64) (give func(), err error) {
	if fetch {
		if err := a.records.Acquire(ctx, bytes); err != nil {
			return nil, context.Cause(ctx)
		}
		return func() { a.records.Release(bytes) }, nil
	}
	if err := a.own.Acquire(ctx, bytes); err != nil {
		return nil, context.Cause(ctx)
	}
	if err := a.All.Acquire(ctx, bytes); err != nil {
		a.own.Release(bytes)
		return nil, context.Cause(ctx)
	}
	return func() {
		a.All.Release(bytes)
		a.own.Release(bytes)
	}, nil
}

// Intake follows the answers on a connection: each is four bytes of length, and as many as they say.
type Intake struct {
	answers *Answers
	// Ctx ends when the connection is cut.
	Ctx context.Context
	Cut context.CancelCauseFunc
	// key is the kind of the request in flight; before there is any it is that of the handshake.
	key atomic.Int32
	// weight is what a byte of the answer to it takes where that is not what LimitOf says; 0 where it is.
	weight atomic.Int64
	// most is what a byte of the answer may take while it is read, which is asked for before it is; 0 for the same.
	most atomic.Int64
	// Head are the first bytes of an answer's length, and left is how much of an answer is still to come.
	Head []byte
	Left int64
	// Late cuts the connection when an answer does not arrive.
	Late *time.Timer
	held atomic.Pointer[func()]
	// length is that of the answer that is being read, charged is what it takes of the budget, and had what it was given.
	length, charged, had int64
	// refused is why an answer is not read. sarama would go on behind its length.
	refused atomic.Pointer[error]
}

func NewIntake(answers *Answers) *Intake {
	i := &Intake{answers: answers}
	i.Ctx, i.Cut = context.WithCancelCause(context.Background())
	i.Expect(int16(kmsg.ApiVersions))
	return i
}

// Expect says what the next answer is to.
func (i *Intake) Expect(key int16) {
	i.key.Store(int32(key))
	i.weight.Store(0)
	i.most.Store(0)
}

// Weigh says how much memory a byte of the next answer takes at least, and what it may take with what is charged. It has that before it is read:
// answers that each had a part of the budget, and waited for more, would wait for each other.
func (i *Intake) Weigh(weight, most int64) {
	i.weight.Store(weight)
	i.most.Store(most)
}

func (i *Intake) limit() answerLimit {
	limit := LimitOf(int16(i.key.Load()))
	if weight := i.weight.Load(); weight > 0 {
		limit.weight = weight
	}
	return limit
}

// Settle gives back the memory of the last answer, which nobody has any more.
func (i *Intake) Settle() {
	if give := i.held.Swap(nil); give != nil {
		(*give)()
	}
}

// Refusal is why an answer was not read, nil when all were.
func (i *Intake) Refusal() error {
	if refused := i.refused.Load(); refused != nil {
		return *refused
	}
	return nil
}

// Follow is called with all that is read. Its error is about an answer that is not to be read.
func (i *Intake) Follow(b []byte, abort func()) error {
	for len(b) > 0 {
		if i.Left > 0 {
			n := min(int64(len(b)), i.Left)
			b = b[n:]
			if i.Left -= n; i.Left == 0 && i.Late != nil {
				i.Late.Stop()
				i.Late = nil
			}
			continue
		}
		n := min(4-len(i.Head), len(b))
		i.Head = append(i.Head, b[:n]...)
		b = b[n:]
		if len(i.Head) == 4 {
			i.Left = int64(binary.BigEndian.Uint32(i.Head))
			i.Head = i.Head[:0]
			if err := i.admit(i.Left, abort); err != nil {
				return err
			}
		}
	}
	return nil
}

// admit waits until an answer of so many bytes may be read.
func (i *Intake) admit(length int64, abort func()) error {
	key, limit := int16(i.key.Load()), i.limit()
	i.length, i.charged, i.had = length, 0, 0
	if most := i.answers.Longest(limit); length > most {
		if smallAnswers[key] {
			// No broker answers that.
			return fmt.Errorf("an answer of %d bytes to %s; at most %d are accepted", length, kmsg.NameForKey(key), most)
		}
		return &kafkaerr.TooLongError{Request: kmsg.NameForKey(key), Length: length, Most: most}
	}
	fetch := key == int16(kmsg.Fetch)
	if length <= FreeAnswer || fetch && length <= FreeFetch {
		return nil
	}
	had := length * limit.weight
	if most := i.most.Load(); most > limit.weight {
		had = min(length*most, i.answers.share)
	}
	give, err := i.answers.take(i.Ctx, fetch, had)
	if err != nil {
		return err
	}
	i.Settle()
	i.charged, i.had = length*limit.weight, had
	if err := i.hold(give); err != nil {
		return err
	}
	if !fetch {
		// What a fetch brings waits in the socket for its turn, which has a limit of its own.
		i.Late = time.AfterFunc(answerGrace+time.Duration(length/answerRate)*time.Second, func() {
			i.Cut(ErrLate)
			abort()
		})
	}
	return nil
}

// hold keeps what gives back a part of the budget until the answer is settled.
func (i *Intake) hold(give func()) error {
	if before := i.held.Load(); before != nil {
		last := give
		give = func() { last(); (*before)() }
	}
	i.held.Store(&give)
	if i.Ctx.Err() != nil {
		// Whoever cut the connection may have settled before.
		i.Settle()
		return context.Cause(i.Ctx)
	}
	return nil
}

// Charge takes so much more of the budget for the answer that is being read. It is for whoever reads it.
func (i *Intake) Charge(bytes int64) error {
	if i.charged += bytes; i.charged > i.answers.share {
		key := kmsg.NameForKey(int16(i.key.Load()))
		return &kafkaerr.TooLongError{Request: key, Length: i.length, Most: max(0, i.length-i.Left)}
	}
	if i.charged <= i.had {
		return nil
	}
	// Of an answer that was small enough to need none, or takes more than any should.
	i.had += bytes
	give, err := i.answers.take(i.Ctx, false, bytes)
	if err != nil {
		return err
	}
	return i.hold(give)
}
