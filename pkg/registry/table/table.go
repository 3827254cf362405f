// Package table turns objects into the tables that kubectl prints. It knows how a
// table is made, never what is in it.
package table

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"
)

// Convertor makes a table of objects of type T, a row for each.
type Convertor[T runtime.Object] struct {
	Columns []metav1.TableColumnDefinition
	// Rows are the cells of an object: one row for a kind that is one line, more for a view of many things. A cell is
	// a string, an int64, a float64, a bool or nil.
	Rows func(T) [][]any
	// Row is the object that goes with one row of a view, for clients that ask for objects: one of the view's kind that holds nothing but
	// the row. With the whole view in each row the table would grow with the square of the rows, and all would sort alike. Kinds whose
	// objects are one line each have none.
	Row func(view T, row int) T
}

var _ rest.TableConvertor = Convertor[runtime.Object]{}

// ConvertToTable implements rest.TableConvertor.
func (c Convertor[T]) ConvertToTable(_ context.Context, object runtime.Object, options runtime.Object) (*metav1.Table, error) {
	table := &metav1.Table{}
	add := func(obj runtime.Object) error {
		typed, ok := obj.(T)
		if !ok {
			return notAcceptable{kind: obj}
		}
		rows := c.Rows(typed)
		if c.Row == nil && len(rows) > 1 {
			return fmt.Errorf("a table of %T has %d rows of an object and no object of a row", obj, len(rows))
		}
		for i, cells := range rows {
			one := obj
			if c.Row != nil {
				one = c.Row(typed, i)
			}
			table.Rows = append(table.Rows, metav1.TableRow{Cells: cells, Object: runtime.RawExtension{Object: one}})
		}
		return nil
	}
	if meta.IsListType(object) {
		if err := meta.EachListItem(object, add); err != nil {
			return nil, err
		}
	} else if err := add(object); err != nil {
		return nil, err
	}
	switch m, err := meta.ListAccessor(object); {
	case err == nil:
		table.ResourceVersion = m.GetResourceVersion()
		table.Continue = m.GetContinue()
		table.RemainingItemCount = m.GetRemainingItemCount()
	default:
		if m, err := meta.CommonAccessor(object); err == nil {
			table.ResourceVersion = m.GetResourceVersion()
		}
	}
	if opt, ok := options.(*metav1.TableOptions); !ok || !opt.NoHeaders {
		table.ColumnDefinitions = c.Columns
	}
	return table, nil
}

// notAcceptable is the 406 that the generic server expects for an object that is no row of the table.
type notAcceptable struct{ kind runtime.Object }

func (e notAcceptable) Error() string { return fmt.Sprintf("%T cannot be shown as this table", e.kind) }

// Status implements apierrors.APIStatus.
func (e notAcceptable) Status() metav1.Status {
	return metav1.Status{Status: metav1.StatusFailure, Code: http.StatusNotAcceptable,
		Reason: metav1.StatusReasonNotAcceptable, Message: e.Error()}
}

// Ints joins numbers as kubectl shows lists: "0,1,2".
func Ints(ids []int32) string {
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = fmt.Sprint(id)
	}
	return strings.Join(words, ",")
}

// Broker is the id of a broker in a place that may have none.
func Broker(id int32) any {
	if id < 0 {
		return "none"
	}
	return int64(id)
}
