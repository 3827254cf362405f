// Package gitops tries what docs/gitops.md says with the libraries by which GitOps tools judge objects.
package gitops

import (
	"os"
	"testing"

	lua "github.com/yuin/gopher-lua"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

const healthScript = "../../artifacts/gitops/argocd/health.lua"

func condition(kind string, is metav1.ConditionStatus, message string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: is, Reason: "Because", Message: message, LastTransitionTime: metav1.Now()}
}

func ready(is metav1.ConditionStatus) metav1.Condition {
	return condition(v1beta1.ConditionReady, is, "ready? "+string(is))
}

// Argo CD and kstatus (Flux, kubectl-like tools, kpt) tell what takes its time from what waits for a person, and neither trusts a status
// of an older spec.
func TestHealth(t *testing.T) {
	degraded := condition(v1beta1.ConditionDegraded, metav1.ConditionTrue, "a broker is down")
	sound := condition(v1beta1.ConditionDegraded, metav1.ConditionFalse, "everything runs")
	stalled := condition(v1beta1.ConditionStalled, metav1.ConditionTrue, "the name is taken")
	unauthorized := condition(v1beta1.ConditionAuthorized, metav1.ConditionFalse, "the account lacks Alter")
	rolling := condition(v1beta1.ConditionProgressing, metav1.ConditionTrue, "rolling")
	for _, tc := range []struct {
		state                string
		generation, observed int64
		conditions           []metav1.Condition
		argo, message        string
		kstatus              status.Status
	}{
		{"an object as it is created", 1, 0, []metav1.Condition{ready("Unknown")}, "Progressing", "ready? Unknown", status.InProgressStatus},
		// kstatus takes everything without a status for current, so there is no such object.
		{"an object without a status", 1, 0, nil, "Progressing", "nobody has looked at the object yet", status.CurrentStatus},
		{"a cluster that starts", 1, 1, []metav1.Condition{ready("False"), sound, rolling}, "Progressing", "ready? False", status.InProgressStatus},
		{"a topic whose brokers are away", 1, 1, []metav1.Condition{ready("False")}, "Progressing", "ready? False", status.InProgressStatus},
		{"what is not known", 1, 1, []metav1.Condition{ready("Unknown")}, "Progressing", "ready? Unknown", status.InProgressStatus},
		{"all is well", 1, 1, []metav1.Condition{ready("True"), sound}, "Healthy", "ready? True", status.CurrentStatus},
		{"all is well while brokers are rolled", 1, 1, []metav1.Condition{ready("True"), sound, rolling}, "Healthy", "ready? True", status.CurrentStatus},
		{"all that needs no more rights works", 1, 1, []metav1.Condition{ready("True"), sound, unauthorized}, "Healthy", "ready? True", status.CurrentStatus},
		{"it was well before the spec changed", 2, 1, []metav1.Condition{ready("True"), sound}, "Progressing", "the last change of the spec has not been looked at yet", status.InProgressStatus},
		{"a person has to do something", 1, 1, []metav1.Condition{ready("False"), stalled}, "Degraded", "the name is taken", status.FailedStatus},
		{"a person has to do something about a cluster that serves", 1, 1, []metav1.Condition{ready("True"), sound, stalled}, "Degraded", "the name is taken", status.FailedStatus},
		{"a person has changed the spec", 2, 1, []metav1.Condition{ready("False"), stalled}, "Progressing", "the last change of the spec has not been looked at yet", status.InProgressStatus},
		// kstatus knows no degraded objects.
		{"a broker is down and the cluster serves", 1, 1, []metav1.Condition{ready("True"), degraded}, "Degraded", "a broker is down", status.CurrentStatus},
		{"nothing answers any more", 1, 1, []metav1.Condition{ready("False"), degraded}, "Degraded", "a broker is down", status.InProgressStatus},
	} {
		t.Run(tc.state, func(t *testing.T) {
			for kind, object := range map[string]any{
				"Kafka": &v1beta1.Kafka{ObjectMeta: metav1.ObjectMeta{Name: "x", Generation: tc.generation},
					Status: v1beta1.KafkaStatus{ObservedGeneration: tc.observed, Conditions: tc.conditions}},
				"KafkaTopic": &v1beta1.KafkaTopic{ObjectMeta: metav1.ObjectMeta{Name: "x", Generation: tc.generation},
					Status: v1beta1.KafkaTopicStatus{ObservedGeneration: tc.observed, Conditions: tc.conditions}},
			} {
				content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
				if err != nil {
					t.Fatal(err)
				}
				u := &unstructured.Unstructured{Object: content}
				u.SetGroupVersionKind(v1beta1.SchemeGroupVersion.WithKind(kind))
				if health, message := argoHealth(t, u); health != tc.argo || message != tc.message {
					t.Errorf("Argo CD says of a %s %s, %q; want %s, %q", kind, health, message, tc.argo, tc.message)
				}
				result, err := status.Compute(u)
				if err != nil {
					t.Fatal(err)
				}
				if result.Status != tc.kstatus {
					t.Errorf("kstatus says of a %s %s, %q; want %s", kind, result.Status, result.Message, tc.kstatus)
				}
			}
		})
	}
}

// argoHealth runs the script as Argo CD does: with the object as obj, and the libraries base, table and string.
func argoHealth(t *testing.T, object *unstructured.Unstructured) (health, message string) {
	t.Helper()
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable, lua.StringLibName: lua.OpenString} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			t.Fatal(err)
		}
	}
	state.SetContext(t.Context())
	state.SetGlobal("obj", luaValue(state, object.Object))
	script, err := os.ReadFile(healthScript)
	if err != nil {
		t.Fatal(err)
	}
	if err := state.DoString(string(script)); err != nil {
		t.Fatal(err)
	}
	result, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		t.Fatalf("the script returns %s", state.Get(-1).Type())
	}
	return result.RawGetString("status").String(), result.RawGetString("message").String()
}

func luaValue(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case string:
		return lua.LString(value)
	case bool:
		return lua.LBool(value)
	case int64:
		return lua.LNumber(value)
	case float64:
		return lua.LNumber(value)
	case []any:
		table := state.NewTable()
		for _, element := range value {
			table.Append(luaValue(state, element))
		}
		return table
	case map[string]any:
		table := state.NewTable()
		for key, element := range value {
			table.RawSetString(key, luaValue(state, element))
		}
		return table
	}
	return lua.LNil
}
