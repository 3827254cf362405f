// Package storage is what lies below the registries: the embedded etcd, the guard
// that tells our storage from an empty or a foreign one, and the claims on topic
// names. It knows etcd; it never asks a broker and never serves a request.
package storage
