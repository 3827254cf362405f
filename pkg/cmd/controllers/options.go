package controllers

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/spf13/pflag"
	"k8s.io/client-go/discovery"

	"kafka.openshift.io/kafka-apiserver/pkg/cmd/places"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaversion"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

const (
	// runAsAuto leaves the user of pods to the platform on OpenShift and chooses kafkaUser elsewhere.
	runAsAuto = "auto"
	// runAsPlatform leaves the user of pods to the platform.
	runAsPlatform = "platform"
	// kafkaUser is the user of the image apache/kafka. The image names it, and the kubelet cannot tell of a name that it is not root.
	kafkaUser = 1000
)

// Options are the flags of the controllers.
type Options struct {
	// Kubeconfig reaches the Kubernetes that also serves our API; empty means the pod's own service account.
	Kubeconfig string
	// Namespace holds the lease, and the API server's record of its storage identity.
	Namespace string
	// LeaderElect makes sure that only one of several processes works.
	LeaderElect bool
	// BindAddress serves /healthz, /readyz and /metrics.
	BindAddress string
	// TopicWorkers is the number of topics of one Kafka in work at once.
	TopicWorkers int
	// ReplicasPerBroker is how many replicas of partitions a Kafka takes for each of its brokers.
	ReplicasPerBroker int
	// KafkaImages replaces images by release.
	KafkaImages map[string]string
	// RunAsUser is the user of Kafka's pods: a number, runAsAuto or runAsPlatform.
	RunAsUser string
	// Options say where external Kafkas may be.
	places.Options
}

// NewOptions sets the defaults.
func NewOptions() *Options {
	return &Options{
		Namespace:    "kafka-system",
		LeaderElect:  true,
		BindAddress:  ":8081",
		TopicWorkers: 64,
		RunAsUser:    runAsAuto,

		ReplicasPerBroker: topics.DefaultReplicasPerBroker,
		Options:           places.NewOptions(),
	}
}

// AddFlags adds the flags.
func (o *Options) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.Kubeconfig, "kubeconfig", o.Kubeconfig, "How to reach the Kubernetes that serves the kafka.openshift.io API. Empty means the service account of the pod.")
	flags.StringVar(&o.Namespace, "namespace", o.Namespace, "Namespace of the lease, and of the API server's record of its storage identity. Defaults to $POD_NAMESPACE.")
	flags.BoolVar(&o.LeaderElect, "leader-elect", o.LeaderElect, "Work only while holding the lease.")
	flags.StringVar(&o.BindAddress, "bind-address", o.BindAddress, "Address of /healthz, /readyz and /metrics.")
	flags.IntVar(&o.TopicWorkers, "topic-workers", o.TopicWorkers, "Number of KafkaTopics of one Kafka in work at once.")
	flags.IntVar(&o.ReplicasPerBroker, "replicas-per-broker", o.ReplicasPerBroker, topics.ReplicasPerBrokerUsage)
	flags.StringToStringVar(&o.KafkaImages, "kafka-image", o.KafkaImages, "Image of a release of Kafka, as 4.3.1=registry.example.org/kafka:4.3.1; can be repeated.")
	o.Options.AddFlags(flags)
	flags.StringVar(&o.RunAsUser, "run-as-user", o.RunAsUser, "User of Kafka's pods: a number, \"platform\" to leave it to the platform, or \"auto\": platform on OpenShift, 1000 elsewhere.")
}

// Complete fills in what the environment says.
func (o *Options) Complete(flags *pflag.FlagSet) {
	if namespace := os.Getenv("POD_NAMESPACE"); namespace != "" && !flags.Changed("namespace") {
		o.Namespace = namespace
	}
}

// Validate returns all that is wrong.
func (o *Options) Validate() error {
	var errs []error
	if o.Namespace == "" {
		errs = append(errs, errors.New("--namespace is empty"))
	}
	if _, _, err := net.SplitHostPort(o.BindAddress); err != nil {
		errs = append(errs, fmt.Errorf("--bind-address: %w", err))
	}
	if o.TopicWorkers < 1 {
		errs = append(errs, fmt.Errorf("--topic-workers: %d is not a number of workers", o.TopicWorkers))
	}
	for release, image := range o.KafkaImages {
		if _, ok := kafkaversion.Lookup(release); !ok {
			errs = append(errs, fmt.Errorf("--kafka-image: unknown release %q, known are %v", release, kafkaversion.Known()))
		}
		if image == "" {
			errs = append(errs, fmt.Errorf("--kafka-image: no image for release %s", release))
		}
	}
	if o.RunAsUser != runAsAuto && o.RunAsUser != runAsPlatform {
		if user, err := strconv.ParseInt(o.RunAsUser, 10, 32); err != nil || user < 1 {
			errs = append(errs, fmt.Errorf("--run-as-user: %q is neither %q nor %q nor a user id above 0", o.RunAsUser, runAsAuto, runAsPlatform))
		}
	}
	errs = append(errs, o.Options.Validate()...)
	return errors.Join(errs...)
}

// runAsUser is the user of Kafka's pods; nil leaves it to the platform. OpenShift gives each namespace a range of users and refuses
// pods that ask for another.
func (o *Options) runAsUser(host discovery.DiscoveryInterface) (*int64, error) {
	user := int64(kafkaUser)
	switch o.RunAsUser {
	case runAsPlatform:
		return nil, nil
	case runAsAuto:
		groups, err := host.ServerGroups()
		if err != nil {
			return nil, fmt.Errorf("find out whether this is OpenShift: %w", err)
		}
		for _, group := range groups.Groups {
			if group.Name == "security.openshift.io" {
				return nil, nil
			}
		}
	default:
		var err error
		if user, err = strconv.ParseInt(o.RunAsUser, 10, 32); err != nil {
			return nil, fmt.Errorf("--run-as-user: %w", err)
		}
	}
	return &user, nil
}
