package wire

import (
	"context"
	"net"
	"time"

	"k8s.io/utils/clock"
)

// Options are what connections and requests of all clusters have in common; see Options.
type Options struct {
	ClientID                                                    string
	Dial                                                        DialFunc
	Clock                                                       clock.WithTicker
	ConnectTimeout, VerdictTimeout, NegativeTTL, RequestTimeout time.Duration
	MaxConcurrent                                               int
	LogDirsTTL                                                  time.Duration
	// Answers is the memory for brokers' answers.
	Answers *Answers
	// StallAfter, ReadPatience and LookEvery are the constants of these names, but in tests.
	StallAfter, ReadPatience, LookEvery time.Duration
}

// OfCluster are the options as one more cluster has them.
func (o *Options) OfCluster() *Options {
	own := *o
	own.Answers = o.Answers.OfCluster()
	return &own
}

// DialFunc opens a connection; it has the shape of net.Dialer.DialContext. It must end when its context does.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)
