package kafka

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	targets "kafka.openshift.io/kafka-apiserver/pkg/target"
)

// introduce stores who the cluster is, and where it will be reached, before anything is made for it. The write fails with a
// conflict when the cache was behind, so that a cluster cannot be given a second id.
func (c *Controller) introduce(ctx context.Context, kafka *v1beta1.Kafka, r record, from string) (*v1beta1.Kafka, error) {
	o := &observation{kafka: kafka, record: r, world: &world{}, scaling: scaling{Brokers: *kafka.Spec.Brokers.Replicas}}
	updated := kafka.DeepCopy()
	updated.Status = statusOf(o, c.clock.Now())
	stored, err := c.kafkaClient.KafkaV1beta1().Kafkas(kafka.Namespace).UpdateStatus(ctx, updated, metav1.UpdateOptions{FieldManager: FieldManager})
	if err != nil {
		return nil, fmt.Errorf("store the identity of Kafka %s/%s: %w", kafka.Namespace, kafka.Name, err)
	}
	if from != "" && !targets.Claimed(stored) {
		c.event(stored, "ClusterAdopted", "Adopt", "Took over cluster %s, known from %s", r.ClusterID, from)
	}
	v1beta1.SetObjectDefaults_Kafka(stored)
	return stored, nil
}

// refuse says in the conditions why nothing is done. What runs is left running.
func (c *Controller) refuse(ctx context.Context, kafka *v1beta1.Kafka, why refusal) error {
	status := *kafka.Status.DeepCopy()
	status.ObservedGeneration = kafka.Generation
	setConditions(&status, c.clock.Now(),
		metav1.Condition{Type: v1beta1.ConditionReady, Status: metav1.ConditionFalse, Reason: why.Reason, Message: why.Message},
		metav1.Condition{Type: v1beta1.ConditionProgressing, Status: metav1.ConditionFalse, Reason: why.Reason, Message: why.Message},
		metav1.Condition{Type: v1beta1.ConditionDegraded, Status: metav1.ConditionTrue, Reason: why.Reason, Message: why.Message},
	)
	c.warn(kafka, why.Reason, "Refuse", why.Message)
	return c.writeStatus(ctx, kafka, status)
}
