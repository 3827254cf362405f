//go:build long

package faults

// isolate cuts a node off from all controllers but its own.
func (d *doors) isolate(node int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut = node
}

// heal ends it. Connections of which something was lost are closed, as the kernel does it with those that get no acknowledgement.
func (d *doors) heal() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.callers {
		if d.separates(c) {
			for _, conn := range c.conns {
				if conn != nil {
					conn.Close()
				}
			}
		}
	}
	d.cut = -1
}

// callersOf is how many connections came from a node.
func (d *doors) callersOf(node int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for id, count := range d.seen {
		if nodeOf(id) == node {
			n += count
		}
	}
	return n
}
