// Package actions is what can be done with a topic once: nothing of it is stored.
package actions

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/kafkatopic/resolver"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
)

// conclude judges an action by what came of its partitions: with all refused it is an error, with some a warning.
func conclude(ctx context.Context, t resolver.Target, what string, partitions int, failures []error) error {
	if len(failures) == 0 {
		return nil
	}
	if len(failures) == partitions {
		status := live.Refused(errors.Join(failures...), resolver.Resource, t.Topic.Name, "spec.partitions")
		// Somebody waits for the answer, and what the brokers lack will hardly be there in some seconds.
		if status.ErrStatus.Details != nil && !apierrors.IsTooManyRequests(status) {
			status.ErrStatus.Details.RetryAfterSeconds = 0
		}
		return status
	}
	live.WarnOfSome(ctx, partitions, "partition", what, failures)
	return nil
}

// resultOf is what came of an action on a partition that has failed.
func resultOf(err error) kafka.ActionResult {
	if kafkaerr.IsUnknownOutcome(err) {
		return kafka.ResultUnknown
	}
	return kafka.ResultRefused
}
