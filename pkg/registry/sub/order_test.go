package sub_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/sub"
)

// found is an object of a request.
type found struct {
	metav1.ObjectMeta
	journal *journal
}

func (found) Resource() schema.GroupResource { return kafka.Resource("kafkatopics") }
func (f found) Parent() metav1.Object        { return &f.ObjectMeta }
func (f found) Begin(context.Context) error  { return f.journal.step("begin") }

// journal notes the steps of a request, of which one fails.
type journal struct {
	steps []string
	fails string
}

var errFails = errors.New("refused")

func (j *journal) step(name string) error {
	j.steps = append(j.steps, name)
	if name == j.fails {
		return errFails
	}
	return nil
}

func (j *journal) problems(name string) field.ErrorList {
	if j.step(name) != nil {
		return field.ErrorList{field.Required(field.NewPath("spec"), "")}
	}
	return nil
}

var orders = metav1.ObjectMeta{Name: "orders", Namespace: "n", UID: "u", ResourceVersion: "7"}

type scale = autoscalingv1.Scale

// write is a request to one kind of subresource.
type write func(ctx context.Context, body *scale, dryRun bool) (runtime.Object, error)

func (j *journal) find(ctx context.Context, name string) (found, error) {
	if _, bounded := ctx.Deadline(); !bounded {
		return found{}, errors.New("no deadline")
	}
	if name != orders.Name {
		return found{}, apierrors.NewNotFound(kafka.Resource("kafkatopics"), name)
	}
	return found{orders, j}, j.step("find")
}

func (j *journal) action() write {
	a := &sub.Action[found, *scale, string]{
		Type:     sub.ScaleType(kafka.Resource("kafkatopics")),
		Find:     j.find,
		Prepare:  func(*scale) {},
		Validate: func(found, *scale) field.ErrorList { return j.problems("validate") },
		Ask:      func(context.Context, found, *scale) (string, error) { return "planned", j.step("ask") },
		Foresee:  func(_ context.Context, _ found, plan string) (string, error) { return "foreseen", j.step("foresee") },
		Do:       func(_ context.Context, _ found, plan string) (string, error) { return "done", j.step("do") },
		Record: func(_ context.Context, _ found, body *scale, plan string) (*scale, error) {
			body.Status.Selector = plan
			return body, j.step("record")
		},
	}
	return func(ctx context.Context, body *scale, dryRun bool) (runtime.Object, error) {
		options := &metav1.CreateOptions{}
		if dryRun {
			options.DryRun = []string{metav1.DryRunAll}
		}
		return a.Create(ctx, orders.Name, body, func(context.Context, runtime.Object) error { return j.step("admit") }, options)
	}
}

func info(body *scale) rest.UpdatedObjectInfo {
	return rest.DefaultUpdatedObjectInfo(nil, func(context.Context, runtime.Object, runtime.Object) (runtime.Object, error) { return body, nil })
}

func updateOptions(dryRun bool) *metav1.UpdateOptions {
	options := &metav1.UpdateOptions{}
	if dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	return options
}

func (j *journal) declarative() write {
	answer := func(step, what string) func(context.Context, found, *scale, *scale, string) (*scale, error) {
		return func(_ context.Context, _ found, next, _ *scale, plan string) (*scale, error) {
			next.Status.Selector = plan + what
			return next, j.step(step)
		}
	}
	d := &sub.Declarative[found, *scale, string]{
		View:     sub.View[found, *scale]{Type: sub.ScaleType(kafka.Resource("kafkatopics"))},
		Target:   j.find,
		Current:  func(context.Context, found) (*scale, error) { return &scale{ObjectMeta: orders}, nil },
		Validate: func(found, *scale, *scale) field.ErrorList { return j.problems("validate") },
		Ask:      func(context.Context, found, *scale, *scale) (string, error) { return "", j.step("ask") },
		Foresee:  answer("foresee", "foreseen"),
		Do:       func(context.Context, found, *scale, string) (string, error) { return "done", j.step("do") },
		Record:   answer("record", ""),
	}
	return func(ctx context.Context, body *scale, dryRun bool) (runtime.Object, error) {
		admit := func(context.Context, runtime.Object, runtime.Object) error { return j.step("admit") }
		obj, _, err := d.Update(ctx, orders.Name, info(body), nil, admit, false, updateOptions(dryRun))
		return obj, err
	}
}

// parents is a storage of parents. It checks, admits and stores as the generic registry does.
type parents struct{ *journal }

func (parents) New() runtime.Object { return &kafka.Kafka{} }
func (parents) Destroy()            {}

func (p parents) Update(ctx context.Context, _ string, info rest.UpdatedObjectInfo, _ rest.ValidateObjectFunc, update rest.ValidateObjectUpdateFunc, _ bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	old := &kafka.Kafka{ObjectMeta: orders}
	obj, err := info.UpdatedObject(ctx, old)
	if err != nil {
		return nil, false, err
	}
	if version := obj.(*kafka.Kafka).ResourceVersion; version != "" && version != old.ResourceVersion {
		return nil, false, apierrors.NewConflict(kafka.Resource("kafkas"), old.Name, errors.New("modified"))
	}
	if err := update(ctx, obj, old); err != nil {
		return nil, false, err
	}
	if len(options.DryRun) > 0 {
		return obj, false, p.step("foresee")
	}
	return obj, false, p.step("do")
}

func (j *journal) transition() write {
	t := &sub.Transition[found, *kafka.Kafka, *scale]{
		View:     sub.View[found, *scale]{Type: sub.ScaleType(kafka.Resource("kafkas")), Find: j.find},
		Resource: kafka.Resource("kafkas"),
		Parents:  parents{j},
		Of: func(_ found, k *kafka.Kafka) *scale {
			return &scale{ObjectMeta: k.ObjectMeta, Status: autoscalingv1.ScaleStatus{Selector: k.Annotations["changed"]}}
		},
		GiveOwners: func(*kafka.Kafka, *scale) error { return nil },
		Validate:   func(*kafka.Kafka, *scale) field.ErrorList { return j.problems("validate") },
		Change: func(k *kafka.Kafka, _ *scale) error {
			k.Annotations = map[string]string{"changed": "done"}
			return nil
		},
	}
	return func(ctx context.Context, body *scale, dryRun bool) (runtime.Object, error) {
		admit := func(context.Context, runtime.Object, runtime.Object) error { return j.step("admit") }
		obj, _, err := t.Update(ctx, orders.Name, info(body), nil, admit, false, updateOptions(dryRun))
		return obj, err
	}
}

// kinds are all that write, with the steps of a request to each that has nothing against it, and of its dry run.
var kinds = map[string]struct {
	write        func(*journal) write
	steps, tried []string
}{
	"action": {(*journal).action, []string{"find", "validate", "admit", "begin", "ask", "do", "record"},
		[]string{"find", "validate", "admit", "begin", "ask", "foresee", "record"}},
	"declarative": {(*journal).declarative, []string{"find", "validate", "admit", "begin", "ask", "do", "record"},
		[]string{"find", "validate", "admit", "begin", "ask", "foresee"}},
	"transition": {(*journal).transition, []string{"find", "validate", "admit", "do"}, []string{"find", "validate", "admit", "foresee"}},
}

// Each step comes after those that can refuse without it, and none comes after one that has refused.
func TestOneOrderForAllKinds(t *testing.T) {
	for name, kind := range kinds {
		for _, dryRun := range []bool{false, true} {
			want := kind.steps
			if dryRun {
				want = kind.tried
			}
			t.Run(fmt.Sprintf("%s/dry run %v", name, dryRun), func(t *testing.T) {
				j := &journal{}
				out, err := kind.write(j)(t.Context(), &scale{ObjectMeta: metav1.ObjectMeta{Name: orders.Name}}, dryRun)
				if err != nil || !slices.Equal(j.steps, want) {
					t.Errorf("the steps are %v, %v; want %v", j.steps, err, want)
				}
				if got := out.(*scale).Status.Selector; dryRun && got == "done" && name != "transition" || !dryRun && got != "done" {
					t.Errorf("the answer says %q", got)
				}
				for i, fails := range want {
					j := &journal{fails: fails}
					out, err := kind.write(j)(t.Context(), &scale{ObjectMeta: metav1.ObjectMeta{Name: orders.Name}}, dryRun)
					if out != nil || err == nil || !slices.Equal(j.steps, want[:i+1]) {
						t.Errorf("%s refuses: the steps are %v, %v; want %v", fails, j.steps, err, want[:i+1])
					}
				}
			})
		}
	}
}

// A body is for one object: for its name, and for the uid and the resourceVersion that it gives.
func TestBodiesForOtherObjects(t *testing.T) {
	for name, kind := range kinds {
		for what, tc := range map[string]struct {
			body metav1.ObjectMeta
			code int32
		}{
			"the object":          {metav1.ObjectMeta{Name: "orders", Namespace: "n", UID: "u", ResourceVersion: "7"}, 0},
			"another name":        {metav1.ObjectMeta{Name: "other"}, 400},
			"another namespace":   {metav1.ObjectMeta{Name: "orders", Namespace: "m"}, 400},
			"a former object":     {metav1.ObjectMeta{Name: "orders", UID: "former"}, 409},
			"a version of before": {metav1.ObjectMeta{Name: "orders", ResourceVersion: "6"}, 409},
		} {
			for _, dryRun := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/dry run %v", name, what, dryRun), func(t *testing.T) {
					j := &journal{}
					_, err := kind.write(j)(t.Context(), &scale{ObjectMeta: tc.body}, dryRun)
					var status apierrors.APIStatus
					switch {
					case tc.code == 0 && err != nil:
						t.Error(err)
					case tc.code == 0:
					case !errors.As(err, &status) || status.Status().Code != tc.code:
						t.Errorf("got %v, want %d", err, tc.code)
					case slices.Contains(j.steps, "do"), slices.Contains(j.steps, "ask"):
						t.Errorf("the steps are %v", j.steps)
					}
				})
			}
		}
	}
}

func TestABodyOfAnotherTypeIsABadRequest(t *testing.T) {
	a := &sub.Action[found, *scale, string]{Type: sub.ScaleType(kafka.Resource("kafkatopics"))}
	if _, err := a.Create(t.Context(), "orders", &kafka.Kafka{}, nil, &metav1.CreateOptions{}); !apierrors.IsBadRequest(err) || !strings.Contains(err.Error(), "Scale") {
		t.Errorf("got %v", err)
	}
}

// What does not exist is made by a put that does not say which one it means.
func TestMissing(t *testing.T) {
	for what, tc := range map[string]struct {
		body    metav1.ObjectMeta
		created bool
	}{
		"any":       {metav1.ObjectMeta{Name: "orders"}, true},
		"a uid":     {metav1.ObjectMeta{Name: "orders", UID: "u"}, false},
		"a version": {metav1.ObjectMeta{Name: "orders", ResourceVersion: "7"}, false},
	} {
		t.Run(what, func(t *testing.T) {
			j := &journal{}
			var admitted []string
			d := &sub.Declarative[found, *scale, string]{
				View:     sub.View[found, *scale]{Type: sub.ScaleType(kafka.Resource("kafkatopics"))},
				Target:   j.find,
				Current:  func(context.Context, found) (*scale, error) { return &scale{}, nil },
				Missing:  func(found) error { return apierrors.NewNotFound(kafka.Resource("kafkatopics"), "orders") },
				Validate: func(found, *scale, *scale) field.ErrorList { return nil },
				Ask:      func(context.Context, found, *scale, *scale) (string, error) { return "", nil },
				Do:       func(context.Context, found, *scale, string) (string, error) { return "", j.step("do") },
				Record:   func(_ context.Context, _ found, next, _ *scale, _ string) (*scale, error) { return next, nil },
			}
			create := func(context.Context, runtime.Object) error { admitted = append(admitted, "create"); return nil }
			update := func(context.Context, runtime.Object, runtime.Object) error {
				admitted = append(admitted, "update")
				return nil
			}
			_, created, err := d.Update(t.Context(), "orders", info(&scale{ObjectMeta: tc.body}), create, update, false, &metav1.UpdateOptions{})
			if created != tc.created || tc.created != (err == nil) || !tc.created && !apierrors.IsNotFound(err) {
				t.Errorf("created is %v, %v", created, err)
			}
			if want := []string{"create"}; tc.created && !slices.Equal(admitted, want) || !tc.created && slices.Contains(j.steps, "do") {
				t.Errorf("admitted as %v, the steps are %v", admitted, j.steps)
			}
		})
	}
}
