//go:build integration

// Package harness runs the real parts that the integration tests need, as processes on loopback: etcd, kube-apiserver,
// kube-controller-manager, kafka-apiserver and Apache Kafka. Nothing outlives the test: each process leads a group that is
// killed, and dies with the test's own process.
package harness
