package apiservertest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// Way is one of the ways in which something is written.
type Way string

// Ways are all of them. A way that is added here is tried with every guard of every kind.
const (
	WayPost           Way = "POST"
	WayPutCreate      Way = "PUT that creates"
	WayApplyCreate    Way = "apply that creates"
	WayPut            Way = "PUT"
	WayJSONPatch      Way = "JSON patch"
	WayMergePatch     Way = "merge patch"
	WayStrategicPatch Way = "strategic merge patch"
	WayApply          Way = "apply"
	WayScale          Way = "scale"
	WayStatus         Way = "status"
	// WayLastFinalizer says at once what is refused and that an object that was deleted goes, WayDeparture only the latter.
	WayLastFinalizer    Way = "the last finalizer, and more"
	WayDeparture        Way = "the last finalizer"
	WayDelete           Way = "DELETE"
	WayDeleteCollection Way = "deletecollection"
)

var allWays = []Way{WayPost, WayPutCreate, WayApplyCreate, WayPut, WayJSONPatch, WayMergePatch, WayStrategicPatch, WayApply, WayScale, WayStatus,
	WayLastFinalizer, WayDeparture, WayDelete, WayDeleteCollection}

// patchTypes are the ways that are patches. One that takes the last finalizer is a put.
var patchTypes = map[Way]types.PatchType{WayApplyCreate: types.ApplyPatchType, WayApply: types.ApplyPatchType, WayJSONPatch: types.JSONPatchType,
	WayMergePatch: types.MergePatchType, WayStrategicPatch: types.StrategicMergePatchType}

// Creates tells whether there is nothing before, Departs whether what is there before was deleted and waits for its finalizers.
func (w Way) Creates() bool { return w == WayPost || w == WayPutCreate || w == WayApplyCreate }
func (w Way) Departs() bool { return w == WayLastFinalizer || w == WayDeparture }

// removes tells whether an object is gone when the way was taken.
func (w Way) removes() bool { return w == WayDeparture || w == WayDelete || w == WayDeleteCollection }

// Guarded is a kind whose writes are guarded.
type Guarded[O metav1.Object] struct {
	// Kind and Resource are what is written; Subresource is a part of it that is written like an object of its own, "" for none.
	Kind, Resource, Subresource string
	// Replicas is what a scale says of an object; nil for a kind without.
	Replicas func(obj O) int32
	// Beside are the answers of ways with which no guard of the kind has anything to do.
	Beside map[Way]Answer
	Guards []Guard[O]
}

// Answer is the answer of a way that is not the guard's, and why. Words are what makes it that answer, and none that the guard would give,
// nor one that would be given if something else were wrong.
type Answer struct {
	Code       int
	Words, Why string
}

// Guard refuses something, whichever way it comes.
type Guard[O metav1.Object] struct {
	Name   string
	Client rest.Interface
	// Arrange makes what is there before, as somebody who may, and what is to be refused.
	Arrange func(t *testing.T, way Way) Attempt[O]
	// Code and Words are the refusal's. A code of success makes it a row about what a dry run must not do.
	Code  int
	Words string
	// Beside are the answers of ways with which the guard has nothing to do.
	Beside map[Way]Answer
}

// Attempt is one write.
type Attempt[O metav1.Object] struct {
	Object O
	// Stored is what is there before; the zero value for nothing.
	Stored O
	// Unchanged checks that nothing was stored or done.
	Unchanged func(t *testing.T)
	// Done checks what has come of a write that was let through: one that removes the object, or one that the guard is not against. It may be
	// nil.
	Done func(t *testing.T)
}

// Test crosses each guard with each way, for real and in a dry run. All of them are tried: what a guard has nothing to do with has an answer of
// its own, with a reason.
func (g Guarded[O]) Test(t *testing.T) {
	t.Helper()
	for _, guard := range g.Guards {
		for of, beside := range map[string]map[Way]Answer{g.Kind: g.Beside, guard.Name: guard.Beside} {
			for way, answer := range beside {
				if answer.Why == "" || answer.Words == "" || answer.Code == 0 {
					t.Errorf("%s, %s: an answer of its own needs a code, words and a reason", of, way)
				}
			}
		}
		if guard.Words == "" {
			t.Errorf("%s: a refusal needs words", guard.Name)
		}
		for _, way := range allWays {
			for _, dryRun := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/dry run %t", guard.Name, way, dryRun), func(t *testing.T) {
					t.Parallel()
					g.try(t, guard, way, dryRun)
				})
			}
		}
	}
}

func (g Guarded[O]) try(t *testing.T, guard Guard[O], way Way, dryRun bool) {
	t.Helper()
	attempt := guard.Arrange(t, way)
	obj := attempt.Object
	if way == WayDeparture {
		obj = attempt.Stored
	}
	request := g.Request(t, guard.Client, way, obj)
	if dryRun {
		request = request.Param("dryRun", metav1.DryRunAll)
	}
	code := 0
	result := request.Do(t.Context()).StatusCode(&code)
	body, _ := result.Raw()
	said := string(body)
	if err := result.Error(); err != nil {
		said = err.Error()
	}
	answer, beside := guard.Beside[way]
	if !beside {
		answer, beside = g.Beside[way]
	}
	if !beside {
		answer = Answer{Code: guard.Code, Words: guard.Words, Why: "the guard's own"}
	}
	if code != answer.Code || !strings.Contains(said, answer.Words) {
		t.Errorf("code %d, want %d and %q (%s): %s", code, answer.Code, answer.Words, answer.Why, said)
	}
	switch {
	case dryRun || code >= http.StatusBadRequest || g.Subresource == "" && (way == WayStatus || way == WayScale):
		attempt.Unchanged(t)
	case attempt.Done != nil && (way.removes() || !beside):
		attempt.Done(t)
	}
}

// Request writes an object in a way, or its status when that is the subresource. An update of an object that is about to go takes its last
// finalizer when it has none any more.
func (g Guarded[O]) Request(t *testing.T, client rest.Interface, way Way, obj O) *rest.Request {
	t.Helper()
	object := func(request *rest.Request) *rest.Request {
		request = request.Namespace(obj.GetNamespace()).Resource(g.Resource).Name(obj.GetName())
		if g.Subresource != "" {
			request = request.SubResource(g.Subresource)
		}
		return request
	}
	switch way {
	case WayPost:
		request := client.Post().Namespace(obj.GetNamespace()).Resource(g.Resource)
		if g.Subresource != "" {
			request = object(client.Post())
		}
		return request.Body(asJSON(t, obj))
	case WayPut, WayPutCreate:
		return object(client.Put()).Body(asJSON(t, obj))
	case WayLastFinalizer, WayDeparture:
		obj.SetFinalizers(nil)
		return object(client.Put()).Body(asJSON(t, obj))
	case WayScale:
		scale := &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{Name: obj.GetName(), Namespace: obj.GetNamespace()}}
		if g.Replicas != nil {
			scale.Spec.Replicas = g.Replicas(obj)
		}
		return client.Put().Namespace(obj.GetNamespace()).Resource(g.Resource).Name(obj.GetName()).SubResource("scale").Body(asJSON(t, scale))
	case WayStatus:
		return client.Put().Namespace(obj.GetNamespace()).Resource(g.Resource).Name(obj.GetName()).SubResource("status").Body(asJSON(t, obj))
	case WayDelete:
		return object(client.Delete())
	case WayDeleteCollection:
		request := client.Delete().Namespace(obj.GetNamespace()).Resource(g.Resource)
		if g.Subresource != "" {
			request = object(client.Delete())
		}
		return request
	}
	kind, ok := patchTypes[way]
	if !ok {
		t.Fatalf("nothing is written by %q", way)
	}
	request := object(client.Patch(kind)).Body(asJSON(t, g.patch(t, kind, obj)))
	if kind == types.ApplyPatchType {
		request = request.Param("fieldManager", "test").Param("force", "true")
	}
	return request
}

// patch says the spec of an object, or its status, as one of the kinds of patches.
func (g Guarded[O]) patch(t *testing.T, kind types.PatchType, obj O) any {
	t.Helper()
	part := "spec"
	if g.Subresource == "status" {
		part = "status"
	}
	var whole map[string]json.RawMessage
	if err := json.Unmarshal(asJSON(t, obj), &whole); err != nil {
		t.Fatal(err)
	}
	leaves := obj.GetDeletionTimestamp() != nil && len(obj.GetFinalizers()) == 0
	switch kind {
	case types.JSONPatchType:
		steps := []any{map[string]any{"op": "replace", "path": "/" + part, "value": whole[part]}}
		if leaves {
			steps = append(steps, map[string]any{"op": "remove", "path": "/metadata/finalizers"})
		}
		return steps
	case types.ApplyPatchType:
		return map[string]any{"apiVersion": "kafka.openshift.io/v1beta1", "kind": g.Kind,
			"metadata": map[string]any{"name": obj.GetName(), "namespace": obj.GetNamespace()}, part: whole[part]}
	}
	patch := map[string]any{part: whole[part]}
	if leaves {
		patch["metadata"] = map[string]any{"finalizers": nil}
	}
	return patch
}

func asJSON(t *testing.T, value any) []byte {
	t.Helper()
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
