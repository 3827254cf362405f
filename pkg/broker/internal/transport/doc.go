// Package transport is about the connections to a cluster: who its brokers are, which of them is asked, and what becomes of a request that is
// not answered. Calls can share requests.
package transport
