package kafka

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"

	"kafka.openshift.io/kafka-apiserver/pkg/access"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/stored"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
)

// secrets guards the Secrets that external Kafkas refer to. The server reads them in its own name and shows what is in them to the
// bootstrap servers, so that a Kafka with bootstrap servers of one's own would reveal any Secret of its namespace.
type secrets struct {
	access access.Reviewer
	// kept tells whether there is a host that keeps Secrets.
	kept bool
}

// check refuses a Kafka whose author may not get the Secrets that it refers to. It is asked again whenever spec.external changes:
// other addresses, or no TLS, send the same Secrets elsewhere.
func (s secrets) check(ctx context.Context, change stored.Change) error {
	k, _ := change.New.(*kafka.Kafka)
	before, _ := change.Old.(*kafka.Kafka)
	if k == nil || k.Spec.External == nil || before != nil && equality.Semantic.DeepEqual(k.Spec.External, before.Spec.External) {
		return nil
	}
	var external v1beta1.ExternalSpec
	if err := v1beta1.Convert_kafka_ExternalSpec_To_v1beta1_ExternalSpec(k.Spec.External, &external, nil); err != nil {
		return apierrors.NewInternalError(fmt.Errorf("convert spec.external: %w", err))
	}
	for _, name := range target.SecretsOf(&external) {
		if !s.kept {
			return apierrors.NewInvalid(kafka.Kind("Kafka"), k.Name, field.ErrorList{
				field.Forbidden(field.NewPath("spec", "external"), fmt.Sprintf("refers to the Secret %q: %v", name, target.ErrNoHost))})
		}
		if err := s.mayGet(ctx, k, name); err != nil {
			return err
		}
	}
	return nil
}

func (s secrets) mayGet(ctx context.Context, k *kafka.Kafka, name string) error {
	secret := access.Question{Verb: "get", Resource: access.Secrets, Namespace: genericapirequest.NamespaceValue(ctx), Name: name}
	return s.access.Require(ctx, secret, "kafkas", k.Name, ", to which spec.external refers")
}
