package validation

import (
	"slices"
	"testing"

	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
)

func TestValidateConsumerGroupOffsets(t *testing.T) {
	const now = "2026-01-31T08:00:00Z"
	earliest := func(topic string, partitions ...int32) kafka.OffsetReset {
		return kafka.OffsetReset{Topic: topic, Partitions: partitions, To: kafka.EarliestOffset}
	}
	for name, tc := range map[string]struct {
		resets []kafka.OffsetReset
		fields []string
	}{
		"all topics":                    {[]kafka.OffsetReset{earliest("")}, nil},
		"some topics":                   {[]kafka.OffsetReset{earliest("a"), earliest("b", 0, 1), earliest("b", 2)}, nil},
		"each target":                   {[]kafka.OffsetReset{{Topic: "a", Offset: ptr.To[int64](0)}, {Topic: "b", Time: now}, {Topic: "c", Shift: ptr.To[int64](-3)}, {Topic: "d", To: "latest"}}, nil},
		"nothing":                       {nil, []string{"spec.reset"}},
		"no target":                     {[]kafka.OffsetReset{{Topic: "a"}}, []string{"spec.reset[0]"}},
		"two targets":                   {[]kafka.OffsetReset{{Topic: "a", To: "latest", Time: now}}, []string{"spec.reset[0]"}},
		"an end that there is not":      {[]kafka.OffsetReset{{To: "Earliest"}}, []string{"spec.reset[0].to"}},
		"a time with an offset":         {[]kafka.OffsetReset{{Time: "2026-01-31T08:00:00.5+01:00"}}, nil},
		"a word for a time":             {[]kafka.OffsetReset{{Time: "yesterday"}}, []string{"spec.reset[0].time"}},
		"a negative offset":             {[]kafka.OffsetReset{{Offset: ptr.To[int64](-1)}}, []string{"spec.reset[0].offset"}},
		"a shift by nothing":            {[]kafka.OffsetReset{{Shift: ptr.To[int64](0)}}, []string{"spec.reset[0].shift"}},
		"partitions of no topic":        {[]kafka.OffsetReset{earliest("", 1)}, []string{"spec.reset[0].topic"}},
		"a negative partition":          {[]kafka.OffsetReset{earliest("a", 0, -1)}, []string{"spec.reset[0].partitions[1]"}},
		"all topics and one":            {[]kafka.OffsetReset{earliest("a"), earliest("")}, []string{"spec.reset[1].topic"}},
		"a topic twice":                 {[]kafka.OffsetReset{earliest("a"), earliest("a")}, []string{"spec.reset[1].topic"}},
		"a topic and a part of it":      {[]kafka.OffsetReset{earliest("a"), earliest("a", 0)}, []string{"spec.reset[1].topic"}},
		"a part of a topic and all":     {[]kafka.OffsetReset{earliest("a", 0), earliest("a")}, []string{"spec.reset[1].topic"}},
		"a partition twice":             {[]kafka.OffsetReset{earliest("a", 0, 0)}, []string{"spec.reset[0].partitions[1]"}},
		"a partition in two entries":    {[]kafka.OffsetReset{earliest("a", 0, 2), earliest("b", 2), earliest("a", 1, 2)}, []string{"spec.reset[2].partitions[1]"}},
		"several mistakes, all of them": {[]kafka.OffsetReset{{Topic: "a"}, earliest("a", -1)}, []string{"spec.reset[0]", "spec.reset[1].topic", "spec.reset[1].partitions[0]"}},
	} {
		var got []string
		for _, err := range ValidateConsumerGroupOffsets(&kafka.KafkaConsumerGroupOffsets{Spec: kafka.KafkaConsumerGroupOffsetsSpec{Reset: tc.resets}}) {
			got = append(got, err.Field)
		}
		if !slices.Equal(got, tc.fields) {
			t.Errorf("%s: problems with %q, want %q", name, got, tc.fields)
		}
	}
}
