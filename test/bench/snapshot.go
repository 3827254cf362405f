package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"runtime/metrics"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
)

const (
	// overviewTopics and overviewPartitions make a million partitions.
	overviewTopics, overviewPartitions = 100_000, 10
	// heapLook is the time between two looks at the heap.
	heapLook = 2 * time.Millisecond
)

// snapshot1m is how much memory it takes to look at a million partitions once more, with what was kept of the last look: the most that the heap
// has above what it had before the first, garbage included. The broker is a listener of this process that answers from bytes.
func snapshot1m(ctx context.Context, b *bed) (result, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return result{}, err
	}
	defer func() { _ = listener.Close() }()
	scripted := newScripted(listener.Addr().(*net.TCPAddr), b.scaled(overviewTopics))
	go scripted.serve(listener)

	gateway := broker.New(broker.Options{})
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go gateway.Run(ctx)
	cluster := gateway.Cluster(broker.Target{Key: "bench/million/1", Bootstrap: []string{listener.Addr().String()}})
	if _, err := cluster.Describe(ctx); err != nil {
		return result{}, err
	}
	before := liveHeap()
	var most uint64
	for range 2 {
		runtime.GC()
		looked := make(chan error, 1)
		go func() {
			snapshot, err := cluster.Snapshot(ctx, 0)
			if err == nil && len(snapshot.Topics) != b.scaled(overviewTopics) {
				err = fmt.Errorf("the snapshot has %d topics", len(snapshot.Topics))
			}
			looked <- err
		}()
		for open := true; open; {
			select {
			case err := <-looked:
				if err != nil {
					return result{}, err
				}
				open = false
			case <-time.After(heapLook):
			}
			most = max(most, heapBytes())
		}
	}
	return result{Value: (float64(most) - float64(before)) / mebibyte, Unit: "MiB", Goal: 60, BaselineName: fmt.Sprintf(
		"none: most of the heap, garbage included, while %d partitions are looked at a second time; %.0f MiB stay", b.scaled(overviewTopics)*overviewPartitions,
		(float64(liveHeap())-float64(before))/mebibyte)}, nil
}

func liveHeap() uint64 {
	runtime.GC()
	return heapBytes()
}

func heapBytes() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// scripted answers as the one broker of a cluster.
type scripted struct {
	// metadata and none are answers to Metadata, about all topics and about none of them.
	metadata, none []byte
	versions       *kmsg.ApiVersionsResponse
}

const scriptedMetadata = 12

func newScripted(address *net.TCPAddr, topics int) *scripted {
	s := &scripted{versions: kmsg.NewPtrApiVersionsResponse()}
	for key, newest := range map[kmsg.Key]int16{kmsg.ApiVersions: 3, kmsg.Metadata: scriptedMetadata} {
		offered := kmsg.NewApiVersionsResponseApiKey()
		offered.ApiKey, offered.MaxVersion = int16(key), newest
		s.versions.ApiKeys = append(s.versions.ApiKeys, offered)
	}
	resp := kmsg.NewPtrMetadataResponse()
	resp.SetVersion(scriptedMetadata)
	id := "bench-million"
	resp.ClusterID = &id
	one := kmsg.NewMetadataResponseBroker()
	one.NodeID, one.Host, one.Port = 0, address.IP.String(), int32(address.Port)
	resp.Brokers = append(resp.Brokers, one)
	s.none = resp.AppendTo(nil)
	for n := range topics {
		topic := kmsg.NewMetadataResponseTopic()
		name := fmt.Sprintf("team-%03d.orders-%06d", n%300, n)
		topic.Topic = &name
		binary.BigEndian.PutUint32(topic.TopicID[:], uint32(n)+1)
		for i := range int32(overviewPartitions) {
			p := kmsg.NewMetadataResponseTopicPartition()
			p.Partition, p.Leader, p.Replicas, p.ISR = i, 0, []int32{0, 1, 2}, []int32{0, 1, 2}
			topic.Partitions = append(topic.Partitions, p)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	s.metadata = resp.AppendTo(nil)
	return s
}

func (s *scripted) serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = conn.Close() }()
			for s.answer(conn) == nil {
			}
		}()
	}
}

// answer answers one request.
func (s *scripted) answer(conn net.Conn) error {
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return err
	}
	request := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(conn, request); err != nil {
		return err
	}
	if len(request) < 10 {
		return io.ErrUnexpectedEOF
	}
	key, version := int16(binary.BigEndian.Uint16(request)), int16(binary.BigEndian.Uint16(request[2:]))
	header := request[4:8:8]
	var body []byte
	switch kmsg.Key(key) {
	case kmsg.ApiVersions:
		answer := *s.versions
		if answer.Version = version; version > 3 {
			answer.Version, answer.ErrorCode = 0, 35
		}
		body = answer.AppendTo(nil)
	case kmsg.Metadata:
		header = append(header, 0)
		if body = s.none; version == scriptedMetadata && asksForAll(request) {
			body = s.metadata
		}
	default:
		return fmt.Errorf("request %d is not offered", key)
	}
	binary.BigEndian.PutUint32(size[:], uint32(len(header)+len(body)))
	for _, part := range [][]byte{size[:], header, body} {
		if _, err := conn.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// asksForAll tells whether a Metadata request names no topics: its array is null.
func asksForAll(request []byte) bool {
	// Behind the client's id are the tags of the header.
	at := 10 + int(int16(binary.BigEndian.Uint16(request[8:]))) + 1
	return at < len(request) && request[at] == 0
}
