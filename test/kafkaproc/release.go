package kafkaproc

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
)

// Versions of Apache Kafka that tests start unless they name another.
const (
	Version4 = "4.3.1" // KRaft only
	Version3 = "3.9.2" // the last line that runs on ZooKeeper; its libs run ZooKeeper itself too
)

// release is a version of Apache Kafka: three numbers.
type release [3]int

var releasePattern = regexp.MustCompile(`^([234])\.(\d+)\.(\d+)$`)

func parseRelease(version string) (release, error) {
	match := releasePattern.FindStringSubmatch(version)
	if match == nil {
		return release{}, fmt.Errorf("%q is no version of Apache Kafka that can be started here, such as %s and %s: three numbers, the first of them 2 to 4", version, Version3, Version4)
	}
	var v release
	for i := range v {
		var err error
		if v[i], err = strconv.Atoi(match[i+1]); err != nil {
			return release{}, fmt.Errorf("reading the version %q: %w", version, err)
		}
	}
	return v, nil
}

func (v release) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

func (v release) major() int { return v[0] }

// before tells whether the release is older than the first of a line.
func (v release) before(major, minor int) bool {
	return slices.Compare(v[:2], []int{major, minor}) < 0
}
