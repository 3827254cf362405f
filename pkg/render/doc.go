// Package render turns a Kafka into the host objects that run it: StatefulSets, Services, ConfigMaps and disruption budgets, as
// apply configurations. It is pure: the same input gives the same bytes, it never asks a cluster and never decides when to write.
//
// Two rules protect data, and tests hold them. No object is ever owned by a kind of ours: an API server that lost its storage
// answers 404 for the owner, and the garbage collector would take the whole Kafka along; the owner of everything is the anchor, a
// ConfigMap in the host. And claims are owned by nobody and outlive their StatefulSet.
package render
