package live

import (
	"context"
	"errors"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/authentication/user"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
)

// Twins are those Kafkas of a cluster that may be it. Which cluster each is, is known by its status or from its brokers.
func TestTwins(t *testing.T) {
	b, identities, _ := newBench()
	clusters := &Clusters{Kafkas: kafkas{b}, Identities: identities}
	external := map[string]*v1beta1.Kafka{}
	for _, name := range []string{"first", "heard", "stored", "silent", "stranger", "claimed", "other"} {
		external[name] = b.object(name, true)
	}
	ctx := genericapirequest.WithUser(t.Context(), &user.DefaultInfo{Name: "owner"})
	for i := range b.kafkas {
		k := &b.kafkas[i]
		switch k.Name {
		case "stored", "stranger":
			k.Status.ClusterID = "x"
		case "claimed":
			k.Status.ClusterID = "x"
			k.Status.Conditions = []metav1.Condition{{Type: v1beta1.ConditionReady, Status: metav1.ConditionFalse, Reason: target.ReasonClusterClaimed}}
		case "other":
			k.Status.ClusterID = "y"
		}
		if k.Name != "stranger" {
			if err := identities.Made(ctx, k, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	twins := func(of string) []string {
		t.Helper()
		all, err := clusters.Twins(t.Context(), types.NamespacedName{Namespace: "ns", Name: of})
		if err != nil {
			t.Fatal(err)
		}
		names := []string{}
		for _, twin := range all {
			names = append(names, twin.Name)
		}
		slices.Sort(names)
		return names
	}
	b.allow = true
	for _, name := range []string{"first", "heard"} {
		if err := (gate{identities: identities, kafka: external[name]}).Admit(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
	}
	for of, want := range map[string][]string{
		"first":  {"heard", "stored"},
		"heard":  {"first", "stored"},
		"stored": {"first", "heard"},
		// Its cluster is not known yet.
		"silent": {},
		"other":  {},
		"gone":   {},
	} {
		if got := twins(of); !slices.Equal(got, want) {
			t.Errorf("twins of %s are %v, want %v", of, got, want)
		}
	}
	// What brokers say counts for more than what a status says that is from before.
	if err := (gate{identities: identities, kafka: external["other"]}).Admit(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	if got := twins("other"); !slices.Equal(got, []string{"first", "heard", "stored"}) {
		t.Errorf("twins of what is another cluster now are %v", got)
	}
	b.mu.Lock()
	b.allow = false
	b.mu.Unlock()
	if got := twins("first"); len(got) != 0 {
		t.Errorf("whose makers have no right to it: %v", got)
	}
	identities.Claims = failingClaims{identities.Claims}
	if _, err := clusters.Twins(t.Context(), types.NamespacedName{Namespace: "ns", Name: "first"}); err == nil {
		t.Error("nobody can say, and it is no error")
	}
}

// failingClaims cannot be read.
type failingClaims struct{ Claims }

func (failingClaims) Get(context.Context, string) (*storage.ClusterClaim, error) {
	return nil, errors.New("no etcd")
}
