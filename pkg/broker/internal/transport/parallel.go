package transport

import (
	"context"

	"kafka.openshift.io/kafka-apiserver/pkg/crash"
)

// Parallel runs one call per item at the same time; the number of requests in flight is bounded by the pool.
func Parallel[In, Out any](ctx context.Context, items []In, do func(context.Context, In) Out) []Out {
	outs := make([]Out, len(items))
	var asking crash.Group
	for i := range items {
		asking.Go(func() { outs[i] = do(ctx, items[i]) })
	}
	asking.Wait()
	return outs
}
