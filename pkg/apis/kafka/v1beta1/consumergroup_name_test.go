package v1beta1

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/validate/content"
)

func TestConsumerGroupName(t *testing.T) {
	for id, want := range map[string]string{
		"billing":       "k.billing",
		"Billing_v1.2":  "k.Billing_v1.2",
		"":              "k.",
		".":             "k..",
		"..":            "k...",
		"a.b":           "k.a.b",
		"a/b":           "k.a~2Fb",
		"100%":          "k.100~25",
		"~":             "k.~7E",
		"a b\n":         "k.a~20b~0A",
		"größe":         "k.gr~C3~B6~C3~9Fe",
		"app:svc@x,y=z": "k.app~3Asvc~40x~2Cy~3Dz",
		"\x00\u00ff":    "k.~00~C3~BF",
	} {
		if got := ConsumerGroupName("k", id); got != want {
			t.Errorf("group %q has the name %q, want %q", id, got, want)
		}
		checkRoundTrip(t, "k", id)
	}
	checkRoundTrip(t, "my-cluster", strings.Repeat("ä/", 16000))
}

func TestNamesOfNoConsumerGroup(t *testing.T) {
	for _, name := range []string{"", "k", ".billing", "k.a~", "k.a~2", "k.a~2f", "k.~61", "k.~2E", "k.a/b", "k.a%2Fb", "k.a b", "k.~~~", "k.a~XY", "k.ö", "k.a~80", "k.~C3~28", "k.~ED~A0~80"} {
		if kafka, id, ok := ParseConsumerGroupName(name); ok {
			t.Errorf("%q is taken for group %q of %q", name, id, kafka)
		}
	}
}

func checkRoundTrip(t *testing.T, kafka, id string) {
	t.Helper()
	name := ConsumerGroupName(kafka, id)
	if problems := content.IsPathSegmentName(name); len(problems) > 0 {
		t.Errorf("group %q has the name %q: %v", id, name, problems)
	}
	if escaped := url.PathEscape(name); escaped != name {
		t.Errorf("group %q has the name %q, which URLs write as %q", id, name, escaped)
	}
	if gotKafka, gotID, ok := ParseConsumerGroupName(name); !ok || gotKafka != kafka || gotID != id {
		t.Errorf("group %q of %q became %q and %q of %q, %v", id, kafka, name, gotID, gotKafka, ok)
	}
}

func FuzzConsumerGroupName(f *testing.F) {
	for _, id := range []string{"", "billing", "a.b", "a/b", "..", "~2F", "a~b", "größe"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if utf8.ValidString(id) {
			checkRoundTrip(t, "my-cluster", id)
		}
		// Read as a name it is the only name of what it means.
		if kafka, group, ok := ParseConsumerGroupName(id); ok && ConsumerGroupName(kafka, group) != id {
			t.Errorf("%q and %q are names of one group", id, ConsumerGroupName(kafka, group))
		}
	})
}
