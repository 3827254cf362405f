//go:build integration && !long

package faults

import (
	"testing"
	"time"
)

// lasting is how long a fault is repeated; each strikes once in any case.
const lasting = time.Second

var faults = []fault{{"leaders-moved", moveLeaders}, {"broker-frozen", freeze}, {"broker-killed", restart}}

// prepare leaves the data of all brokers where they are put.
func prepare(*testing.T, string) {}
