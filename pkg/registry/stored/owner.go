package stored

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

// FieldManager owns the fields that this server fills in, so that who applies an object later sees whose they are.
const FieldManager = "kafka-apiserver"

// OwnFields makes this server the one manager of some fields of an object, as an update by it would. An object without any managers, such as
// one whose fields nobody tracks, is left so.
func OwnFields(obj metav1.Object, at time.Time, paths ...fieldpath.Path) error {
	entries := obj.GetManagedFields()
	if len(entries) == 0 || len(paths) == 0 {
		return nil
	}
	taken := fieldpath.NewSet(paths...)
	next := make([]metav1.ManagedFieldsEntry, 0, len(entries)+1)
	mine := metav1.ManagedFieldsEntry{Manager: FieldManager, Operation: metav1.ManagedFieldsOperationUpdate,
		APIVersion: v1beta1.SchemeGroupVersion.String(), FieldsType: "FieldsV1"}
	owned := taken
	for _, entry := range entries {
		if entry.Subresource != "" || entry.FieldsV1 == nil {
			next = append(next, entry)
			continue
		}
		set := &fieldpath.Set{}
		if err := set.FromJSON(entry.FieldsV1.GetRawReader()); err != nil {
			return fmt.Errorf("read the fields of manager %s: %w", entry.Manager, err)
		}
		if entry.Manager == mine.Manager && entry.Operation == mine.Operation && entry.APIVersion == mine.APIVersion {
			owned = owned.Union(set)
			continue
		}
		left := set.Difference(taken)
		// Who applied a value has said what it is to be, and goes on saying so.
		if entry.Operation == metav1.ManagedFieldsOperationApply || left.Equals(set) {
			next = append(next, entry)
			continue
		}
		if left.Empty() {
			continue
		}
		raw, err := left.ToJSON()
		if err != nil {
			return fmt.Errorf("write the fields of manager %s: %w", entry.Manager, err)
		}
		entry.FieldsV1 = metav1.NewFieldsV1(string(raw))
		next = append(next, entry)
	}
	raw, err := owned.ToJSON()
	if err != nil {
		return fmt.Errorf("write the fields of manager %s: %w", mine.Manager, err)
	}
	mine.FieldsV1 = metav1.NewFieldsV1(string(raw))
	now := metav1.NewTime(at.Truncate(time.Second))
	mine.Time = &now
	next = append(next, mine)
	slices.SortStableFunc(next, inOrder)
	obj.SetManagedFields(next)
	return nil
}

// inOrder is the order in which k8s.io/apimachinery writes managers: in any other, the next write of an equal object would be a change.
func inOrder(a, b metav1.ManagedFieldsEntry) int {
	seconds := func(e metav1.ManagedFieldsEntry) int64 {
		if e.Time == nil {
			return 0
		}
		return e.Time.Unix()
	}
	return cmp.Or(cmp.Compare(a.Operation, b.Operation), cmp.Compare(seconds(a), seconds(b)), cmp.Compare(a.Manager, b.Manager),
		cmp.Compare(a.APIVersion, b.APIVersion), cmp.Compare(a.Subresource, b.Subresource))
}
