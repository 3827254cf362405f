package kafka

import (
	"context"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
)

// againAway is how soon an external cluster that did not answer is asked again.
const againAway = 5 * time.Second

// syncExternal observes a cluster that somebody else runs.
func (c *Controller) syncExternal(ctx context.Context, kafka *v1beta1.Kafka) (time.Duration, error) {
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	info, askErr := c.connect(broker.Target{Key: targetKey(kafka), Bootstrap: kafka.Spec.External.BootstrapServers}).Describe(asking)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if err := c.writeStatus(ctx, kafka, externalStatus(kafka, info, askErr, c.clock.Now())); err != nil {
		return 0, err
	}
	if askErr != nil {
		return againAway, nil
	}
	return againSettled, nil
}

// externalStatus is what the brokers at the bootstrap servers said. Without an answer the last one stands, only not as Ready.
func externalStatus(kafka *v1beta1.Kafka, info broker.ClusterInfo, err error, now time.Time) v1beta1.KafkaStatus {
	status := *kafka.Status.DeepCopy()
	servers := kafka.Spec.External.BootstrapServers
	status.ObservedGeneration = kafka.Generation
	status.Mode = v1beta1.ModeExternal
	status.Listeners = []v1beta1.ListenerStatus{{Name: plainListener, BootstrapServers: strings.Join(servers, ","), Addresses: servers}}
	ready := metav1.Condition{Type: v1beta1.ConditionReady, Status: metav1.ConditionFalse, Reason: "ClusterUnreachable"}
	degraded := metav1.Condition{Type: v1beta1.ConditionDegraded, Status: metav1.ConditionFalse, Reason: reasonAsExpected, Message: "the cluster answers"}
	if err != nil {
		// The error names addresses in the order in which they were tried, which varies: it would be news each time.
		ready.Message = fmt.Sprintf("no broker answers at %s", strings.Join(servers, ","))
		degraded.Status, degraded.Reason, degraded.Message = metav1.ConditionTrue, ready.Reason, ready.Message
	} else {
		registered := int32(len(unfenced(&info)))
		status.ClusterID = info.ID
		status.Brokers = v1beta1.BrokerCounts{Desired: int32(len(info.Brokers)), Registered: registered, Ready: registered}
		ready.Status, ready.Reason = metav1.ConditionTrue, reasonReady
		ready.Message = fmt.Sprintf("%d brokers are registered", registered)
	}
	setConditions(&status, now, ready, degraded)
	return status
}
