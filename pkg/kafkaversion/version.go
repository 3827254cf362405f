// Package kafkaversion is the table of Apache Kafka versions that can be run, with
// what each can do. It never looks at a running cluster.
package kafkaversion

import "slices"

const (
	// Default is the version of a cluster that names none.
	Default = "4.3.1"
	// DefaultZooKeeper is the version of a ZooKeeper cluster that names none.
	DefaultZooKeeper = "3.9.2"
)

// Version is what one release of Apache Kafka can do.
type Version struct {
	// Release is the full version, such as 4.3.1.
	Release string
	// ZooKeeper says that the release keeps its metadata in ZooKeeper; all others are KRaft.
	ZooKeeper bool
	// Image is the container image that runs the release, and its ZooKeeper if it has one.
	Image string
}

var known = []Version{
	{Release: "3.9.2", ZooKeeper: true, Image: "apache/kafka:3.9.2"},
	{Release: "4.3.1", Image: "apache/kafka:4.3.1"},
}

// Lookup finds a release.
func Lookup(release string) (Version, bool) {
	i := slices.IndexFunc(known, func(v Version) bool { return v.Release == release })
	if i < 0 {
		return Version{}, false
	}
	return known[i], true
}

// Known lists all releases, oldest first.
func Known() []string {
	out := make([]string, 0, len(known))
	for _, v := range known {
		out = append(out, v.Release)
	}
	return out
}
