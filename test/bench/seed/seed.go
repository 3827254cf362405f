// Package seed fills the etcd of an API server that is stopped: a hundred thousand topics within half a minute, which through the API take a
// quarter of an hour. What it writes is what the API server has stored for one topic, many times.
package seed

import (
	"context"
	"errors"
	"fmt"
	"path"
	"sync"

	"github.com/google/uuid"
	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/storage/storagebackend"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

const (
	// chunk is how many topics are written in one commit; etcd allows 128 operations.
	chunk = 100
	// writers is how many commits are under way at once: etcd writes what comes together to disk together.
	writers = 64
	// objects is where k8s.io/apiserver puts the objects of the resource, below the prefix of everything and above their namespaces.
	objects = kafka.GroupName + "/kafkatopics"
)

// Storage is the embedded etcd of an API server that is stopped.
type Storage struct {
	etcd   *storage.Embedded
	client *clientv3.Client
	claims *storage.Claims
	prefix string
}

// Open starts an etcd on the folder and with the prefix that the API server uses. It fails while the server runs.
func Open(ctx context.Context, dir, prefix string) (*Storage, error) {
	etcd, err := storage.StartEmbedded(ctx, dir)
	if err != nil {
		return nil, err
	}
	client, err := storage.NewClient(storagebackend.TransportConfig{ServerList: []string{etcd.Endpoint()}})
	if err != nil {
		etcd.Close()
		return nil, err
	}
	return &Storage{etcd: etcd, client: client, claims: storage.NewClaims(client, prefix), prefix: prefix}, nil
}

// Close stops the etcd.
func (s *Storage) Close() error {
	err := s.client.Close()
	s.etcd.Close()
	return err
}

// Topic is a topic to write.
type Topic struct {
	// Name is that of the object.
	Name string
	// ID is Kafka's id of the topic; it is left out when the template's object has none.
	ID string
}

// Copy writes topics that are stored as the KafkaTopic of a name is, each with its claim. The template has no spec.topicName.
func (s *Storage) Copy(ctx context.Context, template types.NamespacedName, topics []Topic) error {
	prefix := path.Join("/", s.prefix, objects, template.Namespace) + "/"
	codec := apiserver.Codecs.LegacyCodec(v1beta1.SchemeGroupVersion)
	got, err := s.client.Get(ctx, prefix+template.Name)
	if err != nil {
		return fmt.Errorf("read KafkaTopic %s: %w", template, err)
	}
	if len(got.Kvs) == 0 {
		return fmt.Errorf("read KafkaTopic %s: it is not stored", template)
	}
	decoded, err := runtime.Decode(codec, got.Kvs[0].Value)
	if err != nil {
		return fmt.Errorf("decode KafkaTopic %s: %w", template, err)
	}
	stored, ok := decoded.(*kafka.KafkaTopic)
	if !ok || stored.Spec.TopicName != "" {
		return fmt.Errorf("KafkaTopic %s cannot be copied: all copies would have its spec.topicName", template)
	}
	claim, err := s.claimOf(ctx, stored)
	if err != nil {
		return err
	}
	return inParallel(ctx, topics, func(ctx context.Context, some []Topic) error {
		var puts []clientv3.Op
		for _, t := range some {
			topic := copyOf(stored, t)
			// The claim is there first, as it is when the API server stores an object.
			if err := s.claim(ctx, claim, topic); err != nil {
				return err
			}
			value, err := runtime.Encode(codec, topic)
			if err != nil {
				return fmt.Errorf("encode KafkaTopic %s: %w", t.Name, err)
			}
			puts = append(puts, clientv3.OpPut(prefix+t.Name, string(value)))
		}
		if _, err := s.client.Txn(ctx).Then(puts...).Commit(); err != nil {
			return fmt.Errorf("write KafkaTopics: %w", err)
		}
		return nil
	})
}

// copyOf is a stored topic under another name.
func copyOf(stored *kafka.KafkaTopic, t Topic) *kafka.KafkaTopic {
	topic := stored.DeepCopy()
	topic.Name, topic.UID = t.Name, types.UID(uuid.NewString())
	if topic.Status.TopicName != "" {
		topic.Status.TopicName = topic.TopicName()
	}
	if topic.Status.TopicID != "" {
		topic.Status.TopicID = t.ID
	}
	return topic
}

func (s *Storage) claimOf(ctx context.Context, topic *kafka.KafkaTopic) (*storage.Claim, error) {
	cluster := types.NamespacedName{Namespace: topic.Spec.ClusterRef.Namespace, Name: topic.Spec.ClusterRef.Name}
	if cluster.Namespace == "" {
		cluster.Namespace = topic.Namespace
	}
	claim, err := s.claims.Get(ctx, storage.Name{Kind: storage.TopicClaim, Cluster: cluster, Name: topic.TopicName()})
	if err != nil {
		return nil, err
	}
	if claim == nil || claim.Owner.UID != topic.UID {
		return nil, errors.New("the template has no claim")
	}
	return claim, nil
}

// claim writes a copy of a claim for a copy of its owner.
func (s *Storage) claim(ctx context.Context, of *storage.Claim, topic *kafka.KafkaTopic) error {
	claim := *of
	claim.Name.Name = topic.TopicName()
	claim.Owner = storage.Owner{Namespace: topic.Namespace, Name: topic.Name, UID: topic.UID}
	if claim.ID != "" {
		claim.ID = topic.Status.TopicID
	}
	_, err := s.claims.Take(ctx, claim, path.Join(objects, topic.Namespace, topic.Name))
	return err
}

// inParallel does something for chunks of topics, and ends with the first error.
func inParallel(ctx context.Context, topics []Topic, do func(context.Context, []Topic) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan []Topic)
	var running sync.WaitGroup
	for range writers {
		running.Go(func() {
			for some := range queue {
				if err := do(ctx, some); err != nil {
					cancel(err)
				}
			}
		})
	}
	for start := 0; start < len(topics) && ctx.Err() == nil; start += chunk {
		queue <- topics[start:min(start+chunk, len(topics))]
	}
	close(queue)
	running.Wait()
	return context.Cause(ctx)
}
