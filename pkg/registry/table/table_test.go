package table

import (
	"errors"
	"slices"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
)

var names = Convertor[*kafka.KafkaTopic]{
	Columns: []metav1.TableColumnDefinition{Name()},
	Rows:    func(topic *kafka.KafkaTopic) [][]any { return [][]any{{topic.Name}} },
}

func TestConvertor(t *testing.T) {
	list := &kafka.KafkaTopicList{
		ListMeta: metav1.ListMeta{ResourceVersion: "7", Continue: "next", RemainingItemCount: ptr.To[int64](3)},
		Items:    []kafka.KafkaTopic{{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, {ObjectMeta: metav1.ObjectMeta{Name: "b"}}},
	}
	table, err := names.ConvertToTable(t.Context(), list, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(table.ColumnDefinitions) != 1 || len(table.Rows) != 2 || table.Rows[1].Cells[0] != "b" || table.Rows[1].Object.Object.(*kafka.KafkaTopic).Name != "b" {
		t.Errorf("the table is %+v", table)
	}
	// Watches and chunked lists go on from here.
	if table.ResourceVersion != "7" || table.Continue != "next" || ptr.Deref(table.RemainingItemCount, 0) != 3 {
		t.Errorf("the list's own metadata is lost: %+v", table.ListMeta)
	}
	one, err := names.ConvertToTable(t.Context(), &kafka.KafkaTopic{ObjectMeta: metav1.ObjectMeta{Name: "a", ResourceVersion: "5"}}, &metav1.TableOptions{NoHeaders: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(one.ColumnDefinitions) != 0 || len(one.Rows) != 1 || one.ResourceVersion != "5" {
		t.Errorf("the table of one without headers is %+v", one)
	}
	_, err = names.ConvertToTable(t.Context(), &kafka.Kafka{}, nil)
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Code != 406 {
		t.Errorf("what is no row: %v, want a 406", err)
	}
}

func TestCells(t *testing.T) {
	conditions := []metav1.Condition{{Type: "Ready", Status: metav1.ConditionFalse, Message: "why"}, {Type: "Fine", Status: metav1.ConditionTrue, Message: "because"}}
	got := []string{Condition(conditions, "Ready"), Message(conditions, "Ready"), Condition(conditions, "Fine"), Message(conditions, "Fine"),
		Condition(conditions, "Other"), Message(conditions, "Other"), Since(metav1.Time{}), Since(metav1.NewTime(time.Now().Add(-time.Hour))),
		Ints(nil), Ints([]int32{3, 1, 2})}
	if want := []string{"False", "why", "True", "", "Unknown", "", "<unknown>", "60m", "", "3,1,2"}; !slices.Equal(got, want) {
		t.Errorf("cells are %q, want %q", got, want)
	}
}

var settings = Convertor[*kafka.KafkaTopicConfigs]{
	Columns: []metav1.TableColumnDefinition{Name()},
	Rows: func(view *kafka.KafkaTopicConfigs) (rows [][]any) {
		for _, c := range view.Configs {
			rows = append(rows, []any{c.Name})
		}
		return rows
	},
	Row: func(view *kafka.KafkaTopicConfigs, row int) *kafka.KafkaTopicConfigs {
		one := *view
		one.Configs = view.Configs[row : row+1]
		return &one
	},
}

// Clients that sort ask for the object of each row. The view in each of its rows would be the square of it, and all rows the same.
func TestARowOfAViewHasItselfAlone(t *testing.T) {
	view := &kafka.KafkaTopicConfigs{ObjectMeta: metav1.ObjectMeta{Name: "orders"}, Configs: []kafka.EffectiveConfig{{Name: "a"}, {Name: "b"}}}
	table, err := settings.ConvertToTable(t.Context(), view, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"a", "b"} {
		one := table.Rows[i].Object.Object.(*kafka.KafkaTopicConfigs)
		if one.Name != "orders" || len(one.Configs) != 1 || one.Configs[0].Name != want {
			t.Errorf("row %d has the object %+v", i, one)
		}
	}
	if len(view.Configs) != 2 {
		t.Errorf("the view has changed: %+v", view)
	}
	whole := settings
	whole.Row = nil
	if _, err := whole.ConvertToTable(t.Context(), view, nil); err == nil {
		t.Error("a view without an object for its rows is shown")
	}
}
