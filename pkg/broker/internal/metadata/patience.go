package metadata

import (
	"context"
	"time"
)

// patience is how a question is asked again that a broker cannot answer yet as it will: it has not heard of what was written here, or a
// controller is new. It ends: what brokers go on saying is so.
type patience struct {
	c            *Metadata
	since, until time.Time
	next         time.Duration
}

const (
	// SettlePause and maxSettlePause are the times between two looks, which grow: a broker that lags has enough to do.
	SettlePause, maxSettlePause = 50 * time.Millisecond, 250 * time.Millisecond
)

func (c *Metadata) patience() *patience {
	now := c.Opts.Clock.Now()
	return &patience{c: c, since: now, until: now.Add(2 * c.SettleTime()), next: SettlePause}
}

// ended tells that the brokers have had the time.
func (p *patience) ended() bool { return !p.c.Opts.Clock.Now().Before(p.until) }

// lagTime is how long a broker may lag behind until others are asked before it.
const lagTime = time.Second

// pause waits until the next look. source is who was asked.
func (p *patience) pause(ctx context.Context, source string) error {
	if p.c.Opts.Clock.Now().Sub(p.since) > lagTime {
		p.c.Doubt(source)
	}
	wait := p.next
	p.next = min(2*wait, maxSettlePause)
	return p.c.Pause(ctx, wait)
}
