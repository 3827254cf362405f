package metadata

import "time"

// SettleTime is how long a broker of this cluster may take to hear of topics created and deleted.
func (c *Metadata) SettleTime() time.Duration {
	if c.KnownMode().Kraft {
		return busySettleTime
	}
	return SettleTime
}

// controllerIsNew tells that a controller may not know yet, as a broker, of all topics that it has read from ZooKeeper (seen on 3.9.2).
func (c *Metadata) controllerIsNew() bool {
	since := c.ControllerChanged()
	return !since.IsZero() && c.Opts.Clock.Since(since) < SettleTime
}
