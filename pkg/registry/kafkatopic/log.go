package kafkatopic

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/klog/v2"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/validation"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
)

// LogREST is kafkatopics/log: it streams a topic's records. It has this name because kube-apiserver cuts every proxied request
// after a minute, except for those of subresources that it knows to be streams, and log is one of their names.
type LogREST struct {
	plane   *plane
	streams streams
	// closing ends the streams when the server stops: they would hold it up as long as their clients wish.
	closing context.Context
	close   context.CancelFunc
}

var (
	_ rest.Connecter = &LogREST{}
	_ rest.Storage   = &LogREST{}
)

func newLogREST(plane *plane) *LogREST {
	r := &LogREST{plane: plane}
	r.closing, r.close = context.WithCancel(context.Background())
	return r
}

// Run ends all streams when ctx ends.
func (r *LogREST) Run(ctx context.Context) {
	<-ctx.Done()
	r.close()
}

// New implements rest.Storage. The object is what the stream is of.
func (*LogREST) New() runtime.Object { return &kafka.KafkaTopic{} }

// Destroy implements rest.Storage.
func (*LogREST) Destroy() {}

// ConnectMethods implements rest.Connecter.
func (*LogREST) ConnectMethods() []string { return []string{http.MethodGet} }

// NewConnectOptions implements rest.Connecter.
func (*LogREST) NewConnectOptions() (runtime.Object, bool, string) {
	return &kafka.KafkaTopicLogOptions{}, false, ""
}

// ProducesMIMETypes implements rest.StorageMetadata.
func (*LogREST) ProducesMIMETypes(string) []string { return []string{mimeLines, mimeValues} }

// ProducesObject implements rest.StorageMetadata.
func (*LogREST) ProducesObject(string) any { return "" }

var _ rest.StorageMetadata = &LogREST{}

// errClosing is why streams end with the server.
var errClosing = errors.New("the server is stopping; ask again")

// Connect implements rest.Connecter. All that can be refused is refused here, before the stream begins.
func (r *LogREST) Connect(ctx context.Context, name string, object runtime.Object, responder rest.Responder) (http.Handler, error) {
	options, ok := object.(*kafka.KafkaTopicLogOptions)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("expected KafkaTopicLogOptions, got %T", object))
	}
	if errs := validation.ValidateLogOptions(options); len(errs) > 0 {
		return nil, apierrors.NewInvalid(kafka.Kind("KafkaTopicLogOptions"), name, errs)
	}
	asking, cancel := live.Deadline(ctx)
	defer cancel()
	topic, cluster, have, err := r.plane.liveTopic(asking, name)
	if err != nil {
		return nil, err
	}
	what, err := r.reading(asking, topic, cluster, have, options)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		release, err := r.streams.take(ctx, cluster.Key())
		if err != nil {
			responder.Error(err)
			return
		}
		defer release()
		ctx, cancel := context.WithCancelCause(req.Context())
		defer cancel(nil)
		defer context.AfterFunc(r.closing, func() { cancel(errClosing) })()
		r.stream(ctx, w, responder, logRequest{topic: topic, cluster: cluster, have: have, what: what, options: options})
	}), nil
}

// logRequest is one stream that was agreed to.
type logRequest struct {
	topic   *kafka.KafkaTopic
	cluster *broker.Cluster
	have    broker.Topic
	what    broker.Reading
	options *kafka.KafkaTopicLogOptions
}

func (r *LogREST) stream(ctx context.Context, w http.ResponseWriter, responder rest.Responder, q logRequest) {
	out := newLogWriter(w, q.options)
	if q.options.Tail != nil {
		from, err := tailStarts(ctx, q.cluster, q.have, q.what, *q.options.Tail)
		if err != nil {
			responder.Error(logRefusal(ctx, err, q.topic))
			return
		}
		q.what.From = from
	}
	if q.options.Follow {
		q.what.Until = nil
	}
	err := q.cluster.Read(ctx, q.have, q.what, out)
	switch {
	case err == nil, errors.Is(err, errEnough):
		out.finish()
	case out.gone || ctx.Err() != nil && !errors.Is(context.Cause(ctx), errClosing):
		// The client has left.
	case !out.begun:
		responder.Error(logRefusal(ctx, err, q.topic))
	default:
		status := logRefusal(ctx, err, q.topic)
		klog.FromContext(ctx).Info("Log of a topic broken off", "topic", klog.KObj(q.topic), "err", err)
		out.fail(status)
		// The client sees a stream that was cut, and not one that is complete.
		panic(http.ErrAbortHandler)
	}
}

func logRefusal(ctx context.Context, err error, topic *kafka.KafkaTopic) *apierrors.StatusError {
	if errors.Is(context.Cause(ctx), errClosing) {
		return apierrors.NewServiceUnavailable(errClosing.Error())
	}
	return live.Refused(err, kafka.Resource("kafkatopics"), topic.Name, "")
}

// reading finds out where each partition begins, and where it ends as of now. With tail the beginnings are the first offsets.
func (r *LogREST) reading(ctx context.Context, topic *kafka.KafkaTopic, cluster *broker.Cluster, have broker.Topic, options *kafka.KafkaTopicLogOptions) (broker.Reading, error) {
	what := broker.Reading{From: map[int32]int64{}, Until: map[int32]int64{}}
	wanted := have
	if options.Partition != nil {
		if wanted.Partitions = only(have.Partitions, *options.Partition); wanted.Partitions == nil {
			return what, badOption(topic, "partition", *options.Partition, fmt.Sprintf("there is no such partition; accepted are 0 to %d", len(have.Partitions)-1))
		}
	}
	ranges, err := cluster.OffsetsOf(ctx, wanted, broker.ReadCommitted)
	if err != nil {
		return what, refusal(err, topic)
	}
	for id, has := range ranges {
		if has.Err != nil {
			return what, refusal(has.Err, topic)
		}
		what.From[id], what.Until[id] = has.Start, has.End
	}
	switch {
	case options.Offset == kafka.LogLatest:
		what.From = what.Until
	case options.Offset != "" && options.Offset != kafka.LogEarliest:
		at, err := strconv.ParseInt(options.Offset, 10, 64)
		has := ranges[*options.Partition]
		if err != nil || at < has.Start || at > has.End {
			return what, badOption(topic, "offset", options.Offset,
				fmt.Sprintf("partition %d has offsets from %d to before %d; accepted are %d to %d, earliest, and latest", *options.Partition, has.Start, has.End, has.Start, has.End))
		}
		what.From[*options.Partition] = at
	case options.Since != "":
		since, err := validation.LogSince(options.Since, r.plane.clock.Now())
		if err != nil {
			return what, badOption(topic, "since", options.Since, err.Error())
		}
		reached, err := cluster.OffsetsAt(ctx, wanted, since)
		if err != nil {
			return what, refusal(err, topic)
		}
		for id, at := range reached {
			switch {
			case at.Err != nil:
				return what, refusal(at.Err, topic)
			case at.Offset < 0:
				what.From[id] = what.Until[id]
			default:
				what.From[id] = at.Offset
			}
		}
	}
	return what, nil
}

func only(partitions []broker.Partition, id int32) []broker.Partition {
	for _, p := range partitions {
		if p.ID == id {
			return []broker.Partition{p}
		}
	}
	return nil
}

func badOption(topic *kafka.KafkaTopic, name string, value any, detail string) error {
	return apierrors.NewInvalid(kafka.Kind("KafkaTopicLogOptions"), topic.Name, field.ErrorList{field.Invalid(field.NewPath(name), value, detail)})
}
