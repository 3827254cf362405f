package broker

import (
	"context"
	"errors"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// This file keeps the links of a pool to the security of today.

// secure is how connections are to be opened now, and the generation that such links belong to. What was opened otherwise is outdated
// from here on, and so are the verdicts on addresses.
func (p *pool) secure(ctx context.Context) (*Security, int, error) {
	p.mu.Lock()
	source := p.source
	p.mu.Unlock()
	var security *Security
	if source != nil {
		var err error
		if security, err = source.Security(ctx); err != nil {
			if ctx.Err() != nil {
				return nil, 0, context.Cause(ctx)
			}
			return nil, 0, &kafkaerr.SecurityError{Reason: kafkaerr.ReasonCredentialsUnavailable, Text: err.Error()}
		}
	}
	p.mu.Lock()
	changed := !p.security.equal(security)
	if changed {
		p.security = security
	}
	p.mu.Unlock()
	if changed {
		p.reset()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return security, p.gen, nil
}

func (p *pool) setSource(source SecuritySource) {
	p.mu.Lock()
	defer p.mu.Unlock()
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
func (p *pool) outlived(l *link) bool {
	now := p.opts.Clock.Now()
	return now.Sub(l.used) >= maxIdle || !l.expires.IsZero() && now.After(l.expires) ||
		// The name may lead to the right cluster again, which a connection that stays open never finds out.
		!l.turnedAway.IsZero() && now.Sub(l.turnedAway) >= refusedTTL
}
