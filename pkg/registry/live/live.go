// Package live is what the live subresources share: from a stored Kafka to a
// connection to its brokers, and from a broker's refusal to an API error. It stores
// nothing.
package live

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/warning"

	"kafka.openshift.io/kafka-apiserver/pkg/access"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/plural"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
)

// ErrNotUp says that a cluster has no addresses yet: its controllers have not started it.
var ErrNotUp = errors.New("the cluster is not up yet")

// KafkaGetter reads Kafkas from the storage.
type KafkaGetter interface {
	Get(ctx context.Context, name string, options *metav1.GetOptions) (runtime.Object, error)
}

// Clusters finds the brokers of stored Kafkas.
type Clusters struct {
	Kafkas  KafkaGetter
	Gateway *broker.Gateway
	Targets *target.Resolver
	// Access is asked who may know how a cluster is reached.
	Access access.Reviewer
	// Identities keep a Kafka from being the cluster of another; nil keeps none.
	Identities *Identities

	reads reads
	slow  slowRequests
}

// Kafka reads one Kafka, freshly. It is shared: nobody may change it.
func (c *Clusters) Kafka(ctx context.Context, namespace, name string) (*kafka.Kafka, error) {
	of := types.NamespacedName{Namespace: namespace, Name: name}
	return c.reads.get(ctx, of, func(ctx context.Context) (*kafka.Kafka, error) {
		obj, err := c.Kafkas.Get(genericapirequest.WithNamespace(ctx, namespace), name, &metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		k, ok := obj.(*kafka.Kafka)
		if !ok {
			return nil, apierrors.NewInternalError(fmt.Errorf("read Kafka %s: got %T", of, obj))
		}
		return k, nil
	})
}

// RunHere tells whether a Kafka exists and is run here. It reads what is stored: a cache does not know a Kafka that was made a moment ago.
func (c *Clusters) RunHere(ctx context.Context, of types.NamespacedName) (bool, error) {
	k, err := c.find(ctx, of)
	return k != nil && k.Spec.External == nil, err
}

// External tells whether a Kafka exists and is external. It reads what is stored.
func (c *Clusters) External(ctx context.Context, of types.NamespacedName) (bool, error) {
	k, err := c.find(ctx, of)
	return k != nil && k.Spec.External != nil, err
}

// find is a Kafka as it is stored, nil when there is none.
func (c *Clusters) find(ctx context.Context, of types.NamespacedName) (*kafka.Kafka, error) {
	k, err := c.Kafka(ctx, of.Namespace, of.Name)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return k, nil
}

// Connect returns the gateway's handle on a Kafka. It never dials. A Kafka that is not started because its cluster is another's has no
// address to be found out at: that is a ClaimedError here, as it is one of the first request to a Kafka that has. One with brokers where none
// may be, or of another cluster, as its status says, is one that cannot be reached.
func (c *Clusters) Connect(k *kafka.Kafka) (*broker.Cluster, error) {
	v, err := versioned(k)
	if err != nil {
		return nil, err
	}
	if why := target.Barred(v); why != nil {
		return nil, &kafkaerr.UnreachableError{Cluster: k.Namespace + "/" + k.Name, Err: why}
	}
	return c.connect(v, true)
}

// Observe is Connect for who finds out what the status has to say of the brokers, whatever it says of them now.
func (c *Clusters) Observe(k *kafka.Kafka) (*broker.Cluster, error) {
	v, err := versioned(k)
	if err != nil {
		return nil, err
	}
	return c.connect(v, false)
}

// connect finds the brokers of a Kafka. What comes out about them is for the status to say when tell is true.
func (c *Clusters) connect(k *v1beta1.Kafka, tell bool) (*broker.Cluster, error) {
	at, known := c.Targets.Of(k)
	switch {
	case known:
	case c.Identities != nil && target.Claimed(k):
		return nil, &ClaimedError{kafka: k.Name, ours: k.Spec.External == nil}
	default:
		return nil, fmt.Errorf("Kafka %s/%s: %w", k.Namespace, k.Name, ErrNotUp)
	}
	if c.Identities != nil {
		at.Gate = gate{identities: c.Identities, kafka: k, pin: at.Gate, tell: tell}
		if at.Within != nil {
			at.Within = border{at.Within, c.Identities, k}
		}
	}
	return c.Gateway.Cluster(at), nil
}

func versioned(k *kafka.Kafka) (*v1beta1.Kafka, error) {
	v := &v1beta1.Kafka{}
	if err := v1beta1.Convert_kafka_Kafka_To_v1beta1_Kafka(k, v, nil); err != nil {
		return nil, apierrors.NewInternalError(fmt.Errorf("convert Kafka %s/%s: %w", k.Namespace, k.Name, err))
	}
	return v, nil
}

// Owns tells whether a Kafka may be a cluster, and changes nothing. The error is a ClaimedError when it is another's.
func (c *Clusters) Owns(ctx context.Context, k *kafka.Kafka, clusterID string) error {
	v, err := versioned(k)
	if err != nil {
		return err
	}
	return c.Identities.compare(ctx, v, clusterID)
}

// Claim claims for a Kafka that is run here the cluster that its status says by now, if nobody who is stored has claimed that. The error
// is a ClaimedError when it is another's.
func (c *Clusters) Claim(ctx context.Context, k *kafka.Kafka) error {
	return c.Identities.claim(ctx, k)
}

// Ask is Connect for a request, with a context of Deadline or Within: a cluster that keeps too many others waiting is one that cannot be
// reached, and is not asked.
func (c *Clusters) Ask(ctx context.Context, k *kafka.Kafka) (*broker.Cluster, error) {
	cluster, err := c.Connect(k)
	if err != nil {
		return nil, err
	}
	if err := c.Begin(ctx, cluster); err != nil {
		return nil, err
	}
	return cluster, nil
}

// Begin is Ask for another part of a request, which has a context of its own.
func (c *Clusters) Begin(ctx context.Context, cluster *broker.Cluster) error {
	namespace, rest, _ := strings.Cut(cluster.Key(), "/")
	name, _, _ := strings.Cut(rest, "/")
	return c.slow.begin(ctx, namespace+"/"+name)
}

// IsAway tells whether err says that no broker could be asked, or that too many of them are away for what was asked, so that nothing has
// happened.
func IsAway(err error) bool {
	return errors.Is(err, ErrNotUp) || kafkaerr.IsTooFewBrokers(err) || kafkaerr.IsUnreachable(err) && !kafkaerr.IsUnknownOutcome(err)
}

// RequestTime bounds a request, leaving the rest of the 34 seconds that the generic handlers allow for answering.
const RequestTime = 28 * time.Second

// Deadline bounds the part of a request that asks brokers.
func Deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	return Within(ctx, RequestTime)
}

// Unavailable, Refused, Warn and Line do not tell how the cluster is reached, except of an error by Clusters.For.

// Unavailable is the 503 of a live subresource whose brokers are away, and the 403 of one whose brokers are another Kafka's.
func Unavailable(err error) error {
	var claimed *ClaimedError
	if errors.As(err, &claimed) {
		return claimed.forbidden()
	}
	return apierrors.NewServiceUnavailable("the brokers cannot be asked: " + Line(err))
}

// kinds are what validation errors call the objects of a resource.
var kinds = map[string]string{"kafkas": "Kafka", "kafkatopics": "KafkaTopic", "kafkaconsumergroups": "KafkaConsumerGroup"}

// Refused is Status for somebody who waits for the answer. Brokers that are away are no reason to wait longer:
// given a Retry-After, clients ask ten times by themselves before they show anything, and kubectl would hang for a minute. What is
// invalid is said of the kind, as validation says it and kubectl prints it.
func Refused(err error, gr schema.GroupResource, name, field string) *apierrors.StatusError {
	status := Status(public(err), gr, name, field)
	status.ErrStatus.Message = oneLine(status.ErrStatus.Message)
	details := status.ErrStatus.Details
	if details == nil {
		return status
	}
	if kafkaerr.IsUnreachable(err) || kafkaerr.IsTooFewBrokers(err) || apierrors.IsTimeout(status) {
		details.RetryAfterSeconds = 0
	}
	if kind := kinds[gr.Resource]; kind != "" && apierrors.IsInvalid(status) && details.Kind == gr.Resource {
		rename(status, gr.String(), schema.GroupKind{Group: gr.Group, Kind: kind})
	}
	return status
}

// InvalidBody is the refusal of an object as one of the body of a request about it, of another kind.
func InvalidBody(status *apierrors.StatusError, body schema.GroupKind) *apierrors.StatusError {
	if details := status.ErrStatus.Details; details != nil {
		rename(status, schema.GroupKind{Group: details.Group, Kind: details.Kind}.String(), body)
	}
	return status
}

// rename has a refusal name a kind in the place of what it is called.
func rename(status *apierrors.StatusError, called string, kind schema.GroupKind) {
	status.ErrStatus.Details.Kind = kind.Kind
	if rest, ok := strings.CutPrefix(status.ErrStatus.Message, called+" "); ok {
		status.ErrStatus.Message = kind.String() + " " + rest
	}
}

// Later says when what is stored is carried out that err kept from that.
func Later(err error) string {
	if kafkaerr.IsReplaced(err) {
		// The error says until when: brokers can be reached.
		return "later"
	}
	return "when the brokers can be reached"
}

// DeletedLater says when what a deleted object had is deleted that err kept from that.
func DeletedLater(err error) string {
	if kafkaerr.IsReplaced(err) {
		return "when the Kafka's own cluster answers again, and stays in that if the Kafka is made the other one"
	}
	return "when the brokers are back"
}

// Warn sends a warning to the client. A header with a line break in it would be dropped without a word.
func Warn(ctx context.Context, what string, err error) {
	warning.AddWarning(ctx, "", what+": "+Line(err))
}

// WarnOfSome tells of those of a number of things that failed while others did not: WarnOfSome(ctx, 3, "record", "written", failures). Whoever
// reads that something was not done does it again, so that what may have been done is counted by itself.
func WarnOfSome(ctx context.Context, of int, thing, done string, failures []error) {
	var refused, unknown []error
	for _, err := range failures {
		if kafkaerr.IsUnknownOutcome(err) {
			unknown = append(unknown, err)
		} else {
			refused = append(refused, err)
		}
	}
	open := func(of string) string {
		return fmt.Sprintf("of %d%s nobody knows whether %s %s", len(unknown), of, plural.Word(len(unknown), "it was", "they were"), done)
	}
	switch {
	case len(failures) == 0:
	case len(unknown) == 0:
		Warn(ctx, fmt.Sprintf("%d of %s not %s, see status", len(refused), plural.Of(of, thing+" was", thing+"s were"), done), refused[0])
	case len(refused) == 0:
		Warn(ctx, open(" of "+plural.Of(of, thing, thing+"s"))+", see status", unknown[0])
	default:
		Warn(ctx, fmt.Sprintf("%d of %s not %s, and %s, see status", len(refused), plural.Of(of, thing+" was", thing+"s were"), done, open("")),
			errors.Join(unknown[0], refused[0]))
	}
}

// Line is an error in one line: those of several brokers are joined by line breaks.
func Line(err error) string { return oneLine(public(err).Error()) }

func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
