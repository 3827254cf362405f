// package broker is the gateway to Apache Kafka: connections, metadata snapshots and the topic plane of many clusters at once,
// with every call bound to its context. It never stores anything, never decides what ought to be, and knows nothing of
// Kubernetes.
//
// How to use it:
//
//	gateway := broker.New(broker.Options{ClientID: "kafka-apiserver"})
//	go gateway.Run(ctx)
//	cluster := gateway.Cluster(broker.Target{Key: "streams/my-cluster/6a1b", Bootstrap: []string{"my-cluster-bootstrap:9092"}})
//	created, err := cluster.CreateTopic(ctx, broker.NewTopic{Name: "orders", Partitions: 12, Replicas: 3}, false)
//	if err != nil {
//		return live.Status(err, gr, "orders", "spec")
//	}
//
// Rules that hold for every method of Cluster:
//
//   - The context's deadline and cancellation are honoured: the connection in use is closed and never used again.
//   - A cluster without one live broker is reported as *kafkaerr.UnreachableError within five seconds; Read, once it reads, waits half a
//     minute for brokers to come back.
//   - A write is never repeated blindly. When its outcome is unknown the brokers are asked, and if they show what was wanted
//     the call succeeds; otherwise the error satisfies kafkaerr.IsUnknownOutcome.
//   - A refusal by a broker is an *kafkaerr.Error with Kafka's code and the broker's own words.
//   - A connection that could not be made safe, or was not let in, is an *kafkaerr.UnreachableError with a *kafkaerr.SecurityError in it.
//   - Concurrent calls of one kind on one cluster share requests: the first goes out at once, those that come while it is in flight
//     go together when it ends (batcher). Each has its own result, error and deadline. A request stays below what brokers accept at
//     once; what is larger goes alone. What reads return may thus be shared between callers, who must not change it.
//   - A request that is late, as one to a broker that hangs, holds up no other: the next of its kind goes beside it, to another broker
//     when there is one. Clusters share nothing.
package broker
