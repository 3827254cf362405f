package records

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// Silence is since when a partition's leader has answered without any record although the partition is not read to its end. One such answer
// says nothing: brokers give it when a quota is used up (KafkaApis.handleFetchRequest), and when what is in tiered storage did not arrive
// within remote.fetch.max.wait.ms (DelayedRemoteFetch.onComplete); other servers have reasons of their own.
type Silence struct {
	Answers int
	since   time.Time
}

// MinSilentAnswers is how many answers in a row have to bring nothing, however long each takes.
const MinSilentAnswers = 3

// Add counts one more answer. The time that a broker asks to be left alone for is not held against it.
func (s *Silence) Add(throttle time.Duration) {
	if s.Answers++; s.Answers == 1 {
		s.since = time.Now()
	}
	s.since = s.since.Add(throttle)
}

func (s *Silence) Lasts(patience time.Duration) bool {
	return s.Answers >= MinSilentAnswers && time.Since(s.since) >= patience
}

// silent takes note of an answer that brought nothing of a partition before its end, and is the error when there were too many. That nothing is
// there cannot be told from them: the log's last offsets may be empty, as those of a log are that was compacted up to an open transaction
// (LocalLog.read finds no batch below the last stable offset then), and a record may be there that is not handed out.
func (r *reading) silent(p *position, throttle time.Duration, stable int64) error {
	p.silence.Add(throttle)
	if !p.silence.Lasts(r.c.Opts.ReadPatience) {
		return nil
	}
	text := fmt.Sprintf("the brokers have handed out nothing from offset %d on for %v, and reading was to go on to %d", p.next, r.c.Opts.ReadPatience, p.end)
	if stable < p.end {
		text = fmt.Sprintf("its committed records end at offset %d now, before %d, where they ended when reading began", stable, p.end)
	}
	return kafkaerr.New(kafkaerr.OpRead, transport.PartitionObject(r.topic.Name, p.id), kafkaerr.OffsetNotAvailable, &text, 0)
}

// isEmpty tells whether an answer brought nothing at all.
func isEmpty(resp *kmsg.FetchResponse) bool {
	for _, t := range resp.Topics {
		for _, part := range t.Partitions {
			if len(part.RecordBatches) > 0 {
				return false
			}
		}
	}
	return true
}
