// Package faults writes records through the API while brokers fail, and then checks what was answered against what is there.
package faults

import (
	"fmt"
	"slices"
	"sync"
)

// Outcome is what was answered about a record.
type Outcome int

const (
	// Written says that the record is there.
	Written Outcome = iota
	// Refused says that it is not.
	Refused
	// Unknown says that it may be.
	Unknown
)

// Place is where a record is.
type Place struct {
	Partition int32
	Offset    int64
}

// Ledger keeps what was answered about each record. Values are unique, and may be noted once.
type Ledger struct {
	mu      sync.Mutex
	answers map[string]answer
}

type answer struct {
	outcome Outcome
	// place is where a record was said to be; nil when it was not said.
	place *Place
}

// Note takes an answer down.
func (l *Ledger) Note(value string, outcome Outcome, place *Place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.answers == nil {
		l.answers = map[string]answer{}
	}
	l.answers[value] = answer{outcome, place}
}

// Counts says how often each outcome was answered.
func (l *Ledger) Counts() map[Outcome]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := map[Outcome]int{}
	for _, a := range l.answers {
		counts[a.outcome]++
	}
	return counts
}

// Report is how answers and records go together.
type Report struct {
	Written, Refused, Unknown int
	// UnknownThere are those of unknown outcome that are there.
	UnknownThere int
	// Faults are the answers that were not true, sorted.
	Faults []string
}

func (r Report) String() string {
	return fmt.Sprintf("%d written, %d not written, %d of unknown outcome, of which %d are there; %d answers were not true",
		r.Written, r.Refused, r.Unknown, r.UnknownThere, len(r.Faults))
}

// Check compares the answers with the records that another client has read: each record answered as written is there exactly once, where
// it was said to be; none answered as not written is there; one of unknown outcome is there at most once; and nothing else is there.
func (l *Ledger) Check(read map[string][]Place) Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	var r Report
	fault := func(format string, args ...any) { r.Faults = append(r.Faults, fmt.Sprintf(format, args...)) }
	for value, a := range l.answers {
		places := read[value]
		if len(places) > 1 {
			fault("%s is there %d times: %v", value, len(places), places)
		}
		switch a.outcome {
		case Written:
			r.Written++
			if len(places) == 0 {
				fault("%s was answered as written and is not there", value)
			} else if a.place != nil && !slices.Contains(places, *a.place) {
				fault("%s was answered as written at %v and is at %v", value, *a.place, places)
			}
		case Refused:
			r.Refused++
			if len(places) > 0 {
				fault("%s was answered as not written and is at %v", value, places)
			}
		case Unknown:
			r.Unknown++
			if len(places) > 0 {
				r.UnknownThere++
			}
		}
	}
	for value, places := range read {
		if _, sent := l.answers[value]; !sent {
			fault("%q is at %v, and nobody has sent it", value, places)
		}
	}
	slices.Sort(r.Faults)
	return r
}
