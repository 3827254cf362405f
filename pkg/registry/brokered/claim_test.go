package brokered

import (
	"encoding/json"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// What was asked of one cluster, and who asked, is forgotten by a claim that becomes one about another, and by no other.
func TestAClaimThatMovesForgetsWhatWasAsked(t *testing.T) {
	for _, tc := range []struct {
		of, to, becomes types.UID
		forgets         bool
	}{
		{"", "kafka", "kafka", false},
		{"", "kafka/site", "kafka/site", false},
		{"kafka", "kafka/site", "kafka/site", false},
		{"kafka/site", "kafka", "kafka/site", false},
		{"kafka/site", "", "kafka/site", false},
		{"kafka/site", "kafka/site", "kafka/site", false},
		{"kafka/site", "kafka//recovery", "kafka//recovery", true},
		{"kafka", "kafka//recovery", "kafka//recovery", true},
		{"kafka//recovery", "kafka/site", "kafka/site", true},
		{"kafka/site", "another", "another", true},
	} {
		asked := json.RawMessage("{}")
		c := &storage.Claim{ClusterUID: tc.of, ID: "its own", MayAdopt: true, WithoutID: asked, Wanted: []json.RawMessage{asked}, Unanswered: []json.RawMessage{asked}}
		moveTo(c, tc.to)
		if c.ClusterUID != tc.becomes || c.ID != "its own" {
			t.Errorf("of %q, to %q: it is of %q with id %q, want %q", tc.of, tc.to, c.ClusterUID, c.ID, tc.becomes)
		}
		for what, kept := range map[string]bool{"may adopt": c.MayAdopt, "without id": c.WithoutID != nil, "wanted": c.Wanted != nil, "unanswered": c.Unanswered != nil} {
			if kept == tc.forgets {
				t.Errorf("of %q, to %q: %s is kept: %v", tc.of, tc.to, what, kept)
			}
		}
	}
}
