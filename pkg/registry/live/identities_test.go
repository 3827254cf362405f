package live

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	testingclock "k8s.io/utils/clock/testing"

	"kafka.openshift.io/kafka-apiserver/pkg/access"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
)

// bench is what identities are kept in, and how often it was asked.
type bench struct {
	mu      sync.Mutex
	claims  map[string]storage.ClusterClaim
	makers  map[types.UID]storage.Maker
	kafkas  []kafka.Kafka
	fail    error
	bug     bool
	takes   int
	reviews []authorizer.Attributes
	allow   bool
	// restated are the Kafkas whose status was to be written anew.
	restated []string
}

func (b *bench) Take(_ context.Context, claim storage.ClusterClaim) (*storage.ClusterClaim, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.takes++
	if b.bug {
		panic("a bug")
	}
	if b.fail != nil {
		return nil, false, b.fail
	}
	standing, claimed := b.claims[claim.ClusterID]
	if !claimed {
		standing, b.claims[claim.ClusterID] = claim, claim
	}
	return &standing, !claimed, nil
}

func (b *bench) Get(_ context.Context, clusterID string) (*storage.ClusterClaim, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if standing, claimed := b.claims[clusterID]; claimed {
		return &standing, nil
	}
	return nil, nil
}

func (b *bench) Replace(_ context.Context, _ *storage.ClusterClaim, claim storage.ClusterClaim) (*storage.ClusterClaim, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.claims[claim.ClusterID] = claim
	return &claim, nil
}

func (b *bench) Drop(_ context.Context, claim *storage.ClusterClaim) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.claims, claim.ClusterID)
	return nil
}

func (b *bench) List(context.Context) ([]*storage.ClusterClaim, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []*storage.ClusterClaim
	for _, claim := range b.claims {
		all = append(all, &claim)
	}
	return all, nil
}

// makers are those of a bench.
type makers struct{ *bench }

func (m makers) Record(_ context.Context, kafka types.UID, maker storage.Maker) error {
	m.bench.makers[kafka] = maker
	return nil
}

func (m makers) Get(_ context.Context, kafka types.UID, external string) (*storage.Maker, error) {
	if maker, known := m.bench.makers[kafka]; known && maker.External == external {
		return &maker, nil
	}
	return nil, nil
}

func (m makers) Kafkas(context.Context) ([]types.UID, error) {
	var uids []types.UID
	for uid := range m.bench.makers {
		uids = append(uids, uid)
	}
	return uids, nil
}

func (m makers) Forget(_ context.Context, kafka types.UID) error {
	delete(m.bench.makers, kafka)
	return nil
}

// kafkas are those of a bench.
type kafkas struct{ *bench }

func (s kafkas) Get(ctx context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	for i := range s.kafkas {
		if k := &s.kafkas[i]; k.Namespace == genericapirequest.NamespaceValue(ctx) && k.Name == name {
			return k, nil
		}
	}
	return nil, apierrors.NewNotFound(kafka.Resource("kafkas"), name)
}

func (s kafkas) List(context.Context, *metainternalversion.ListOptions) (runtime.Object, error) {
	return &kafka.KafkaList{Items: s.kafkas}, nil
}

func newBench() (*bench, *Identities, *testingclock.FakeClock) {
	b := &bench{claims: map[string]storage.ClusterClaim{}, makers: map[types.UID]storage.Maker{}}
	clock := testingclock.NewFakeClock(time.Unix(1_700_000_000, 0))
	restate := func(_ context.Context, of types.NamespacedName) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.restated = append(b.restated, of.Name)
		return nil
	}
	return b, &Identities{Restate: restate, Claims: b, Makers: makers{b}, Kafkas: kafkas{b}, Clock: clock,
		Access: access.New(authorizer.AuthorizerFunc(func(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.reviews = append(b.reviews, a)
			if b.allow {
				return authorizer.DecisionAllow, "", nil
			}
			return authorizer.DecisionNoOpinion, "", nil
		}))}, clock
}

// object is a Kafka that is stored.
func (b *bench) object(name string, external bool) *v1beta1.Kafka {
	k := kafka.Kafka{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: types.UID("uid-" + name), Generation: 1}}
	versioned := &v1beta1.Kafka{ObjectMeta: k.ObjectMeta}
	if external {
		k.Spec.External = &kafka.ExternalSpec{BootstrapServers: []string{"a:1"}}
		versioned.Spec.External = &v1beta1.ExternalSpec{BootstrapServers: []string{"a:1"}}
	}
	b.kafkas = append(b.kafkas, k)
	return versioned
}

// A request is judged by what is known: etcd is asked once in a while, whoever comes meanwhile and how many they are.
func TestAVerdictIsKept(t *testing.T) {
	b, identities, clock := newBench()
	first, second := gate{identities: identities, kafka: b.object("first", true)}, gate{identities: identities, kafka: b.object("second", true)}
	var running sync.WaitGroup
	for range 100 {
		running.Go(func() {
			if err := first.Admit(t.Context(), "x"); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	if b.takes != 1 {
		t.Errorf("etcd was asked %d times", b.takes)
	}
	var claimed *ClaimedError
	for range 100 {
		if err := second.Admit(t.Context(), "x"); !errors.As(err, &claimed) || claimed.By.Name != "first" {
			t.Fatal(err)
		}
	}
	if b.takes != 2 {
		t.Errorf("etcd was asked %d times", b.takes)
	}
	// While it is looked at again, and while etcd does not answer, the last verdict stands.
	b.mu.Lock()
	b.fail = errors.New("no etcd")
	b.mu.Unlock()
	clock.Step(verdictFresh + time.Second)
	for range 2 {
		if err := first.Admit(t.Context(), "x"); err != nil {
			t.Error(err)
		}
		identities.mu.Lock()
		flight := identities.verdicts[question{first.kafka.UID, 1, "x"}].flight
		identities.mu.Unlock()
		if flight != nil {
			<-flight
		}
	}
	clock.Step(verdictStale)
	if err := first.Admit(t.Context(), "x"); !apierrors.IsInternalError(err) {
		t.Errorf("long after the last verdict: %v", err)
	}
}

func TestWhoMayBeASecondKafka(t *testing.T) {
	b, identities, _ := newBench()
	if err := (gate{identities: identities, kafka: b.object("first", true)}).Admit(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	second := b.object("second", true)
	ctx := genericapirequest.WithUser(t.Context(), &user.DefaultInfo{Name: "jane", Groups: []string{"team"}})
	if err := identities.Made(ctx, &b.kafkas[1], nil); err != nil {
		t.Fatal(err)
	}
	b.allow = true
	// The verdict is about what is written: another generation is another question.
	if err := (gate{identities: identities, kafka: second}).Admit(t.Context(), "x"); err != nil {
		t.Error(err)
	}
	if n := len(b.reviews); n != 1 || b.reviews[0].GetUser().GetName() != "jane" || b.reviews[0].GetVerb() != "own" || b.reviews[0].GetName() != "first" || b.reviews[0].GetNamespace() != "ns" {
		t.Errorf("asked %+v", b.reviews)
	}
	changed := second.DeepCopy()
	changed.Generation, changed.Spec.External.BootstrapServers = 2, []string{"b:1"}
	if err := (gate{identities: identities, kafka: changed}).Admit(t.Context(), "x"); !apierrors.IsForbidden(err) {
		t.Errorf("nobody is known to have written that: %v", err)
	}
	if len(b.claims) != 1 || b.claims["x"].Owner.Name != "first" {
		t.Errorf("the claims are %+v", b.claims)
	}
	if err := (gate{identities: identities, kafka: second}).Admit(t.Context(), ""); !apierrors.IsServiceUnavailable(err) {
		t.Errorf("brokers without an id: %v", err)
	}
}

// What is run here is asked for the rights of its maker as well: ids come from volumes, that others write.
func TestWhoMayBeASecondKafkaThatIsRunHere(t *testing.T) {
	b, identities, _ := newBench()
	if err := (gate{identities: identities, kafka: b.object("first", true)}).Admit(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	made := func(name string) *v1beta1.Kafka {
		k := b.object(name, false)
		k.Status.ClusterID = "x"
		ctx := genericapirequest.WithUser(t.Context(), &user.DefaultInfo{Name: "maker-of-" + name})
		if err := identities.Made(ctx, &b.kafkas[len(b.kafkas)-1], nil); err != nil {
			t.Fatal(err)
		}
		return k
	}
	holds := func(name string) {
		t.Helper()
		if len(b.claims) != 1 || b.claims["x"].Owner.Name != name {
			t.Errorf("the claims are %+v", b.claims)
		}
	}
	if err := (gate{identities: identities, kafka: made("thief")}).Admit(t.Context(), "x"); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), `creates it needs the verb "own"`) {
		t.Errorf("brokers of a stranger say so: %v", err)
	}
	holds("first")
	b.allow = true
	here := made("here")
	for what, look := range map[string]func() error{
		"compared": func() error { return identities.compare(t.Context(), here, "x") },
		"claimed":  func() error { return identities.judge(t.Context(), here, "x", false) },
	} {
		if err := look(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		// No broker has said it.
		holds("first")
	}
	if err := (gate{identities: identities, kafka: here}).Admit(t.Context(), "x"); err != nil || !b.claims["x"].RunHere {
		t.Errorf("%v, %+v", err, b.claims)
	}
	holds("here")
	if err := (gate{identities: identities, kafka: made("twin")}).Admit(t.Context(), "x"); err != nil {
		t.Error(err)
	}
	holds("here")
	b.reviews = nil
	if err := (gate{identities: identities, kafka: b.object("unknown", false)}).Admit(t.Context(), "x"); !apierrors.IsForbidden(err) || len(b.reviews) != 0 {
		t.Errorf("%v, %+v", err, b.reviews)
	}
}

func TestTidy(t *testing.T) {
	b, identities, clock := newBench()
	var restated []string
	identities.Restate = func(_ context.Context, k types.NamespacedName) error {
		restated = append(restated, k.Name)
		return nil
	}
	for name, id := range map[string]string{"stays": "x", "gone": "y"} {
		if err := (gate{identities: identities, kafka: b.object(name, true)}).Admit(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	b.kafkas = nil
	b.object("stays", true)
	b.object("second", true)
	b.kafkas[1].Status.ClusterID = "x"
	b.kafkas[1].Status.Conditions = []metav1.Condition{{Type: "Ready", Status: metav1.ConditionTrue, Reason: "BrokersReady"}}
	b.makers["uid-stays"], b.makers["uid-coming"] = storage.Maker{}, storage.Maker{}
	if err := identities.tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(b.claims) != 1 || b.claims["x"].Owner.Name != "stays" || len(b.makers) != 2 {
		t.Errorf("claims %+v, makers %+v", b.claims, b.makers)
	}
	if len(restated) != 1 || restated[0] != "second" {
		t.Errorf("restated %q", restated)
	}
	// What could not be claimed when its status was stored.
	b.object("here", false)
	b.object("also", true)
	b.kafkas[2].Status.ClusterID, b.kafkas[3].Status.ClusterID = "z", "w"
	if err := identities.tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(b.claims) != 2 || b.claims["z"].Owner.Name != "here" || !b.claims["z"].RunHere {
		t.Errorf("claims %+v", b.claims)
	}
	restated = restated[:1]
	b.kafkas[1].Status.Conditions[0].Reason = "ClusterClaimed"
	clock.Step(makerPatience)
	if err := identities.tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, kept := b.makers["uid-stays"]; len(b.makers) != 1 || !kept || len(restated) != 1 {
		t.Errorf("makers %+v, restated %q", b.makers, restated)
	}
}

// A verdict is looked for on a goroutine of nobody's, where a panic would end the process.
func TestAPanicOverAVerdictIsItsError(t *testing.T) {
	b, identities, _ := newBench()
	b.bug = true
	first := gate{identities: identities, kafka: b.object("first", true)}
	if err := first.Admit(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "a bug") {
		t.Errorf("it is %v", err)
	}
	b.bug = false
	if err := first.Admit(t.Context(), "x"); err != nil {
		t.Errorf("the next look: %v", err)
	}
}

// What has come out on a live request is in the status at once, and is not written again while it is there.
func TestAClaimThatComesOutIsTold(t *testing.T) {
	b, identities, _ := newBench()
	told := make(chan string, 1)
	identities.Restate = func(ctx context.Context, of types.NamespacedName) error {
		// It is written for nobody who asks.
		if who, known := genericapirequest.UserFrom(ctx); known || genericapirequest.NamespaceValue(ctx) != "ns" {
			t.Errorf("written in namespace %q for %v", genericapirequest.NamespaceValue(ctx), who)
		}
		told <- of.String()
		return nil
	}
	if err := (gate{identities: identities, kafka: b.object("first", true)}).Admit(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	second := b.object("second", true)
	asks := genericapirequest.WithUser(t.Context(), &user.DefaultInfo{Name: "jane"})
	if err := (gate{identities: identities, kafka: second}).Admit(asks, "x"); err == nil {
		t.Fatal("admitted")
	}
	if got := <-told; got != "ns/second" {
		t.Errorf("the status of %s was written", got)
	}
	says := b.object("third", true)
	says.Status.Conditions = []metav1.Condition{{Type: v1beta1.ConditionReady, Status: metav1.ConditionFalse, Reason: target.ReasonClusterClaimed}}
	if err := (gate{identities: identities, kafka: says}).Admit(t.Context(), "x"); err == nil {
		t.Fatal("admitted")
	}
	// Another one is told of after it, if any.
	if err := (gate{identities: identities, kafka: b.object("fourth", true)}).Admit(t.Context(), "x"); err == nil {
		t.Fatal("admitted")
	}
	if got := <-told; got != "ns/fourth" {
		t.Errorf("the status of %s was written", got)
	}
}

// Whose cluster it is, and which, is for who may get that Kafka.
func TestWhoMayKnowWhoseAClusterIs(t *testing.T) {
	b, identities, _ := newBench()
	first, second := b.object("first", true), b.object("second", true)
	if err := (gate{identities: identities, kafka: first}).Admit(t.Context(), "the-id"); err != nil {
		t.Fatal(err)
	}
	refused := gate{identities: identities, kafka: second}.Admit(t.Context(), "the-id")
	err := error(&kafkaerr.NotAdmittedError{Cluster: "ns/second", ID: "the-id", Err: refused})
	clusters := &Clusters{Access: access.New(authorizer.AuthorizerFunc(func(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
		if a.GetVerb() == "get" && a.GetNamespace() == "ns" && (a.GetName() == "second" || a.GetUser().GetName() == "owner") {
			return authorizer.DecisionAllow, "", nil
		}
		return authorizer.DecisionNoOpinion, "", nil
	}))}
	as := func(name string) context.Context {
		return genericapirequest.WithUser(t.Context(), &user.DefaultInfo{Name: name})
	}
	for who, tc := range map[string]struct {
		err   error
		named bool
	}{
		"what is stored":             {err, false},
		"who may get the second one": {clusters.For(as("tenant"), "ns", "second", err), false},
		"who may get the first one":  {clusters.For(as("owner"), "ns", "second", err), true},
	} {
		refusal := Refused(tc.err, kafka.Resource("kafkas"), "second", "")
		if refusal.Status().Code != 403 {
			t.Errorf("%s: %v", who, refusal)
		}
		for what, text := range map[string]string{"Line": Line(tc.err), "Refused": refusal.Error()} {
			if named := strings.Contains(text, "first") && strings.Contains(text, "the-id"); named != tc.named {
				t.Errorf("%s: %s says %q", who, what, text)
			}
			if !tc.named && (strings.Contains(text, "first") || strings.Contains(text, "the-id")) || !strings.Contains(text, `"own"`) {
				t.Errorf("%s: %s says %q", who, what, text)
			}
		}
	}
}
