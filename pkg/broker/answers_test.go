package broker

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

func lengthOf(n int64) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

// Memory is had for the length that an answer says: an address of somebody else's choice must not choose it.
func TestALongAnswerIsRefusedBeforeItIsRead(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				head := make([]byte, 12)
				if _, err := io.ReadFull(conn, head); err != nil {
					return
				}
				// The answer has the request's number, so that it is one.
				if _, err := conn.Write(append(lengthOf(99<<20), head[8:12]...)); err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, conn)
			}()
		}
	}()
	gateway := New(Options{})
	cluster := gateway.Cluster(Target{Key: "ns/k/uid", Bootstrap: []string{listener.Addr().String()}})
	defer gateway.Forget("ns/k/uid")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = cluster.Describe(t.Context())
	runtime.ReadMemStats(&after)
	if err == nil || !kafkaerr.IsUnreachable(err) || !strings.Contains(err.Error(), "103809024 bytes to ApiVersions") || !strings.Contains(err.Error(), "65536 are accepted") {
		t.Errorf("%v, want an error that names the length and what is accepted", err)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 16<<20 {
		t.Errorf("%d MiB were allocated for it", got>>20)
	}
}

func TestTheLongestAnswerDependsOnTheRequestAndTheBudget(t *testing.T) {
	const mebibyte = 1 << 20
	for _, tc := range []struct {
		key    kmsg.Key
		budget int64
		want   int64
	}{
		{kmsg.ApiVersions, 256 * mebibyte, wire.FreeAnswer},
		{kmsg.SASLAuthenticate, 256 * mebibyte, wire.FreeAnswer},
		{kmsg.DescribeConfigs, 256 * mebibyte, 4 * mebibyte},
		{kmsg.DescribeConfigs, 64 * mebibyte, 2 * mebibyte},
		// 100,000 partitions are 4.8 MB, and the controllers have 512 MiB: a quarter of the limit that Go has of it.
		{kmsg.Metadata, 102 * mebibyte, 51 * mebibyte / 6},
		{kmsg.Metadata, 1 << 40, wire.MaxResponseSize},
	} {
		if got := wire.NewAnswers(tc.budget).Longest(wire.LimitOf(int16(tc.key))); got != tc.want {
			t.Errorf("%s with a budget of %d: %d bytes, want %d", kmsg.NameForKey(int16(tc.key)), tc.budget, got, tc.want)
		}
	}
}

// A cluster that answers much, and never to the end, takes its own share and leaves the others theirs.
func TestAClusterHasItsShareOfTheBudget(t *testing.T) {
	const budget = 96 << 20
	all := wire.NewAnswers(budget)
	abort := func() { t.Error("a connection was cut") }
	open := func(of *wire.Answers) *wire.Intake {
		i := wire.NewIntake(of)
		i.Expect(int16(kmsg.Metadata))
		return i
	}
	greedy, other := all.OfCluster(), all.OfCluster()
	const half = budget / 2 / 6
	first := open(greedy)
	if err := first.Follow(lengthOf(half), abort); err != nil {
		t.Fatal(err)
	}
	// The second of the greedy one waits, whatever the process has left.
	second := open(greedy)
	answered := make(chan error, 1)
	go func() { answered <- second.Follow(lengthOf(half), abort) }()
	third := open(other)
	if err := third.Follow(lengthOf(half), abort); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-answered:
		t.Fatalf("a second answer of one cluster has memory beside the first: %v", err)
	default:
	}
	if all.All.TryAcquire(6 * wire.FreeAnswer) {
		t.Error("there is more memory than the budget")
	}
	// What is small needs none.
	if err := open(other).Follow(append(lengthOf(8), "12345678"...), abort); err != nil {
		t.Error(err)
	}
	first.Late.Stop()
	first.Settle()
	if err := <-answered; err != nil {
		t.Errorf("when the first is decoded: %v", err)
	}
	// A connection that is given up waits no longer.
	fourth := open(other)
	go func() { answered <- fourth.Follow(lengthOf(half), abort) }()
	fourth.Cut(wire.ErrCut)
	if err := <-answered; err != wire.ErrCut {
		t.Errorf("given up: %v", err)
	}
	for _, i := range []*wire.Intake{second, third} {
		i.Late.Stop()
		i.Settle()
		i.Settle()
	}
	if err := all.All.Acquire(t.Context(), budget); err != nil {
		t.Errorf("not all came back: %v", err)
	}
}

// Answers come in pieces of any size.
func TestAnswersAreFollowedThroughPieces(t *testing.T) {
	var stream []byte
	for _, n := range []int{0, 1, 5, 4096, 3} {
		stream = append(append(stream, lengthOf(int64(n))...), make([]byte, n)...)
	}
	for _, size := range []int{1, 3, 4, 7, len(stream)} {
		i := wire.NewIntake(wire.NewAnswers(1 << 20).OfCluster())
		for rest := stream; len(rest) > 0; {
			n := min(size, len(rest))
			if err := i.Follow(rest[:n], func() {}); err != nil {
				t.Fatalf("in pieces of %d: %v", size, err)
			}
			rest = rest[n:]
		}
		if i.Left != 0 || len(i.Head) != 0 {
			t.Errorf("in pieces of %d: %d bytes are missing", size, i.Left)
		}
		if err := i.Follow(lengthOf(wire.FreeAnswer+1), func() {}); err == nil {
			t.Errorf("in pieces of %d: the length after it is not seen", size)
		}
	}
}

// An answer that begins and does not arrive holds what others wait for.
func TestAnAnswerHasToArrive(t *testing.T) {
	i := wire.NewIntake(wire.NewAnswers(wire.DefaultAnswerBytes).OfCluster())
	i.Expect(int16(kmsg.Metadata))
	if err := i.Follow(lengthOf(1<<20), func() {}); err != nil || i.Late == nil {
		t.Fatalf("%v, and nothing ends it", err)
	}
	if err := i.Follow(make([]byte, 1<<20), func() {}); err != nil || i.Late != nil {
		t.Errorf("%v, and it may still be cut when it has arrived", err)
	}
	i.Expect(int16(kmsg.Fetch))
	if err := i.Follow(lengthOf(wire.FreeFetch+1), func() {}); err != nil || i.Late != nil {
		t.Errorf("%v, and records do not wait for their reader", err)
	}
	i.Cut(wire.ErrLate)
	if context.Cause(i.Ctx) != wire.ErrLate {
		t.Errorf("it ends with %v", context.Cause(i.Ctx))
	}
}
