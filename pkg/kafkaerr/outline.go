package kafkaerr

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// outlined is an error in words for those who know nothing of how a cluster is reached. It is the same error otherwise.
type outlined struct {
	text string
	err  error
}

func (e *outlined) Error() string { return e.text }
func (e *outlined) Unwrap() error { return e.err }

// Outline is an error without the addresses of brokers, the names of Secrets and the users by which a cluster is reached: who may only
// use a cluster is not to learn them. What brokers themselves say about a request stays, and so does an error about anything else.
func Outline(err error) error {
	if err == nil || !tellsHow(err) {
		return err
	}
	return &outlined{text: outline(err), err: err}
}

// tellsHow tells whether an error's text can say how a cluster is reached.
func tellsHow(err error) bool {
	var done *outlined
	if errors.As(err, &done) {
		return false
	}
	var unanswered *NoAnswerError
	return IsUnreachable(err) || IsUnknownOutcome(err) || errors.As(err, &unanswered) || len(SecurityErrors(err)) > 0
}

func outline(err error) string {
	if !tellsHow(err) {
		return err.Error()
	}
	switch e := err.(type) {
	case *UnknownOutcomeError:
		return fmt.Sprintf("%s %s: the outcome is unknown: %s", e.Op, e.Object, outline(e.Err))
	case *UnreachableError:
		if silent := brokers(err); silent != "" && len(SecurityErrors(err)) == 0 {
			return fmt.Sprintf("%s of Kafka cluster %s does not answer", silent, clusterName(e.Cluster))
		}
		if IsReplaced(err) {
			return fmt.Sprintf("Kafka cluster %s: %s", clusterName(e.Cluster), objections(err))
		}
		return fmt.Sprintf("Kafka cluster %s is not reachable: %s", clusterName(e.Cluster), objections(err))
	case *NoAnswerError, *SecurityError:
		return objections(err)
	case interface{ Unwrap() []error }:
		var texts []string
		for _, inner := range e.Unwrap() {
			// An error that was joined before has its lines already.
			for text := range strings.SplitSeq(outline(inner), "\n") {
				if !slices.Contains(texts, text) {
					texts = append(texts, text)
				}
			}
		}
		return strings.Join(texts, "\n")
	case interface{ Unwrap() error }:
		return outline(e.Unwrap())
	}
	return objections(err)
}

// Replaced says of a cluster, by its namespace and name, that another answers in its place, and how that ends.
func Replaced(cluster string) string {
	return outline(&UnreachableError{Cluster: cluster, Err: &SecurityError{Reason: ReasonClusterReplaced}})
}

// objections are why nobody answers, as far as that is anybody's business.
func objections(err error) string {
	var texts []string
	for _, e := range SecurityErrors(err) {
		text := map[string]string{
			ReasonAuthenticationFailed:   "the brokers do not accept the credentials of the Kafka",
			ReasonTLSFailed:              "the Kafka and its brokers do not agree on TLS",
			ReasonCredentialsUnavailable: "what the Kafka authenticates with cannot be had",
			ReasonAddressNotAllowed:      "brokers are where external clusters must not be",
			ReasonAddressUnknown:         "whether brokers are where external clusters may be is not known yet",
			ReasonClusterReplaced:        "another cluster answers at its addresses, and nothing is done there before they lead back or spec.external.clusterID of the Kafka names that one",
		}[e.Reason]
		if !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	if silent := brokers(err); len(texts) == 0 && silent != "" {
		return silent + " does not answer"
	}
	if len(texts) == 0 {
		return "no broker answers"
	}
	return strings.Join(texts, ", ")
}

// brokers are those that had to answer and did not, "" when any broker could have.
func brokers(err error) string {
	var names []string
	for _, e := range All[*NoAnswerError](err) {
		if e.Broker == "" {
			return ""
		}
		if !slices.Contains(names, e.Broker) {
			names = append(names, e.Broker)
		}
	}
	return strings.Join(names, ", ")
}

// clusterName leaves out the uid of a target's key.
func clusterName(key string) string {
	if parts := strings.SplitN(key, "/", 3); len(parts) == 3 {
		return parts[0] + "/" + parts[1]
	}
	return key
}
