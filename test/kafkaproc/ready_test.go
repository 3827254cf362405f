package kafkaproc

import (
	"bytes"
	"encoding/binary"
	"testing"
)

func TestParseMetadata(t *testing.T) {
	var answer bytes.Buffer
	write := func(fields ...any) {
		for _, f := range fields {
			if s, ok := f.(string); ok {
				f = append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...)
			}
			if err := binary.Write(&answer, binary.BigEndian, f); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(int32(1), int32(2))
	write(int32(0), "127.0.0.1", int32(9092), int16(-1))
	write(int32(1), "127.0.0.1", int32(9093), "rack-a")
	write(int32(1), int32(0))
	brokers, controller, err := parseMetadata(answer.Bytes())
	if err != nil || brokers != 2 || controller != 1 {
		t.Errorf("got %d brokers, controller %d, %v; want 2, 1", brokers, controller, err)
	}
	for cut := range answer.Len() - 4 {
		if _, _, err := parseMetadata(answer.Bytes()[:cut]); err == nil {
			t.Errorf("no error for an answer cut to %d bytes", cut)
		}
	}
}

func TestInitialControllersAreVotersAtTheirAddresses(t *testing.T) {
	got := initialControllers(identity{DirectoryIDs: []string{"A", "B"}}, []string{"127.0.0.1:4", "127.0.0.1:5"})
	if want := "0@127.0.0.1:4:A,1@127.0.0.1:5:B"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestUUIDsAreKafkas(t *testing.T) {
	for range 1000 {
		if id := newUUID(); len(id) != 22 || id[0] == '-' {
			t.Fatalf("%q is not an id that Kafka's tools take", id)
		}
	}
}

func TestPortsStayWithTheirFolder(t *testing.T) {
	dir := t.TempDir()
	first, err := claimPorts(dir, 4)
	if err != nil {
		t.Fatal(err)
	}
	second, err := claimPorts(dir, 4)
	if err != nil || len(second) != 4 || second[0] != first[0] || second[3] != first[3] {
		t.Errorf("ports %v then %v, %v", first, second, err)
	}
	if _, err := claimPorts(dir, 2); err == nil {
		t.Error("a folder of another size is taken")
	}
}
