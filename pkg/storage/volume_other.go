//go:build !linux && !darwin

package storage

import "math"

// volumeBytes cannot tell on this platform: the volume is taken to be large enough.
func volumeBytes(string) (int64, error) { return math.MaxInt64, nil }
