package external

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
)

// Whoever answers as an external cluster says what its brokers advertise.
func TestLongAddressesAreCut(t *testing.T) {
	k := &v1beta1.Kafka{ObjectMeta: metav1.ObjectMeta{Generation: 1}, Spec: v1beta1.KafkaSpec{External: &v1beta1.ExternalSpec{BootstrapServers: []string{"a:1"}}}}
	what := said{ClusterInfo: broker.ClusterInfo{ID: "x"}}
	for id := range int32(10) {
		host := strings.Repeat("x", 100_000)
		what.Brokers = append(what.Brokers, broker.BrokerInfo{ID: id, Host: host, Port: 1})
		what.unreachable = append(what.unreachable, v1beta1.UnreachableBroker{ID: id, Address: host + ":1", Message: "its name is not known here"})
	}
	got := status(k, what, nil, time.Now())
	size := 0
	for _, b := range got.UnreachableBrokers {
		size += len(b.Address) + len(b.Message)
	}
	if size > 4*1024 {
		t.Errorf("a foreign cluster writes %d bytes into the status", size)
	}
	if errs := metav1validation.ValidateConditions(got.Conditions, field.NewPath("status", "conditions")); len(errs) > 0 {
		t.Errorf("the API server refuses the status: %.120v", errs.ToAggregate())
	}
}
