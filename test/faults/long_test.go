//go:build long

package faults

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// lasting is how long a fault is repeated.
const lasting = 2 * time.Minute

// What ends with the leaders that move is tampered with, because nothing else disturbs the brokers then.
var faults = []fault{{"broker-frozen", freeze}, {"broker-killed", restart}, {"broker-cut-off-from-controllers", isolate}, {"disk-full", fill}, {"leaders-moved", moveLeaders}}

// prepare gives a folder a small file system of its own.
func prepare(t *testing.T, folder string) {
	if err := unix.Mount("tmpfs", folder, "tmpfs", 0, "size=256m"); err != nil {
		t.Fatalf("mount a small file system, which takes root: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(folder, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// isolate cuts a broker off from all controllers until they have fenced it. Clients and the other brokers reach it all the time.
func isolate(t *testing.T, b *bed, topic string, round int) {
	cut := round % brokers
	if b.doors.callersOf(cut) == 0 {
		t.Fatalf("nothing of broker %d goes through the doors of controllers", cut)
	}
	b.doors.isolate(cut)
	defer b.doors.heal()
	b.fenced(t, topic, cut)
	if b.Kafka.Broker(cut).PID() == 0 {
		t.Errorf("broker %d has ended", cut)
	}
	pause(t.Context(), 2*time.Second)
	b.doors.heal()
	b.alive(t, topic, cut)
}

// fill fills the disk of broker 0, which ends by that, and starts the broker again when there is room.
func fill(t *testing.T, b *bed, _ string, _ int) {
	filler := filepath.Join(b.small, "filler")
	file, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(filler)
	chunk := make([]byte, 1<<20)
	for err == nil {
		_, err = file.Write(chunk)
		if err != nil && len(chunk) > 1 {
			chunk, err = chunk[:len(chunk)/2], nil
		}
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-b.Kafka.Broker(0).Done():
	case <-time.After(patience):
		t.Fatal("the broker lives on without room on its disk")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	b.start(t, 0)
}
