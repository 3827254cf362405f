// Package e2e tests kafka-apiserver in a real Kubernetes with real Apache Kafka, the
// way a user meets it: through kubectl, and with Kafka's own tools to see what the
// brokers have. It runs with the build tag e2e in the cluster of the current
// kubeconfig, which `make up` has prepared.
package e2e
