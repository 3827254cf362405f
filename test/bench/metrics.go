package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const (
	systemNamespace = "kafka-system"
	apiService      = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.kafka.openshift.io"
)

// counters are sums over all processes of the product, except that resident memory is without that of the controllers that only stand by.
type counters struct {
	cpuSeconds, residentBytes, standbyBytes, rpcs, revision float64
	// hostCPUSeconds are the host's kube-apiserver's.
	hostCPUSeconds float64
}

// scrape adds up what the API servers and the controllers say of themselves at /metrics.
func (b *bed) scrape(ctx context.Context) (counters, error) {
	var sum counters
	for app, read := range map[string]func(ctx context.Context, pod, ip string) ([]byte, error){
		"kafka-apiserver":   b.serverMetrics,
		"kafka-controllers": b.controllerMetrics,
	} {
		pods, err := b.host.CoreV1().Pods(systemNamespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=" + app})
		if err != nil {
			return counters{}, fmt.Errorf("list the pods of %s: %w", app, err)
		}
		if len(pods.Items) == 0 {
			return counters{}, fmt.Errorf("no pods of %s in the namespace %s", app, systemNamespace)
		}
		var resident []float64
		for _, pod := range pods.Items {
			text, err := read(ctx, pod.Name, pod.Status.PodIP)
			if err != nil {
				return counters{}, fmt.Errorf("read the metrics of %s: %w", pod.Name, err)
			}
			sum.cpuSeconds += total(text, "process_cpu_seconds_total")
			resident = append(resident, total(text, "process_resident_memory_bytes"))
			sum.rpcs += total(text, "kafka_apiserver_broker_rpcs_total")
		}
		slices.Sort(resident)
		for i, bytes := range resident {
			if app == "kafka-controllers" && i < len(resident)-1 {
				sum.standbyBytes += bytes
			} else {
				sum.residentBytes += bytes
			}
		}
	}
	if sum.cpuSeconds == 0 || sum.residentBytes == 0 {
		return counters{}, errors.New("the metrics tell nothing of the processes")
	}
	return sum, nil
}

// controllerMetrics are served to anybody.
func (b *bed) controllerMetrics(ctx context.Context, pod, _ string) ([]byte, error) {
	return b.host.CoreV1().Pods(systemNamespace).ProxyGet("http", pod, "8081", "metrics", nil).DoRaw(ctx)
}

// serverMetrics are only shown to those who may see them, and kube-apiserver's proxy would not tell who asks: the pod is asked directly.
func (b *bed) serverMetrics(ctx context.Context, _, ip string) ([]byte, error) {
	content, err := b.host.CoreV1().RESTClient().Get().AbsPath(apiService).Do(ctx).Raw()
	if err != nil {
		return nil, err
	}
	var service struct {
		Spec struct {
			CABundle []byte `json:"caBundle"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(content, &service); err != nil {
		return nil, err
	}
	config := rest.CopyConfig(b.config)
	config.Host = fmt.Sprintf("https://%s:6443", ip)
	config.CAData, config.CAFile = service.Spec.CABundle, ""
	config.ServerName = "kafka-apiserver." + systemNamespace + ".svc"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return client.CoreV1().RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
}

// total is the sum of a metric's series in Prometheus' text format.
func total(text []byte, metric string) float64 {
	var sum float64
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		rest, ok := strings.CutPrefix(line, metric)
		if !ok || rest == "" || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		value, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
		if err == nil {
			sum += value
		}
	}
	return sum
}
