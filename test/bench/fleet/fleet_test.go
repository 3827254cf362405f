package fleet

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func newCluster(t *testing.T) (*Cluster, *kgo.Client) {
	t.Helper()
	f, err := Start(Options{Clusters: 1, Brokers: 1, Host: "127.0.0.1", Topics: []string{"orders"}, Partitions: 3, Hold: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(f.Clusters[0].Addresses()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return f.Clusters[0], client
}

func metadata(ctx context.Context, client *kgo.Client) error {
	_, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, client)
	return err
}

func create(ctx context.Context, client *kgo.Client, name string) error {
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, 1, 1
	request := kmsg.NewPtrCreateTopicsRequest()
	request.Topics = append(request.Topics, topic)
	_, err := request.RequestWith(ctx, client)
	return err
}

func TestOpenHasItsTopics(t *testing.T) {
	c, client := newCluster(t)
	if err := create(t.Context(), client, "payments"); err != nil {
		t.Fatal(err)
	}
	ids, err := c.TopicIDs(t.Context())
	if err != nil || len(ids) != 2 || len(ids["orders"]) != 22 || ids["orders"] == ids["payments"] {
		t.Errorf("the topics are %v, %v", ids, err)
	}
}

// It answers reads, and writes once it is no longer slow.
func TestSlow(t *testing.T) {
	c, client := newCluster(t)
	if err := c.Set(Slow); err != nil {
		t.Fatal(err)
	}
	created := make(chan error, 1)
	go func() { created <- create(t.Context(), client, "payments") }()
	for range 20 {
		if err := metadata(t.Context(), client); err != nil {
			t.Fatal(err)
		}
	}
	if ids, err := c.TopicIDs(t.Context()); err != nil || len(ids) != 1 {
		t.Errorf("the topics are %v, %v, want that nothing was created", ids, err)
	}
	if err := c.Set(Open); err != nil {
		t.Fatal(err)
	}
	if err := <-created; err != nil {
		t.Error(err)
	}
	if ids, err := c.TopicIDs(t.Context()); err != nil || len(ids) != 2 {
		t.Errorf("the topics are %v, %v, want the one that was held, too", ids, err)
	}
}

// It accepts connections and says nothing, over those that are there and over new ones, and answers what it was asked once it is open again.
func TestSilent(t *testing.T) {
	c, _ := newCluster(t)
	address := c.Addresses()[0]
	before, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	if err := c.Set(Silent); err != nil {
		t.Fatal(err)
	}
	after, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatalf("a silent cluster refuses: %v", err)
	}
	defer after.Close()
	request := kmsg.NewRequestFormatter().AppendRequest(nil, kmsg.NewPtrApiVersionsRequest(), 1)
	for _, conn := range []net.Conn{before, after} {
		if _, err := conn.Write(request); err != nil {
			t.Fatal(err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a silent cluster says something: %v", err)
		}
	}
	if err := c.Set(Open); err != nil {
		t.Fatal(err)
	}
	for _, conn := range []net.Conn{before, after} {
		if err := conn.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Errorf("a question from before is not answered: %v", err)
		}
	}
}

// It refuses connections, ends those that are there, and comes back at the same address.
func TestRefusing(t *testing.T) {
	c, client := newCluster(t)
	conn, err := net.Dial("tcp", c.Addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := metadata(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	address := c.Addresses()[0]
	if err := c.Set(Refusing); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("a connection is still there")
	}
	if other, err := net.Dial("tcp", address); err == nil {
		other.Close()
		t.Error("it accepts connections")
	}
	if err := c.Set(Open); err != nil {
		t.Fatal(err)
	}
	if err := metadata(t.Context(), client); err != nil {
		t.Errorf("it does not answer at %s: %v", address, err)
	}
}
