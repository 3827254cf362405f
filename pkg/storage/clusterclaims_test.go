package storage

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/types"
)

func clusterClaim(id, uid string) ClusterClaim {
	return ClusterClaim{ClusterID: id, Owner: Owner{Namespace: "streams", Name: "k-" + uid, UID: types.UID(uid)}}
}

func TestAClusterIsClaimedOnce(t *testing.T) {
	claims, ctx := NewClusterClaims(shared.client, newPrefix()), testContext(t)
	first, taken, err := claims.Take(ctx, clusterClaim("a/b c", "one"))
	if err != nil || !taken {
		t.Fatalf("%v, %v", taken, err)
	}
	for _, uid := range []string{"one", "two"} {
		standing, taken, err := claims.Take(ctx, clusterClaim("a/b c", uid))
		if err != nil || taken || standing.Owner.UID != "one" || standing.revision != first.revision {
			t.Errorf("%s: %+v, %v, %v", uid, standing, taken, err)
		}
	}
	if _, taken, err := claims.Take(ctx, clusterClaim("a", "two")); err != nil || !taken {
		t.Errorf("another cluster: %v, %v", taken, err)
	}
	if standing, err := claims.Get(ctx, "a/b c"); err != nil || !reflect.DeepEqual(standing, first) {
		t.Errorf("it is %+v, %v", standing, err)
	}
	if standing, err := claims.Get(ctx, "b"); standing != nil || err != nil {
		t.Errorf("nobody's: %+v, %v", standing, err)
	}
	theirs := clusterClaim("a/b c", "three")
	theirs.RunHere = true
	second, err := claims.Replace(ctx, first, theirs)
	if err != nil || second.Owner.UID != "three" || !second.RunHere {
		t.Fatalf("%+v, %v", second, err)
	}
	if _, err := claims.Replace(ctx, first, clusterClaim("a/b c", "four")); !errors.Is(err, ErrClaimChanged) {
		t.Errorf("replaced what had changed: %v", err)
	}
	if err := claims.Drop(ctx, first); !errors.Is(err, ErrClaimChanged) {
		t.Errorf("dropped what had changed: %v", err)
	}
	all, err := claims.List(ctx)
	if err != nil || len(all) != 2 || all[1].ClusterID != "a/b c" || !reflect.DeepEqual(all[1], second) {
		t.Errorf("%+v, %v", all, err)
	}
	if err := claims.Drop(ctx, second); err != nil {
		t.Error(err)
	}
	if _, taken, err := claims.Take(ctx, clusterClaim("a/b c", "two")); err != nil || !taken {
		t.Errorf("after the drop: %v, %v", taken, err)
	}
}

func TestMakers(t *testing.T) {
	makers, ctx := NewMakers(shared.client, newPrefix()), testContext(t)
	if got, err := makers.Get(ctx, "uid", "x"); got != nil || err != nil {
		t.Fatalf("%+v, %v", got, err)
	}
	jane := Maker{External: "x", Name: "jane", UID: "1", Groups: []string{"team"}, Extra: map[string][]string{"scopes": {"a"}}}
	for _, maker := range []Maker{jane, {External: "y", Name: "bob"}} {
		if err := makers.Record(ctx, "uid", maker); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := makers.Get(ctx, "uid", "x"); err != nil || !reflect.DeepEqual(*got, jane) {
		t.Errorf("%+v, %v", got, err)
	}
	// Who writes the same again is who wrote it.
	if err := makers.Record(ctx, "uid", Maker{External: "x", Name: "bob"}); err != nil {
		t.Fatal(err)
	}
	if got, err := makers.Get(ctx, "uid", "x"); err != nil || got.Name != "bob" {
		t.Errorf("%+v, %v", got, err)
	}
	for i := range 2 * maxMakers {
		if err := makers.Record(ctx, "uid", Maker{External: fmt.Sprint(i), Name: "bob"}); err != nil {
			t.Fatal(err)
		}
	}
	known, _, err := makers.read(ctx, "uid")
	if err != nil || len(known) != maxMakers || known[0].External != fmt.Sprint(2*maxMakers-1) {
		t.Errorf("%+v, %v", known, err)
	}
	if err := makers.Record(ctx, "other", jane); err != nil {
		t.Fatal(err)
	}
	if got, err := makers.Kafkas(ctx); err != nil || !slices.Equal(got, []types.UID{"other", "uid"}) {
		t.Errorf("%v, %v", got, err)
	}
	if err := makers.Forget(ctx, "uid"); err != nil {
		t.Error(err)
	}
	if got, err := makers.Get(ctx, "uid", "x"); got != nil || err != nil {
		t.Errorf("forgotten: %+v, %v", got, err)
	}
}
