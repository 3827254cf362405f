package kafka_test

import (
	"slices"
	"sync/atomic"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
)

// moved has a Kafka's spec lead elsewhere.
func moved(t *testing.T, client versioned.Interface, k *v1beta1.Kafka, addresses []string) *v1beta1.Kafka {
	t.Helper()
	var after *v1beta1.Kafka
	if err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		now, err := kafkas(k.Namespace).Get(t.Context(), k.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		now.Spec.External.BootstrapServers = addresses
		after, err = client.KafkaV1beta1().Kafkas(k.Namespace).Update(t.Context(), now, metav1.UpdateOptions{})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return after
}

// say writes Ready into the status of a Kafka, as its controller would, and returns what the API server makes of it.
func say(t *testing.T, k *v1beta1.Kafka, id string, status metav1.ConditionStatus, reason string) *v1beta1.Kafka {
	t.Helper()
	var after *v1beta1.Kafka
	// The API server may write it at the same time.
	if err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		now, err := kafkas(k.Namespace).Get(t.Context(), k.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		now.Status.ClusterID, now.Status.ObservedGeneration = id, now.Generation
		meta.SetStatusCondition(&now.Status.Conditions, metav1.Condition{Type: "Ready", Status: status, Reason: reason, ObservedGeneration: now.Generation})
		after, err = kafkas(k.Namespace).UpdateStatus(t.Context(), now, metav1.UpdateOptions{})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return after
}

// notReady says that a Kafka is not ready, as its controller would.
func notReady(t *testing.T, k *v1beta1.Kafka, reason string) *v1beta1.Kafka {
	t.Helper()
	return say(t, k, k.Status.ClusterID, metav1.ConditionFalse, reason)
}

// The controllers have no claims to look at. What has turned out to be another's stays so when Ready has another reason, whichever it is, and
// also when the spec names the cluster.
func TestAClaimedClusterIsNotServedLater(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{"ClusterUnreachable", kafkaerr.ReasonAuthenticationFailed, kafkaerr.ReasonAddressNotAllowed, kafkaerr.ReasonClusterReplaced,
		target.ReasonBrokersUnreachable, "BrokersReady"} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			first := server.NewKafka(t, 1)
			if err := look(t, first.Object); err != nil {
				t.Fatal(err)
			}
			tenant, _ := server.As(t, withoutOwn)
			k := report(t, at(t, tenant, server.Namespace(), first), "")
			if readyReason(k) != "False ClusterClaimed" || k.Status.ClusterID == "" {
				t.Fatalf("%+v", k.Status)
			}
			there, theirs := first.ListenAddrs(), k.Status.ClusterID
			k = moved(t, tenant, k, []string{"127.0.0.1:1"})
			if reason == "BrokersReady" {
				// The API server finds out nothing, which is no reason to forget either.
				if k = report(t, k, ""); readyReason(k) != "False ClusterNotIdentified" {
					t.Fatal(readyReason(k))
				}
			} else if k = notReady(t, k, reason); readyReason(k) != "False "+reason {
				t.Fatal(readyReason(k))
			}
			if k.Status.ClusterID != "" {
				t.Errorf("it is cluster %q, to which it was never admitted", k.Status.ClusterID)
			}
			if err := makeTopic(t, tenant, k, "stolen"); err != nil {
				t.Fatalf("stored while no broker answers: %v", err)
			}
			resolver := target.NewVerified(nil, clock.RealClock{})
			if k = moved(t, tenant, k, there); target.Pinned(k) != "" {
				t.Errorf("it is pinned to cluster %q", target.Pinned(k))
			}
			if _, known := resolver.Of(k); known {
				t.Errorf("the controllers ask the brokers of the first Kafka, status %+v", k.Status)
			}
			if _, known := resolver.Of(confirm(t, tenant, k, theirs)); known {
				t.Error("the controllers ask the brokers of the first Kafka when the spec names its cluster")
			}
			if k = report(t, k, ""); readyReason(k) != "False ClusterClaimed" {
				t.Error(readyReason(k))
			}
		})
	}
}

// A Kafka that was admitted to the cluster of another by its maker's right is not that cluster any more when somebody without the right writes
// where it is, also while no broker answers.
func TestAnAdmittedKafkaOfSomebodyElse(t *testing.T) {
	t.Parallel()
	first := server.NewKafka(t, 1)
	if err := look(t, first.Object); err != nil {
		t.Fatal(err)
	}
	owner, _ := server.As(t, func(authorizer.Attributes) bool { return true })
	tenant, _ := server.As(t, withoutOwn)
	k := report(t, at(t, owner, server.Namespace(), first), "")
	if readyReason(k) != "True BrokersReady" {
		t.Fatal(readyReason(k))
	}
	// An outage changes nothing as long as it is the owner's.
	id := k.Status.ClusterID
	if k = notReady(t, k, "ClusterUnreachable"); k.Status.ClusterID != id {
		t.Errorf("after an outage it is cluster %q, want %q", k.Status.ClusterID, id)
	}
	resolver := target.NewVerified(nil, clock.RealClock{})
	if _, known := resolver.Of(k); !known {
		t.Error("the controllers do not ask the brokers for the owner of the first Kafka")
	}
	// The status is about the spec that the owner wrote.
	k = moved(t, tenant, k, []string{"127.0.0.1:1"})
	if _, known := resolver.Of(moved(t, tenant, k, first.ListenAddrs())); known {
		t.Error("the controllers ask the brokers of the first Kafka before the status is written anew")
	}
	k = moved(t, tenant, k, []string{"127.0.0.1:1"})
	if k = notReady(t, k, "ClusterUnreachable"); k.Status.ClusterID != "" {
		t.Errorf("it is cluster %q, for which its maker has no right", k.Status.ClusterID)
	}
	if _, known := resolver.Of(moved(t, tenant, k, first.ListenAddrs())); known {
		t.Error("the controllers ask the brokers of the first Kafka")
	}
}

// A Kafka that was made with the addresses of another by mistake is free to become the cluster that is meant, also when that answers only
// after a while.
func TestAMistakePinsToNothing(t *testing.T) {
	t.Parallel()
	first := server.NewKafka(t, 1)
	if err := look(t, first.Object); err != nil {
		t.Fatal(err)
	}
	right, id := nobodys(t)
	tenant, _ := server.As(t, withoutOwn)
	k := report(t, at(t, tenant, server.Namespace(), first), "")
	if readyReason(k) != "False ClusterClaimed" {
		t.Fatal(readyReason(k))
	}
	notReady(t, moved(t, tenant, k, right.ListenAddrs()), "ClusterUnreachable")
	if k = report(t, k, ""); readyReason(k) != "True BrokersReady" || k.Status.ClusterID != id {
		t.Errorf("%s, cluster %q: %+v", readyReason(k), k.Status.ClusterID, k.Status.Conditions)
	}
	if err := look(t, k); err != nil {
		t.Error(err)
	}
}

// What was pinned stays so through whatever the status says of the brokers.
func TestAnOutagePinsStill(t *testing.T) {
	t.Parallel()
	site := server.NewKafka(t, 1)
	k := report(t, site.Object, "")
	id := k.Status.ClusterID
	for _, reason := range []string{"ClusterUnreachable", kafkaerr.ReasonAuthenticationFailed, kafkaerr.ReasonClusterReplaced} {
		if k = notReady(t, k, reason); id == "" || k.Status.ClusterID != id || target.Pinned(k) != id {
			t.Errorf("%s: cluster %q, want %q", readyReason(k), k.Status.ClusterID, id)
		}
	}
}

// A Kafka that was a cluster stays pinned to it while that is said to be another's: its addresses may lead to a recovery site meanwhile, which
// is not what it was made for.
func TestAClaimedKafkaStaysPinned(t *testing.T) {
	t.Parallel()
	for _, between := range []string{"", "ClusterUnreachable", target.ReasonBrokersUnreachable} {
		t.Run("then "+between, func(t *testing.T) {
			t.Parallel()
			site := server.NewKafka(t, 1)
			recovery, theirs := nobodys(t)
			if err := look(t, site.Object); err != nil {
				t.Fatal(err)
			}
			var own atomic.Bool
			own.Store(true)
			user, _ := server.As(t, func(a authorizer.Attributes) bool { return own.Load() || a.GetVerb() != "own" })
			k := report(t, at(t, user, server.Namespace(), site), "")
			id := k.Status.ClusterID
			if readyReason(k) != "True BrokersReady" || id == "" {
				t.Fatalf("%+v", k.Status)
			}
			there := slices.Clone(k.Spec.External.BootstrapServers)
			// Who has no right to the cluster writes spec.external.
			own.Store(false)
			if k = report(t, moved(t, user, k, append(there, "127.0.0.1:1")), ""); readyReason(k) != "False ClusterClaimed" {
				t.Fatalf("%+v", k.Status)
			}
			if between != "" {
				k = notReady(t, k, between)
			}
			site.LeadTo(recovery)
			if k = identified(t, k); readyReason(k) != "False ClusterReplaced" || k.Status.ClusterID == theirs || target.Pinned(k) != id {
				t.Errorf("it is %s, cluster %q, pinned to %q, want ClusterReplaced and %q", readyReason(k), k.Status.ClusterID, target.Pinned(k), id)
			}
			if _, known := target.NewVerified(nil, clock.RealClock{}).Of(k); known {
				t.Errorf("the controllers ask its brokers: %+v", k.Status)
			}
			// It takes a word of somebody to be the other cluster.
			if k = identified(t, confirm(t, user, k, theirs)); readyReason(k) != "True BrokersReady" || k.Status.ClusterID != theirs || k.Status.PinnedClusterID != theirs {
				t.Errorf("confirmed, it is %s: %+v", readyReason(k), k.Status)
			}
		})
	}
}

// identified is report until brokers have answered, which they may not in time on a busy machine.
func identified(t *testing.T, k *v1beta1.Kafka) *v1beta1.Kafka {
	t.Helper()
	apiservertest.Eventually(t, "the brokers say which cluster they are", func() bool {
		k = report(t, k, "")
		return readyReason(k) != "False ClusterNotIdentified"
	})
	return k
}

// What a Kafka is pinned to is not for those to say who write its status.
func TestNobodyWritesAPin(t *testing.T) {
	t.Parallel()
	site := server.NewKafka(t, 1)
	k := report(t, site.Object, "")
	id := k.Status.ClusterID
	for _, said := range []string{"", "another"} {
		k.Status.PinnedClusterID = said
		var err error
		if k, err = kafkas(k.Namespace).UpdateStatus(t.Context(), k, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		if k.Status.PinnedClusterID != id {
			t.Errorf("it is pinned to %q, want %q", k.Status.PinnedClusterID, id)
		}
	}
	if k = notReady(t, k, target.ReasonClusterClaimed); id == "" || target.Pinned(k) != id {
		t.Errorf("it is pinned to %q, want %q", target.Pinned(k), id)
	}
}
