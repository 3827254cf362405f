package records

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/validation"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/crash"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/kafkatopic/resolver"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
)

// Log is kafkatopics/log: it streams a topic's records. It has this name because kube-apiserver cuts every proxied request
// after a minute, except for those of subresources that it knows to be streams, and log is one of their names.
type Log struct {
	topics  *resolver.Resolver
	clock   clock.WithTicker
	streams streams
	// closing ends the streams when the server stops: they would hold it up as long as their clients wish.
	closing context.Context
	close   context.CancelFunc
}

var (
	_ rest.Connecter = &Log{}
	_ rest.Storage   = &Log{}
)

// NewLog builds the stream. Run ends what it streams.
func NewLog(topics *resolver.Resolver, clock clock.WithTicker) *Log {
	r := &Log{topics: topics, clock: clock}
	r.closing, r.close = context.WithCancel(context.Background())
	return r
}

// Run ends all streams when ctx ends.
func (r *Log) Run(ctx context.Context) {
	<-ctx.Done()
	r.close()
}

// New implements rest.Storage. The object is what the stream is of.
func (*Log) New() runtime.Object { return &kafka.KafkaTopic{} }

// Destroy implements rest.Storage.
func (*Log) Destroy() {}

// ConnectMethods implements rest.Connecter.
func (*Log) ConnectMethods() []string { return []string{http.MethodGet} }

// NewConnectOptions implements rest.Connecter.
func (*Log) NewConnectOptions() (runtime.Object, bool, string) {
	return &kafka.KafkaTopicLogOptions{}, false, ""
}

// ProducesMIMETypes implements rest.StorageMetadata.
func (*Log) ProducesMIMETypes(string) []string { return []string{mimeLines, mimeValues} }

// ProducesObject implements rest.StorageMetadata.
func (*Log) ProducesObject(string) any { return "" }

var _ rest.StorageMetadata = &Log{}

// stillEvery is how often it is asked whether a stream may go on.
const stillEvery = 3 * time.Second

// overError is why a stream ends which its brokers and its client would go on with.
type overError struct{ status *apierrors.StatusError }

func (e *overError) Error() string { return e.status.Error() }

// over is why a stream was ended by the server, nil when it was not.
func over(ctx context.Context) *overError {
	var why *overError
	errors.As(context.Cause(ctx), &why)
	return why
}

// watch ends a stream that would not begin any more. It returns when the stream has ended.
func (r *Log) watch(ctx context.Context, t resolver.Target, end context.CancelCauseFunc) {
	ticker := r.clock.NewTicker(stillEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
		}
		asking, cancel := context.WithTimeout(ctx, stillEvery)
		err := r.topics.Still(asking, t, "log")
		cancel()
		var status *apierrors.StatusError
		if errors.As(err, &status) {
			end(&overError{status})
			return
		}
	}
}

// Connect implements rest.Connecter. All that can be refused is refused here, before the stream begins.
func (r *Log) Connect(ctx context.Context, name string, object runtime.Object, responder rest.Responder) (http.Handler, error) {
	options, ok := object.(*kafka.KafkaTopicLogOptions)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("expected KafkaTopicLogOptions, got %T", object))
	}
	if errs := validation.ValidateLogOptions(options); len(errs) > 0 {
		return nil, apierrors.NewInvalid(kafka.Kind("KafkaTopicLogOptions"), name, errs)
	}
	asking, cancel := live.Deadline(ctx)
	defer cancel()
	t, err := r.topics.Find(asking, name)
	if err != nil {
		return nil, err
	}
	what, err := r.reading(asking, t, options)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		release, err := r.streams.take(ctx, t.Cluster.Key())
		if err != nil {
			responder.Error(err)
			return
		}
		defer release()
		ctx, cancel := context.WithCancelCause(req.Context())
		defer cancel(nil)
		defer context.AfterFunc(r.closing, func() { cancel(&overError{apierrors.NewServiceUnavailable("the server is stopping; ask again")}) })()
		var watching crash.Group
		defer watching.Wait()
		defer cancel(nil)
		watching.Go(func() { r.watch(ctx, t, cancel) })
		r.stream(ctx, w, responder, logRequest{target: t, what: what, options: options})
	}), nil
}

// logRequest is one stream that was agreed to.
type logRequest struct {
	target  resolver.Target
	what    broker.Reading
	options *kafka.KafkaTopicLogOptions
}

func (r *Log) stream(ctx context.Context, w http.ResponseWriter, responder rest.Responder, q logRequest) {
	out := newLogWriter(w, q.options)
	if q.options.Tail != nil {
		from, err := tailStarts(ctx, q.target.Cluster, q.target.Have, q.what, *q.options.Tail)
		if err != nil {
			responder.Error(logRefusal(ctx, err, q.target.Topic))
			return
		}
		q.what.From = from
	}
	if q.options.Follow {
		q.what = endless(q.what, q.options)
	}
	err := q.target.Cluster.Read(ctx, q.target.Have, q.what, out)
	switch {
	case err == nil, errors.Is(err, errEnough):
		out.finish()
	case out.gone || ctx.Err() != nil && over(ctx) == nil:
		// The client has left.
	case !out.begun:
		responder.Error(logRefusal(ctx, err, q.target.Topic))
	default:
		status := logRefusal(ctx, err, q.target.Topic)
		klog.FromContext(ctx).Info("Log of a topic broken off", "topic", klog.KObj(q.target.Topic), "err", err)
		out.fail(status)
		// The client sees a stream that was cut, and not one that is complete.
		panic(http.ErrAbortHandler)
	}
}

// endless is a reading that goes on, with partitions that are added unless it is one of a certain partition.
func endless(what broker.Reading, options *kafka.KafkaTopicLogOptions) broker.Reading {
	return broker.Reading{From: what.From, Epochs: what.Epochs, Added: options.Partition == nil}
}

func logRefusal(ctx context.Context, err error, topic *kafka.KafkaTopic) *apierrors.StatusError {
	if why := over(ctx); why != nil {
		return why.status
	}
	return live.Refused(err, resolver.Resource, topic.Name, "")
}

// reading finds out where each partition begins, and where it ends as of now. With tail the beginnings are the first offsets.
func (r *Log) reading(ctx context.Context, t resolver.Target, options *kafka.KafkaTopicLogOptions) (broker.Reading, error) {
	what := broker.Reading{From: map[int32]int64{}, Until: map[int32]int64{}}
	wanted := t.Have
	if options.Partition != nil {
		if wanted.Partitions = only(t.Have.Partitions, *options.Partition); wanted.Partitions == nil {
			return what, badOption(t.Topic, "partition", *options.Partition, fmt.Sprintf("there is no such partition; accepted are 0 to %d", len(t.Have.Partitions)-1))
		}
	}
	ranges, err := t.Cluster.OffsetsOf(ctx, wanted, broker.ReadCommitted)
	if err != nil {
		return what, resolver.Refusal(err, t.Topic)
	}
	for id, has := range ranges {
		if has.Err != nil {
			return what, resolver.Refusal(has.Err, t.Topic)
		}
		what.From[id], what.Until[id] = has.Start, has.End
	}
	switch {
	case options.Offset == kafka.LogLatest:
		what.From, what.Epochs = what.Until, make(map[int32]int32, len(ranges))
		for id, has := range ranges {
			what.Epochs[id] = has.Epoch
		}
	case options.Offset != "" && options.Offset != kafka.LogEarliest:
		at, err := strconv.ParseInt(options.Offset, 10, 64)
		has := ranges[*options.Partition]
		if err == nil && at > has.End {
			// What open transactions have not decided yet is there, and waited for.
			if has.End, err = endOf(ctx, t, wanted); err != nil {
				return what, err
			}
		}
		if err != nil || at < has.Start || at > has.End {
			return what, badOption(t.Topic, "offset", options.Offset,
				fmt.Sprintf("partition %d has offsets from %d to before %d; accepted are %d to %d, earliest, and latest", *options.Partition, has.Start, has.End, has.Start, has.End))
		}
		what.From[*options.Partition], what.Until[*options.Partition] = at, max(at, what.Until[*options.Partition])
	case options.Since != "":
		since, err := validation.LogSince(options.Since, r.clock.Now())
		if err != nil {
			return what, badOption(t.Topic, "since", options.Since, err.Error())
		}
		reached, err := t.Cluster.OffsetsAt(ctx, wanted, since)
		if err != nil {
			return what, resolver.Refusal(err, t.Topic)
		}
		for id, at := range reached {
			switch {
			case at.Err != nil:
				return what, resolver.Refusal(at.Err, t.Topic)
			case at.Offset < 0:
				what.From[id] = what.Until[id]
			default:
				what.From[id] = at.Offset
			}
		}
	}
	return what, nil
}

// endOf is where the only partition of a topic ends, decided or not.
func endOf(ctx context.Context, t resolver.Target, topic broker.Topic) (int64, error) {
	ranges, err := t.Cluster.OffsetsOf(ctx, topic, broker.ReadUncommitted)
	if err != nil {
		return 0, resolver.Refusal(err, t.Topic)
	}
	has := ranges[topic.Partitions[0].ID]
	if has.Err != nil {
		return 0, resolver.Refusal(has.Err, t.Topic)
	}
	return has.End, nil
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
