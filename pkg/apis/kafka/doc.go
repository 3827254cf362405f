// +k8s:deepcopy-gen=package
// +groupName=kafka.openshift.io

// Package kafka holds the internal form of the kafka.openshift.io API: what
// strategies and storages work on. It is field for field equal to v1beta1.
package kafka
