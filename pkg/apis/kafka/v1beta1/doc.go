// +k8s:openapi-gen=true
// +k8s:deepcopy-gen=package
// +k8s:conversion-gen=kafka.openshift.io/kafka-apiserver/pkg/apis/kafka
// +k8s:defaulter-gen=TypeMeta
// +k8s:openapi-model-package=io.openshift.kafka.v1beta1
// +groupName=kafka.openshift.io

// Package v1beta1 is the first served version of the kafka.openshift.io API:
// the objects as users write them and as clients read them.
package v1beta1
