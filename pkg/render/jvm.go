package render

import (
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

const (
	mebibyte = 1 << 20
	gibibyte = 1 << 30
)

// heapBytes follows the documentation of JVMSpec.Heap.
func heapBytes(role Role, resources v1beta1.ResourceRequirements, jvm *v1beta1.JVMSpec) int64 {
	if jvm != nil && jvm.Heap != nil {
		return jvm.Heap.Value()
	}
	if limit, ok := resources.Limits[corev1.ResourceMemory]; ok {
		return min(limit.Value()/2, 4*gibibyte)
	}
	if role == Broker {
		return gibibyte
	}
	return 512 * mebibyte
}

var collector = regexp.MustCompile(`^-XX:\+Use\w*GC$`)

// defaultCollector is what Kafka's own scripts choose. Two collectors on one command line keep a JVM from starting, so it is left
// out when the user picks one.
var defaultCollector = []string{
	"-XX:+UseG1GC",
	"-XX:MaxGCPauseMillis=20",
	"-XX:InitiatingHeapOccupancyPercent=35",
	"-XX:+ExplicitGCInvokesConcurrent",
}

// jvmArguments are the options of the java command of a node.
func jvmArguments(role Role, release string, resources v1beta1.ResourceRequirements, jvm *v1beta1.JVMSpec) []string {
	heap := fmt.Sprintf("%dk", max(heapBytes(role, resources, jvm)/1024, 1))
	if bytes := heapBytes(role, resources, jvm); bytes >= mebibyte && bytes%mebibyte == 0 {
		heap = fmt.Sprintf("%dm", bytes/mebibyte)
	}
	args := []string{
		"-server",
		"-Xms" + heap,
		"-Xmx" + heap,
		// A JVM that is out of memory serves nobody and answers TCP probes: let the kubelet start another.
		"-XX:+ExitOnOutOfMemoryError",
		"-Djava.awt.headless=true",
		"-Djava.security.properties=" + configMount + "/" + securityFile,
		loggingArgument(release),
	}
	var options []string
	if jvm != nil {
		options = jvm.Options
	}
	chosen := false
	for _, option := range options {
		chosen = chosen || collector.MatchString(option)
	}
	if !chosen {
		args = append(args, defaultCollector...)
	}
	return append(args, options...)
}

// loggingArgument names our own logging configuration: the ones in the images write files below the read-only root.
func loggingArgument(release string) string {
	if usesLog4j1(release) {
		return "-Dlog4j.configuration=file:" + configMount + "/" + log4j1File
	}
	return "-Dlog4j2.configurationFile=" + configMount + "/" + log4j2File
}

// formatLogging is for the tool that formats a volume. It runs for a second, of which a third went into Log4j 2 and the cluster's
// settings that it printed (0.7 instead of 1.05 seconds of processor time): without Log4j's core it only tells errors.
func formatLogging(release string) string {
	if usesLog4j1(release) {
		return loggingArgument(release)
	}
	return "-Dlog4j2.loggerContextFactory=org.apache.logging.log4j.simple.SimpleLoggerContextFactory"
}

// usesLog4j1 tells whether a release logs through reload4j. Kafka 4.0 went to Log4j 2.
func usesLog4j1(release string) bool { return strings.HasPrefix(release, "3.") }
