package kafkaproc

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"kafka.openshift.io/kafka-apiserver/test/kafkaproc/cache"
)

// Streams runs a Kafka Streams application, which is one source file in Java, with the library of the cluster's version. It returns what that
// prints when it has ended; it is killed when the context ends. Brokers do not need the library, so that a distribution is without it.
func (c *Cluster) Streams(ctx context.Context, input io.Reader, source string, args ...string) ([]byte, error) {
	d := c.distribution
	pom, err := renderPOM(d.release, "org.apache.kafka:kafka-streams:"+d.Version)
	if err != nil {
		return nil, err
	}
	library, err := cache.Entry(ctx, "kafka-streams/"+d.Version+"-"+layoutKey(pom, nil), func(ctx context.Context, dir string) error {
		if err := RequireTools("mvn"); err != nil {
			return err
		}
		return fetchJars(ctx, pom, dir)
	})
	if err != nil {
		return nil, fmt.Errorf("provisioning Kafka Streams %s: %w", d.Version, err)
	}
	return d.java(ctx, input, d.Libs()+string(filepath.ListSeparator)+filepath.Join(library, "*"), source, args...)
}
