//go:build integration

package broker

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkarecord"
)

// consoleTools are Kafka's own console tools and how they are told what to show. 4.2 gave the options other names.
func (r realCluster) consoleTools() (producer, consumer, reader, formatter string) {
	if r.kraft {
		return "org.apache.kafka.tools.ConsoleProducer", "org.apache.kafka.tools.consumer.ConsoleConsumer", "--reader-property", "--formatter-property"
	}
	return "kafka.tools.ConsoleProducer", "org.apache.kafka.tools.consumer.ConsoleConsumer", "--property", "--property"
}

// What Kafka's own console tools write is read here, and they show what is written here.
func TestRealRecordsAreTheSameForKafkasOwnTools(t *testing.T) {
	forEachCluster(t, func(t *testing.T, r realCluster) {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		defer cancel()
		name := topicName(t)
		mustCreate(t, r.cluster, NewTopic{Name: name, Partitions: 1, Replicas: 3})
		bootstrap := strings.Join(r.process.Bootstrap(), ",")
		producer, consumer, reader, formatter := r.consoleTools()
		var wanted []string
		// show is a record as the console consumer shows it.
		show := func(headers, key, value string) {
			wanted = append(wanted, fmt.Sprintf("Offset:%d\t%s\t%s\t%s", len(wanted), headers, key, value))
		}
		for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
			input := "a:1,a:2,b:NULL\tkey " + codec + "\tvalue\n" + "NULL\tNULL\tno key\n" + "a:\ttombstone\tNULL\n" + "NULL\t\t\n"
			args := []string{"--bootstrap-server", bootstrap, "--topic", name, "--compression-codec", codec, reader, "parse.key=true", reader, "parse.headers=true",
				reader, "null.marker=NULL"}
			if out, err := r.process.ToolInput(ctx, []byte(input), producer, args...); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			show("a:1,a:2,b:null", "key "+codec, "value")
			show("NO_HEADERS", "null", "no key")
			show("a:", "tombstone", "null")
			show("NO_HEADERS", "", "")
		}
		topic, _, err := r.cluster.Topic(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Now()
		written, err := r.cluster.Produce(ctx, topic, []kafkarecord.NewRecord{
			{Key: []byte("key"), Value: []byte("ours"), Timestamp: at, Headers: []kafkarecord.Header{{Name: "a", Value: []byte("1")}, {Name: "a"}, {Name: "b", Value: []byte{}}}},
			{Value: []byte("no key"), Timestamp: at}, {Key: []byte("tombstone"), Timestamp: at}, {Key: []byte{}, Value: []byte{}, Timestamp: at},
		}, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range written {
			if w.Err != nil {
				t.Fatal(w.Err)
			}
		}
		show("a:1,a:null,b:", "key", "ours")
		show("NO_HEADERS", "null", "no key")
		show("NO_HEADERS", "tombstone", "null")
		show("NO_HEADERS", "", "")

		got := &notes{}
		if err := r.cluster.Read(ctx, topic, Reading{From: map[int32]int64{0: 0}, Until: map[int32]int64{0: int64(len(wanted))}}, got); err != nil {
			t.Fatal(err)
		}
		var here []string
		for _, record := range got.records {
			here = append(here, consoleLine(record))
		}
		out, err := r.process.Tool(ctx, consumer, "--bootstrap-server", bootstrap, "--topic", name, "--from-beginning", "--max-messages", fmt.Sprint(len(wanted)),
			"--timeout-ms", "60000", formatter, "print.key=true", formatter, "print.headers=true", formatter, "print.offset=true", formatter, "null.literal=null")
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		var there []string
		for line := range strings.Lines(string(out)) {
			if strings.HasPrefix(line, "Offset:") {
				there = append(there, strings.TrimSuffix(line, "\n"))
			}
		}
		if len(here) != len(wanted) || len(there) != len(wanted) {
			t.Fatalf("%d records are read here, and %d by the console consumer, want %d", len(here), len(there), len(wanted))
		}
		for i, want := range wanted {
			if here[i] != want || there[i] != want {
				t.Errorf("record %d is %q here, %q for the console consumer, and %q was written", i, here[i], there[i], want)
			}
		}
	})
}

// consoleLine is a record as the console consumer shows it.
func consoleLine(r kafkarecord.Record) string {
	text := func(b []byte) string {
		if b == nil {
			return "null"
		}
		return string(b)
	}
	headers := "NO_HEADERS"
	for i, h := range r.Headers {
		if i == 0 {
			headers = h.Name + ":" + text(h.Value)
		} else {
			headers += "," + h.Name + ":" + text(h.Value)
		}
	}
	return fmt.Sprintf("Offset:%d\t%s\t%s\t%s", r.Offset, headers, text(r.Key), text(r.Value))
}
