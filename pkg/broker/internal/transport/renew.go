package transport

import (
	"context"
	"errors"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// This file keeps the links of a pool to the security of today.

// Secure is how connections are to be opened now, and the generation that such links belong to. What was opened otherwise is outdated
// from here on, and so are the verdicts on addresses.
func (p *pool) Secure(ctx context.Context) (*wire.Security, int, error) {
	p.Mu.Lock()
	source := p.source
	p.Mu.Unlock()
	var security *wire.Security
	if source != nil {
		var err error
		if security, err = source.Security(ctx); err != nil {
			if ctx.Err() != nil {
				return nil, 0, context.Cause(ctx)
			}
			return nil, 0, &kafkaerr.SecurityError{Reason: kafkaerr.ReasonCredentialsUnavailable, Text: err.Error()}
		}
	}
	p.Mu.Lock()
	changed := !p.security.Equal(security)
	if changed {
		p.security = security
	}
	p.Mu.Unlock()
	if changed {
		p.reset()
	}
	p.Mu.Lock()
	defer p.Mu.Unlock()
	return security, p.gen, nil
}

func (p *pool) SetSource(source wire.SecuritySource) {
	p.Mu.Lock()
	defer p.Mu.Unlock()
	p.source = source
}

// notDialled says that an address was not dialled, because it is not known how to.
func notDialled(addr string, err error) error {
	var security *kafkaerr.SecurityError
	if !errors.As(err, &security) {
		return err
	}
	return &kafkaerr.NoAnswerError{Addr: addr, Gone: true, Err: err}
}

// outlived tells whether a broker may no longer serve an idle link, or not for long.
func (p *pool) outlived(l *wire.Link) bool {
	now := p.opts.Clock.Now()
	return now.Sub(l.Used) >= MaxIdle || !l.Expires.IsZero() && now.After(l.Expires) ||
		// The name may lead to the right cluster again, which a connection that stays open never finds out.
		!l.TurnedAway.IsZero() && now.Sub(l.TurnedAway) >= RefusedTTL
}
