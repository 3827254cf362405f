package kafkaproc

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"
)

// artifactsOf returns the direct dependencies (group:artifact:version) of a version of Apache Kafka; Maven adds what they need. The
// logging back ends, metrics-core and snappy are optional for Kafka's own modules, but its start fails without them.
func artifactsOf(v release) []string {
	artifacts := []string{"org.apache.kafka:kafka_2.13:" + v.String(), "org.apache.kafka:kafka-tools:" + v.String()}
	if v.major() >= 4 {
		return append(artifacts,
			"org.apache.logging.log4j:log4j-core:2.25.3",
			"org.apache.logging.log4j:log4j-slf4j-impl:2.25.3",
			"org.apache.logging.log4j:log4j-1.2-api:2.25.3",
			// Lets log4j read the official distribution's log4j2.yaml.
			"com.fasterxml.jackson.dataformat:jackson-dataformat-yaml:2.21.2",
		)
	}
	return append(artifacts,
		"org.slf4j:slf4j-reload4j:1.7.36",
		"io.dropwizard.metrics:metrics-core:4.1.12.1",
		"org.xerial.snappy:snappy-java:1.1.10.5",
	)
}

var pomTemplate = template.Must(template.New("pom").Parse(`<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>kafka.openshift.io</groupId>
  <artifactId>kafka-distribution</artifactId>
  <version>{{.Version}}</version>
  <dependencies>
{{- range .Artifacts}}
    <dependency>
      <groupId>{{index . 0}}</groupId>
      <artifactId>{{index . 1}}</artifactId>
      <version>{{index . 2}}</version>
    </dependency>
{{- end}}
  </dependencies>
  <build>
    <pluginManagement>
      <plugins>
        <plugin>
          <groupId>org.apache.maven.plugins</groupId>
          <artifactId>maven-dependency-plugin</artifactId>
          <version>3.6.1</version>
        </plugin>
      </plugins>
    </pluginManagement>
  </build>
</project>
`))

// renderPOM returns a pom.xml whose runtime dependencies are some artifacts for a version.
func renderPOM(v release, artifacts ...string) ([]byte, error) {
	var split [][]string
	for _, c := range artifacts {
		split = append(split, strings.Split(c, ":"))
	}
	var out bytes.Buffer
	err := pomTemplate.Execute(&out, map[string]any{"Version": v.String(), "Artifacts": split})
	if err != nil {
		return nil, fmt.Errorf("rendering the pom of Apache Kafka %s: %w", v, err)
	}
	return out.Bytes(), nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
