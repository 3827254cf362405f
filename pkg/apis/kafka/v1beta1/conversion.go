package v1beta1

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
)

// addFieldLabelConversions declares which field selectors each kind supports; any other one is a 400.
func addFieldLabelConversions(scheme *runtime.Scheme) error {
	if err := scheme.AddFieldLabelConversionFunc(SchemeGroupVersion.WithKind("Kafka"),
		only("metadata.name", "metadata.namespace")); err != nil {
		return err
	}
	if err := scheme.AddFieldLabelConversionFunc(SchemeGroupVersion.WithKind("KafkaConsumerGroup"),
		only("metadata.name", "metadata.namespace", "spec.clusterRef.name")); err != nil {
		return err
	}
	return scheme.AddFieldLabelConversionFunc(SchemeGroupVersion.WithKind("KafkaTopic"),
		only("metadata.name", "metadata.namespace", "spec.clusterRef.name", "spec.clusterRef.namespace"))
}

func only(labels ...string) runtime.FieldLabelConversionFunc {
	return func(label, value string) (string, string, error) {
		for _, l := range labels {
			if l == label {
				return label, value, nil
			}
		}
		return "", "", fmt.Errorf("field selector %q is not supported, use one of %q", label, labels)
	}
}
