// Package zookeeper asks members of a ZooKeeper ensemble what they are, by the command "srvr" of the client port
// (org.apache.zookeeper.server.command.SrvrCommand, "The Four Letter Words" of ZooKeeper's administrator's guide).
package zookeeper

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
)

// State is what a member does.
type State string

// The states of a member that serves (org.apache.zookeeper.server.quorum.QuorumStats.Provider).
const (
	Leader     State = "leader"
	Follower   State = "follower"
	Observer   State = "observer"
	Standalone State = "standalone"
)

// ErrNotServing says that a member runs and is no part of a quorum: it looks for a leader, or has not got the leader's data yet.
var ErrNotServing = errors.New("the member does not serve")

// longestAnswer bounds what is read of an answer, which has ten lines.
const longestAnswer = 16 << 10

// Ask asks the member at a host:port address what it is. A follower says so only when it has all that its leader has committed, since it serves
// nobody before.
func Ask(ctx context.Context, address string) (State, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return "", fmt.Errorf("ask ZooKeeper at %s: %w", address, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if _, err := io.WriteString(conn, "srvr"); err != nil {
		return "", fmt.Errorf("ask ZooKeeper at %s: %w", address, err)
	}
	lines := bufio.NewScanner(io.LimitReader(conn, longestAnswer))
	for lines.Scan() {
		if mode, found := strings.CutPrefix(lines.Text(), "Mode: "); found {
			return known(State(strings.TrimSpace(mode)), address)
		}
	}
	if err := lines.Err(); err != nil {
		return "", fmt.Errorf("ask ZooKeeper at %s: %w", address, errors.Join(err, ctx.Err()))
	}
	return "", fmt.Errorf("ask ZooKeeper at %s: %w", address, ErrNotServing)
}

func known(state State, address string) (State, error) {
	switch state {
	case Leader, Follower, Observer, Standalone:
		return state, nil
	}
	return "", fmt.Errorf("ask ZooKeeper at %s: unknown mode %q", address, string(state))
}
