package storage

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/apimachinery/pkg/types"
)

var streams = types.NamespacedName{Namespace: "streams", Name: "my-cluster"}

func topicName(name string) Name { return Name{Kind: TopicClaim, Cluster: streams, Name: name} }

func newClaim(topic, uid string) Claim {
	return Claim{Name: topicName(topic), ClusterUID: "cluster-1", Since: time.Unix(1_700_000_000, 0).UTC(),
		Owner: Owner{Namespace: "team-a", Name: "orders-" + uid, UID: types.UID(uid)}}
}

func mustTake(t *testing.T, claims *Claims, claim Claim) *Claim {
	t.Helper()
	taken, err := claims.Take(testContext(t), claim, "")
	if err != nil {
		t.Fatal(err)
	}
	return taken
}

func TestAClaimIsTakenOnce(t *testing.T) {
	claims := NewClaims(shared.client, newPrefix())
	if got, err := claims.Get(testContext(t), topicName("orders")); got != nil || err != nil {
		t.Fatalf("a free name has the claim %+v, %v", got, err)
	}
	mustTake(t, claims, newClaim("orders", "one"))

	_, err := claims.Take(testContext(t), newClaim("orders", "two"), "")
	var claimed *ClaimedError
	if !errors.As(err, &claimed) || claimed.Claim.Owner.UID != "one" {
		t.Fatalf("a second owner got %v, want a ClaimedError naming the first", err)
	}
	for _, word := range []string{"orders", "streams/my-cluster", "team-a/orders-one"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error %q does not say %s", err, word)
		}
	}
	got, err := claims.Get(testContext(t), topicName("orders"))
	if err != nil {
		t.Fatal(err)
	}
	want := newClaim("orders", "one")
	got.revision = 0
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("the claim is %+v, want %+v", *got, want)
	}
}

// A create that is repeated, as after a lost answer, finds its own claim as it stands.
func TestAnOwnerTakesItsClaimAgain(t *testing.T) {
	claims := NewClaims(shared.client, newPrefix())
	first := mustTake(t, claims, newClaim("orders", "one"))
	if _, err := claims.Update(testContext(t), first, func(c *Claim) { c.ID = "id-1" }); err != nil {
		t.Fatal(err)
	}
	if again := mustTake(t, claims, newClaim("orders", "one")); again.ID != "id-1" {
		t.Errorf("taken again as %+v, want the claim with its topic id", *again)
	}
}

// Kafka refuses a topic whose name differs from another's in '.' and '_' only.
func TestCollidingNamesAreOneClaim(t *testing.T) {
	claims := NewClaims(shared.client, newPrefix())
	mustTake(t, claims, newClaim("team.orders_v1", "one"))
	for _, name := range []string{"team_orders_v1", "team.orders.v1", "team_orders.v1"} {
		var claimed *ClaimedError
		if _, err := claims.Take(testContext(t), newClaim(name, "two"), ""); !errors.As(err, &claimed) || claimed.Claim.Name.Name != "team.orders_v1" {
			t.Errorf("%s: %v, want a ClaimedError naming team.orders_v1", name, err)
		}
	}
	for _, name := range []string{"team-orders-v1", "Team.orders_v1", "team.orders_v", "team.orders_v10"} {
		mustTake(t, claims, newClaim(name, "other-"+name))
	}
}

// Neither another Kafka's topics nor odd names end up in one place.
func TestClaimsAreKeptApart(t *testing.T) {
	claims := NewClaims(shared.client, newPrefix())
	places := []types.NamespacedName{streams, {Namespace: "streams", Name: "other"}, {Namespace: "other", Name: "my-cluster"}}
	for _, cluster := range places {
		claim := newClaim("orders", cluster.String())
		claim.Cluster = cluster
		mustTake(t, claims, claim)
	}
	if all := mustList(t, claims); len(all) != len(places) {
		t.Errorf("%d claims are listed, want %d", len(all), len(places))
	}
	if others := mustList(t, NewClaims(shared.client, newPrefix())); len(others) != 0 {
		t.Errorf("below another prefix there are %d claims", len(others))
	}
}

func mustList(t *testing.T, claims *Claims) (all []*Claim) {
	t.Helper()
	if err := claims.List(testContext(t), func(c *Claim) error {
		all = append(all, c)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// A hundred thousand claims in one answer would be a hundred megabytes, in etcd, in the client, and decoded.
func TestClaimsAreListedInPages(t *testing.T) {
	prefix := newPrefix()
	answers := &pages{KV: shared.client.KV}
	claims := NewClaims(&clientv3.Client{KV: answers}, prefix)
	const n = 2*claimsPage + 1
	for i := range n {
		mustTake(t, claims, newClaim(fmt.Sprintf("topic-%04d", i), fmt.Sprint(i)))
	}
	// What comes after the claims is none.
	if _, err := shared.client.Put(testContext(t), prefix+"/claims0", "{}"); err != nil {
		t.Fatal(err)
	}
	answers.sizes = nil
	all := mustList(t, claims)
	names := map[string]bool{}
	for _, c := range all {
		names[c.Name.Name] = true
		if c.Revision() == 0 {
			t.Fatalf("the claim on %s has no revision", c.Name)
		}
	}
	if len(all) != n || len(names) != n {
		t.Errorf("%d claims are listed, of %d names; want %d", len(all), len(names), n)
	}
	if want := []int{claimsPage, claimsPage, 1}; !slices.Equal(answers.sizes, want) {
		t.Errorf("the answers have %v claims, want %v", answers.sizes, want)
	}
	enough := errors.New("enough")
	seen := 0
	if err := claims.List(testContext(t), func(*Claim) error { seen++; return enough }); !errors.Is(err, enough) || seen != 1 {
		t.Errorf("stopped after %d with %v", seen, err)
	}
}

// pages notes how many keys each answer has.
type pages struct {
	clientv3.KV
	sizes []int
}

func (p *pages) Get(ctx context.Context, key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	got, err := p.KV.Get(ctx, key, opts...)
	if err == nil {
		p.sizes = append(p.sizes, len(got.Kvs))
	}
	return got, err
}

func TestConcurrentTakesHaveOneWinner(t *testing.T) {
	claims := NewClaims(shared.client, newPrefix())
	ctx := testContext(t)
	const takers = 20
	var mu sync.Mutex
	var winners []string
	var wg sync.WaitGroup
	for i := range takers {
		wg.Go(func() {
			uid := fmt.Sprint(i)
			_, err := claims.Take(ctx, newClaim("orders", uid), "")
			var claimed *ClaimedError
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				winners = append(winners, uid)
			case !errors.As(err, &claimed):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(winners) != 1 {
		t.Errorf("winners are %v, want one", winners)
	}
}

// Several servers may find a claim whose owner is gone at once: one takes it over, with the former owner's topic.
func TestConcurrentTakeoversHaveOneWinner(t *testing.T) {
	claims := NewClaims(shared.client, newPrefix())
	ctx := testContext(t)
	gone := mustTake(t, claims, newClaim("orders", "gone"))
	const heirs = 10
	results := make([]error, heirs)
	var wg sync.WaitGroup
	for i := range heirs {
		wg.Go(func() {
			_, results[i] = claims.Update(ctx, gone, func(c *Claim) {
				c.Owner.UID = types.UID(fmt.Sprint(i))
				c.TombstonedIDs = append(c.TombstonedIDs, "old-topic")
			})
		})
	}
	wg.Wait()
	winner := -1
	for i, err := range results {
		switch {
		case err == nil && winner >= 0:
			t.Errorf("both %d and %d took the claim over", winner, i)
		case err == nil:
			winner = i
		case !errors.Is(err, ErrClaimChanged):
			t.Error(err)
		}
	}
	standing, err := claims.Get(ctx, topicName("orders"))
	if err != nil {
		t.Fatal(err)
	}
	if standing.Owner.UID != types.UID(fmt.Sprint(winner)) || !slices.Equal(standing.TombstonedIDs, []string{"old-topic"}) {
		t.Errorf("the claim is %+v, want that of %d with one tombstoned id", *standing, winner)
	}
	if len(gone.TombstonedIDs) != 0 {
		t.Errorf("the caller's own copy was changed: %+v", *gone)
	}
}

func TestClaimsChangeOnlyAsRead(t *testing.T) {
	claims := NewClaims(shared.client, newPrefix())
	ctx := testContext(t)
	read := mustTake(t, claims, newClaim("orders", "one"))
	changed, err := claims.Update(ctx, read, func(c *Claim) { c.ID = "id-1" })
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(context.Context) error{
		"update": func(ctx context.Context) error {
			_, err := claims.Update(ctx, read, func(c *Claim) { c.ID = "id-2" })
			return err
		},
		"drop": func(ctx context.Context) error { return claims.Drop(ctx, read) },
	} {
		if err := change(ctx); !errors.Is(err, ErrClaimChanged) {
			t.Errorf("%s of a claim that has changed: %v, want ErrClaimChanged", what, err)
		}
	}
	// What Update returns is current: it can be changed and dropped without reading again.
	if changed, err = claims.Update(ctx, changed, func(c *Claim) { c.Retain = true }); err != nil {
		t.Fatal(err)
	}
	if err := claims.Drop(ctx, changed); err != nil {
		t.Fatal(err)
	}
	if err := claims.Drop(ctx, changed); !errors.Is(err, ErrClaimChanged) {
		t.Errorf("a claim was dropped twice: %v", err)
	}
	mustTake(t, claims, newClaim("orders", "two"))
}

// A name is claimed for an object that can be stored: both are looked at in one transaction.
func TestNothingIsClaimedForAnObjectThatExists(t *testing.T) {
	prefix := newPrefix()
	claims := NewClaims(shared.client, prefix)
	if _, err := shared.client.Put(testContext(t), prefix+"/kafkatopics/team-a/orders", "{}"); err != nil {
		t.Fatal(err)
	}
	if _, err := claims.Take(testContext(t), newClaim("orders", "one"), "/kafkatopics/team-a/orders"); !errors.Is(err, ErrObjectExists) {
		t.Errorf("%v, want ErrObjectExists", err)
	}
	if got, err := claims.Get(testContext(t), topicName("orders")); got != nil || err != nil {
		t.Errorf("there is the claim %+v, %v", got, err)
	}
	if _, err := claims.Take(testContext(t), newClaim("orders", "one"), "/kafkatopics/team-a/others"); err != nil {
		t.Error(err)
	}
}

// What was wanted is remembered, each once, the newest first, and not without a bound.
func TestAClaimRemembersWhatWasWanted(t *testing.T) {
	var c Claim
	all := func() (told []string) {
		for _, wanted := range c.Wanted {
			told = append(told, string(wanted))
		}
		return told
	}
	for _, wanted := range []string{"1", "2", "2", "3", "1"} {
		c.Want([]byte(wanted))
	}
	if want := []string{"1", "3", "2"}; !slices.Equal(all(), want) {
		t.Errorf("wanted are %v, want %v", all(), want)
	}
	for i := range 2 * maxWanted {
		c.Want(fmt.Appendf(nil, "%d", 100+i))
	}
	if got := all(); len(got) != maxWanted || got[0] != "117" || got[maxWanted-1] != "109" {
		t.Errorf("wanted are %v", got)
	}
	for i := range maxWanted {
		c.Want(append(make([]byte, maxWantedBytes/3), byte(i)))
		c.Await(c.Wanted[0])
	}
	if len(c.Wanted) != 2 || len(c.Unanswered) != 2 {
		t.Errorf("of thirds of what is remembered there are %d and %d", len(c.Wanted), len(c.Unanswered))
	}
}

// A uid that is not known may be that of any Kafka.
func TestAClaimIsOfOneKafka(t *testing.T) {
	for _, tc := range []struct {
		claimed, asked types.UID
		of             bool
	}{
		{"a", "a", true}, {"a", "b", false}, {"", "b", true}, {"a", "", true},
		{"a/site", "a/site", true}, {"a/site", "a/recovery", false}, {"a/site", "b/site", false}, {"a", "a/site", true}, {"a/site", "a", true},
		// It stood for another cluster before.
		{"a/site", "a//site", true}, {"a//site", "a/site", true}, {"a/site", "a//recovery", false}, {"a//site", "a//recovery", false}, {"a", "a//recovery", false},
		{"", "a//recovery", true}, {"a//site", "a", true},
	} {
		if c := (Claim{ClusterUID: tc.claimed}); c.OfKafka(tc.asked) != tc.of {
			t.Errorf("a claim of Kafka %q is of Kafka %q: %v", tc.claimed, tc.asked, !tc.of)
		}
	}
}

// One claim that cannot be read, of another release perhaps, keeps nobody from the others.
func TestAClaimThatCannotBeReadIsSkipped(t *testing.T) {
	claims := NewClaims(shared.client, newPrefix())
	mustTake(t, claims, newClaim("orders", "one"))
	if _, err := shared.client.Put(testContext(t), claims.key(topicName("broken")), `{"wanted":"text"}`); err != nil {
		t.Fatal(err)
	}
	var names []string
	if err := claims.List(testContext(t), func(c *Claim) error { names = append(names, c.Name.Name); return nil }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(names, []string{"orders"}) {
		t.Errorf("listed are %v", names)
	}
	if _, err := claims.Get(testContext(t), topicName("broken")); err == nil {
		t.Error("a claim that cannot be read counts as none")
	}
}

// Earlier releases wrote an id of nothing but zeros for what brokers give none to.
func TestAClaimOfNoID(t *testing.T) {
	const zeros, one = "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAQ"
	for value, want := range map[string]Claim{
		`{"id":"` + zeros + `"}`: {},
		`{"reportedID":"` + zeros + `","tombstonedIDs":["` + zeros + `","` + one + `"]}`: {TombstonedIDs: []string{one}},
		`{"id":"` + one + `","reportedID":"` + one + `"}`:                                {ID: one, ReportedID: one},
	} {
		got, err := decodeClaim([]byte(value), 0)
		if err != nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("%s is read as %+v, %v", value, got, err)
		}
	}
}

// What settings say takes no more in a claim than they do: etcd accepts 1.5 MiB.
func TestAClaimIsNoLargerThanWhatItRemembers(t *testing.T) {
	claims := NewClaims(shared.client, newPrefix())
	config := map[string]string{}
	for i := range 4 {
		config[fmt.Sprint("setting-", i)] = strings.Repeat("<&>", 31<<10/3)
	}
	wanted, err := Encode(map[string]any{"partitions": 3, "config": config})
	if err != nil {
		t.Fatal(err)
	}
	c := mustTake(t, claims, newClaim("orders", "one"))
	if c, err = claims.Update(testContext(t), c, func(c *Claim) { c.Want(wanted); c.Await(wanted) }); err != nil {
		t.Fatal(err)
	}
	if _, err = claims.Update(testContext(t), c, func(c *Claim) { c.ReportedID, c.ReportedAs = "an-id", wanted }); err != nil {
		t.Fatal(err)
	}
}
