package live

import (
	"context"
	"errors"

	"kafka.openshift.io/kafka-apiserver/pkg/access"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// inFull is an error whose reader may see how a cluster is reached.
type inFull struct{ error }

func (e *inFull) Unwrap() error { return e.error }

// For is an error about asking the brokers of a Kafka as the caller is to see it: in full for who may get the Kafka, whose status says the
// same. Everybody else, and everything that is stored, gets no more than kafkaerr.Outline. Whose cluster it is instead is for who may get
// that one.
func (c *Clusters) For(ctx context.Context, namespace, name string, err error) error {
	if err == nil {
		return nil
	}
	get := access.Question{Verb: "get", Resource: access.Kafkas, Namespace: namespace, Name: name}
	var claimed *ClaimedError
	if errors.As(err, &claimed) {
		if claimed.By.Name == "" {
			return err
		}
		get.Namespace, get.Name = claimed.By.Namespace, claimed.By.Name
	}
	// What cannot be found out is not told.
	if allowed, _, _ := c.Access.May(ctx, get); !allowed {
		return err
	}
	if claimed != nil {
		return &inFull{claimed.naming()}
	}
	return &inFull{err}
}

// public is an error in words for whoever reads it.
func public(err error) error {
	var full *inFull
	if errors.As(err, &full) {
		return err
	}
	// What it is wrapped in says which cluster answers.
	var claimed *ClaimedError
	if errors.As(err, &claimed) {
		return claimed
	}
	return kafkaerr.Outline(err)
}
