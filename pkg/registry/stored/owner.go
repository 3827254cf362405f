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
		if entry.FieldsV1 == nil {
			next = append(next, entry)
			continue
		}
		set, err := fieldsOf(entry)
		if err != nil {
			return err
		}
		if sameManager(entry, mine) {
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
		if err := setFields(&entry, left); err != nil {
			return err
		}
		next = append(next, entry)
	}
	if err := setFields(&mine, owned); err != nil {
		return err
	}
	now := metav1.NewTime(at.Truncate(time.Second))
	mine.Time = &now
	next = append(next, mine)
	slices.SortStableFunc(next, inOrder)
	obj.SetManagedFields(next)
	return nil
}

// KeepOwners leaves some fields of an object to who managed them in its version before: an update that said nothing of them has them from
// there. An object without any managers is left so.
func KeepOwners(obj, before metav1.Object, paths ...fieldpath.Path) error {
	entries := obj.GetManagedFields()
	if len(entries) == 0 || len(paths) == 0 {
		return nil
	}
	kept := fieldpath.NewSet(paths...)
	next := slices.Clone(entries)
	for _, was := range before.GetManagedFields() {
		had, err := fieldsOf(was)
		if err != nil {
			return err
		}
		mine := had.Intersection(kept)
		if mine.Empty() {
			continue
		}
		at := slices.IndexFunc(next, func(e metav1.ManagedFieldsEntry) bool { return sameManager(e, was) })
		if at < 0 {
			at = len(next)
			next = append(next, was)
			next[at].FieldsV1 = nil
		}
		has, err := fieldsOf(next[at])
		if err != nil {
			return err
		}
		if all := has.Union(mine); all.Equals(had) {
			// Nothing has changed for this manager, not even when.
			next[at] = was
		} else if err := setFields(&next[at], all); err != nil {
			return err
		}
	}
	slices.SortStableFunc(next, inOrder)
	obj.SetManagedFields(next)
	return nil
}

func sameManager(a, b metav1.ManagedFieldsEntry) bool {
	return a.Manager == b.Manager && a.Operation == b.Operation && a.APIVersion == b.APIVersion && a.Subresource == b.Subresource
}

// fieldsOf are the fields of a manager.
func fieldsOf(entry metav1.ManagedFieldsEntry) (*fieldpath.Set, error) {
	set := &fieldpath.Set{}
	if entry.FieldsV1 == nil {
		return set, nil
	}
	if err := set.FromJSON(entry.FieldsV1.GetRawReader()); err != nil {
		return nil, fmt.Errorf("read the fields of manager %s: %w", entry.Manager, err)
	}
	return set, nil
}

func setFields(entry *metav1.ManagedFieldsEntry, set *fieldpath.Set) error {
	raw, err := set.ToJSON()
	if err != nil {
		return fmt.Errorf("write the fields of manager %s: %w", entry.Manager, err)
	}
	entry.FieldsV1 = metav1.NewFieldsV1(string(raw))
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
