//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
	"kafka.openshift.io/kafka-apiserver/test/integration/harness"
)

// A request holds a seat of kube-apiserver while this server answers it, and this server asks kube-apiserver meanwhile who may do what. More
// accounts than there are seats come at the same time, none of whom is known yet: none waits for a review that waits for its own seat, which
// would end with the review's time, as a 500.
func TestACrowdDoesNotWaitForItself(t *testing.T) {
	const crowd = 40
	crowded := cluster.Another(t, "--max-requests-inflight=8", "--max-mutating-requests-inflight=4")
	const namespace = "crowd"
	if _, err := crowded.Kubernetes.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	// Nobody answers there: what is stored is carried out when the brokers are back.
	if _, err := crowded.Client.KafkaV1beta1().Kafkas(namespace).Create(t.Context(), &v1beta1.Kafka{ObjectMeta: metav1.ObjectMeta{Name: "my-cluster"},
		Spec: v1beta1.KafkaSpec{External: &v1beta1.ExternalSpec{BootstrapServers: []string{"127.0.0.1:1"}}}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"edit", "kafka-use"} {
		if _, err := crowded.Kubernetes.RbacV1().RoleBindings(namespace).Create(t.Context(), &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: role},
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "system:serviceaccounts:" + namespace}}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	appliers := make([]versioned.Interface, crowd)
	for i := range appliers {
		appliers[i] = clientOfAccount(t, crowded, namespace, fmt.Sprintf("applier-%d", i))
	}
	apply := func(ctx context.Context, by versioned.Interface, name string) error {
		manifest := fmt.Sprintf(`{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaTopic","metadata":{"name":%q},"spec":{"clusterRef":{"name":"my-cluster"},"partitions":1,"replicas":1}}`, name)
		_, err := by.KafkaV1beta1().KafkaTopics(namespace).Patch(ctx, name, types.ApplyPatchType, []byte(manifest), metav1.PatchOptions{FieldManager: "crowd"})
		return err
	}
	// The roles are in force a moment later.
	harness.Eventually(t, 30*time.Second, "the accounts are let in", func() string {
		if err := apply(t.Context(), appliers[0], "first"); err != nil {
			return err.Error()
		}
		return ""
	})
	var mu sync.Mutex
	var times []time.Duration
	var errs []error
	var all sync.WaitGroup
	for i, by := range appliers {
		all.Go(func() {
			start := time.Now()
			err := apply(t.Context(), by, fmt.Sprintf("topic-%d", i))
			mu.Lock()
			defer mu.Unlock()
			times, errs = append(times, time.Since(start)), append(errs, err)
		})
	}
	all.Wait()
	slices.Sort(times)
	t.Logf("the slowest of %d applies took %v, the middle one %v", crowd, times[crowd-1], times[crowd/2])
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
}

// clientOfAccount is a client with the token of a service account, which it makes.
func clientOfAccount(t *testing.T, of *harness.Cluster, namespace, name string) versioned.Interface {
	t.Helper()
	accounts := of.Kubernetes.CoreV1().ServiceAccounts(namespace)
	if _, err := accounts.Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	token, err := accounts.CreateToken(t.Context(), name, &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: ptr.To[int64](3600)}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", of.Host.AdminKubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.BearerToken, config.QPS, config.WarningHandler = token.Status.Token, -1, rest.NoWarnings{}
	client, err := versioned.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}
