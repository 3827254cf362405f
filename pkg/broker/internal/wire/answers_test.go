package wire

import (
	"encoding/binary"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Answers that fit into the budget one by one, and not all at once, do not each hold a part of it and wait for what the others have.
func TestAnswersThatGrowDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	// Four lists of 100,000 topics, of 8 MiB each and 33 with what is kept.
	const length, kept, step = 8 << 20, 25 << 20, 1 << 20
	all := NewAnswers(100 << 20)
	var head [4]byte
	binary.BigEndian.PutUint32(head[:], length)
	var begun, reading sync.WaitGroup
	begun.Add(1)
	for range 4 {
		reading.Go(func() {
			i := NewIntake(all.OfCluster())
			defer i.Settle()
			i.Expect(int16(kmsg.Metadata))
			i.Weigh(1, 8)
			begun.Wait()
			if err := i.Follow(head[:], func() {}); err != nil {
				t.Error(err)
				return
			}
			for got := 0; got < kept; got += step {
				if err := i.Charge(step); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	begun.Done()
	reading.Wait()
}
