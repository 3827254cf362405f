// Package validation judges the kafka.openshift.io kinds by themselves: shapes,
// ranges, and what may change. It never asks a broker or another object.
package validation

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaconfig"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaversion"
	"kafka.openshift.io/kafka-apiserver/pkg/plural"
)

// maxClusterName keeps "<name>-controller-<hash of ten>" within the 63 characters of a label value, which the
// StatefulSet controller puts on each pod.
const maxClusterName = kafkaconfig.MaxClusterName

// smallestStorage is what a node needs to start: ZooKeeper alone sets 64 MiB aside for its next transactions.
var smallestStorage = resource.MustParse("128Mi")

// KafkaName checks a Kafka's name. It has the shape of apivalidation.ValidateNameFunc.
func KafkaName(name string, prefix bool) []string {
	// Of two limits the smaller is told.
	problems := slices.DeleteFunc(apivalidation.NameIsDNS1035Label(name, prefix), func(problem string) bool {
		return problem == validation.MaxLenError(validation.DNS1035LabelMaxLength)
	})
	if len(name) > maxClusterName {
		problems = append(problems, validation.MaxLenError(maxClusterName))
	}
	return problems
}

// ValidateKafka judges a new cluster.
func ValidateKafka(k *kafka.Kafka) field.ErrorList {
	errs := validateMeta(&k.ObjectMeta, KafkaName, field.NewPath("metadata"))
	return brief(append(errs, validateKafkaSpec(&k.Spec, field.NewPath("spec"))...))
}

// ValidateKafkaUpdate judges a change of a cluster against what is stored.
func ValidateKafkaUpdate(k, old *kafka.Kafka) field.ErrorList {
	errs := validateMetaUpdate(&k.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	spec := field.NewPath("spec")
	errs = append(errs, ratchet(validateKafkaSpec(&k.Spec, spec), func() field.ErrorList { return validateKafkaSpec(&old.Spec, spec) })...)
	if k.Mode() != old.Mode() {
		return brief(append(errs, field.Forbidden(modeField(spec, k, old),
			fmt.Sprintf("the mode of a cluster is fixed when it is created: this one is %s", old.Mode()))))
	}
	if n, o := k.Spec.Controllers, old.Spec.Controllers; n != nil {
		path := spec.Child("controllers")
		errs = append(errs, apivalidation.ValidateImmutableField(n.Replicas, o.Replicas, path.Child("replicas"))...)
		errs = append(errs, validateStorageUpdate(&n.Storage, &o.Storage, claimsOf(old, "controller"), path.Child("storage"))...)
	}
	if n, o := k.Spec.ZooKeeper, old.Spec.ZooKeeper; n != nil {
		path := spec.Child("zookeeper")
		errs = append(errs, apivalidation.ValidateImmutableField(n.Replicas, o.Replicas, path.Child("replicas"))...)
		errs = append(errs, validateStorageUpdate(&n.Storage, &o.Storage, claimsOf(old, "zookeeper"), path.Child("storage"))...)
	}
	if n, o := k.Spec.Brokers, old.Spec.Brokers; n != nil && o != nil {
		path := spec.Child("brokers")
		errs = append(errs, validateStorageUpdate(&n.Storage, &o.Storage, claimsOf(old, "broker"), path.Child("storage"))...)
		errs = append(errs, validateQuorumStays(k, old, path.Child("replicas"))...)
	}
	return brief(errs)
}

// ValidateKafkaStatusUpdate judges a change of a cluster's status.
func ValidateKafkaStatusUpdate(k, old *kafka.Kafka) field.ErrorList {
	status := field.NewPath("status")
	errs := append(ValidateMetaUpdate(&k.ObjectMeta, &old.ObjectMeta),
		validateConditions(k.Status.Conditions, old.Status.Conditions, status.Child("conditions"))...)
	errs = append(errs, validateUnreachable(k.Status.UnreachableBrokers, status.Child("unreachableBrokers"))...)
	// Both decide how nodes format themselves: forgotten, a restarted cluster would begin anew over its own data.
	if len(old.Status.Quorum) > 0 && len(k.Status.Quorum) == 0 {
		errs = append(errs, field.Required(status.Child("quorum"), "the quorum of a cluster is never forgotten"))
	}
	if ptr.Deref(old.Status.Formed, false) && !ptr.Deref(k.Status.Formed, false) {
		errs = append(errs, field.Invalid(status.Child("formed"), k.Status.Formed, "a cluster that has served may host something: this stays true"))
	}
	if len(old.Status.Quorum) > 0 && old.Status.ClusterID != "" && k.Status.ClusterID != old.Status.ClusterID {
		errs = append(errs, field.Invalid(status.Child("clusterID"), k.Status.ClusterID,
			"the id of a cluster never changes: it is "+old.Status.ClusterID))
	}
	return errs
}

func modeField(spec *field.Path, k, old *kafka.Kafka) *field.Path {
	for _, mode := range []kafka.ClusterMode{k.Mode(), old.Mode()} {
		switch mode {
		case kafka.ModeExternal:
			return spec.Child("external")
		case kafka.ModeZooKeeper:
			return spec.Child("zookeeper")
		case kafka.ModeDedicated:
			return spec.Child("controllers")
		}
	}
	return spec
}

func validateQuorumStays(k, old *kafka.Kafka, path *field.Path) field.ErrorList {
	voters := len(old.Status.Quorum)
	if k.Mode() != kafka.ModeCombined || k.Spec.Brokers.Replicas == nil || int(*k.Spec.Brokers.Replicas) >= voters {
		return nil
	}
	return field.ErrorList{field.Invalid(path, *k.Spec.Brokers.Replicas,
		"the first "+plural.Word(voters, "broker is", plural.Of(voters, "", "brokers are"))+" the cluster's KRaft quorum and cannot be removed")}
}

func validateKafkaSpec(spec *kafka.KafkaSpec, path *field.Path) field.ErrorList {
	if spec.External != nil {
		return validateExternal(spec, path)
	}
	if spec.Brokers == nil {
		return field.ErrorList{field.Required(path.Child("brokers"), "describe the brokers, or name a cluster that somebody else runs in external")}
	}
	var errs field.ErrorList
	version, ok := kafkaversion.Lookup(spec.Version)
	switch {
	case !ok:
		errs = append(errs, field.NotSupported(path.Child("version"), spec.Version, kafkaversion.Known()))
	case spec.ZooKeeper != nil && !version.ZooKeeper:
		errs = append(errs, field.Invalid(path.Child("zookeeper"), spec.Version,
			fmt.Sprintf("Kafka %s has no ZooKeeper mode: leave zookeeper out, or set version to %s", spec.Version, kafkaversion.DefaultZooKeeper)))
	case spec.ZooKeeper == nil && version.ZooKeeper:
		errs = append(errs, field.Invalid(path.Child("version"), spec.Version,
			fmt.Sprintf("Kafka %s is run with ZooKeeper: describe zookeeper, or set version to %s", spec.Version, kafkaversion.Default)))
	}
	if spec.ZooKeeper != nil && spec.Controllers != nil {
		errs = append(errs, field.Forbidden(path.Child("controllers"), "a cluster keeps its metadata either in ZooKeeper or in KRaft controllers: leave out zookeeper or controllers"))
	}
	errs = append(errs, validateBrokers(spec.Brokers, spec.Version, path.Child("brokers"))...)
	persistent := spec.Brokers.Storage.Type == kafka.PersistentClaim
	if c := spec.Controllers; c != nil {
		at := path.Child("controllers")
		errs = append(errs, validateQuorumSize(c.Replicas, at.Child("replicas"))...)
		errs = append(errs, validateMetadataStorage(&c.Storage, persistent, at.Child("storage"))...)
		errs = append(errs, validateProcess(&c.Resources, c.JVM, at)...)
	}
	if z := spec.ZooKeeper; z != nil {
		at := path.Child("zookeeper")
		errs = append(errs, validateQuorumSize(z.Replicas, at.Child("replicas"))...)
		errs = append(errs, validateMetadataStorage(&z.Storage, persistent, at.Child("storage"))...)
		errs = append(errs, validateProcess(&z.Resources, z.JVM, at)...)
	}
	return errs
}

// hostPortProblem says why an address is no host:port; "" when it is.
func hostPortProblem(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return strings.TrimPrefix(err.Error(), "address "+address+": ")
	}
	if n, err := strconv.Atoi(port); err != nil || len(validation.IsValidPortNum(n)) > 0 {
		return fmt.Sprintf("port %q is not from 1 to 65535", port)
	}
	switch {
	case net.ParseIP(host) != nil:
		return ""
	case host != "." && strings.HasSuffix(host, "."):
		// Certificates have names without it, and so have the lists of where brokers may be.
		return fmt.Sprintf("the name ends with a dot; write %s", strings.TrimRight(host, "."))
	}
	return strings.Join(validation.IsDNS1123Subdomain(strings.ToLower(host)), "; ")
}

func validateBrokers(b *kafka.BrokersSpec, release string, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if r := b.Replicas; r == nil || *r < 1 || *r > MaxBrokers {
		errs = append(errs, field.Invalid(path.Child("replicas"), b.Replicas, fmt.Sprintf("must be from 1 to %d", MaxBrokers)))
	}
	errs = append(errs, validateStorage(&b.Storage, path.Child("storage"))...)
	errs = append(errs, validateProcess(&b.Resources, b.JVM, path)...)
	config := path.Child("config")
	if large := validateSettings(b.Config, config); large != nil {
		return append(errs, large...)
	}
	for _, key := range slices.Sorted(maps.Keys(b.Config)) {
		at := config.Key(key)
		switch value := b.Config[key]; {
		case key == "" || strings.ContainsAny(key, "=:#! \t\r\n\\"):
			errs = append(errs, field.Invalid(at, key, "is no name of a setting"))
		case kafkaconfig.IsManaged(key):
			errs = append(errs, field.Forbidden(at, "the cluster manages this setting itself"))
		case strings.ContainsAny(value, "\r\n"):
			errs = append(errs, field.Invalid(at, value, "must be one line"))
		default:
			if problem := kafkaconfig.BrokerProblem(release, key, value); problem != "" {
				errs = append(errs, field.Invalid(at, value, problem))
			}
		}
	}
	return errs
}

func validateQuorumSize(replicas *int32, path *field.Path) field.ErrorList {
	if replicas == nil || !slices.Contains(QuorumSizes, *replicas) {
		return field.ErrorList{field.Invalid(path, replicas,
			"must be 1, 3 or 5: a quorum needs a majority, and an even size stands no more failures than the next smaller odd one")}
	}
	return nil
}

func validateMetadataStorage(s *kafka.StorageSpec, brokersPersist bool, path *field.Path) field.ErrorList {
	errs := validateStorage(s, path)
	if s.Type == kafka.Ephemeral && brokersPersist {
		errs = append(errs, field.Invalid(path.Child("type"), s.Type,
			"brokers on claims need their metadata on claims too: with the metadata, every topic would be lost"))
	}
	return errs
}

func validateStorage(s *kafka.StorageSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	switch s.Type {
	case kafka.PersistentClaim:
		if s.Size == nil {
			errs = append(errs, field.Required(path.Child("size"), "the size of each claim, such as 100Gi"))
		}
		if s.Class != nil && *s.Class != "" {
			for _, problem := range validation.IsDNS1123Subdomain(*s.Class) {
				errs = append(errs, field.Invalid(path.Child("class"), *s.Class, problem))
			}
		}
	case kafka.Ephemeral:
		if s.Class != nil {
			errs = append(errs, field.Forbidden(path.Child("class"), "only claims have a StorageClass: set type to PersistentClaim, or leave class out"))
		}
	default:
		errs = append(errs, field.NotSupported(path.Child("type"), s.Type, []kafka.StorageType{kafka.PersistentClaim, kafka.Ephemeral}))
	}
	if s.Size != nil && s.Size.Cmp(smallestStorage) < 0 {
		errs = append(errs, field.Invalid(path.Child("size"), s.Size.String(), "must be at least "+smallestStorage.String()))
	}
	return errs
}

// claimsOf is the size that the claims of a component have, nil while the controllers have not told it.
func claimsOf(k *kafka.Kafka, component string) *resource.Quantity {
	i := slices.IndexFunc(k.Status.Claims, func(c kafka.ClaimsStatus) bool { return c.Component == component })
	if i < 0 {
		return nil
	}
	return &k.Status.Claims[i].Size
}

// validateStorageUpdate compares a smaller size with what the claims have: a size that they were never given can be taken back. While
// that is not known it is taken for what the spec says.
func validateStorageUpdate(s, old *kafka.StorageSpec, have *resource.Quantity, path *field.Path) field.ErrorList {
	errs := apivalidation.ValidateImmutableField(s.Type, old.Type, path.Child("type"))
	errs = append(errs, apivalidation.ValidateImmutableField(s.Class, old.Class, path.Child("class"))...)
	if s.Size == nil || old.Size == nil || s.Type != kafka.PersistentClaim || s.Size.Cmp(*old.Size) >= 0 {
		return errs
	}
	if have == nil {
		have = old.Size
	}
	if s.Size.Cmp(*have) < 0 {
		errs = append(errs, field.Invalid(path.Child("size"), s.Size.String(), fmt.Sprintf("a claim cannot shrink: it has %s", have)))
	}
	return errs
}

// containerResources are those that Kubernetes knows without a prefix of their vendor, beside huge pages of some size.
var containerResources = []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceEphemeralStorage, corev1.ResourceMemory}

// ofContainers tells whether Kubernetes takes a resource for a container.
func ofContainers(name corev1.ResourceName) bool {
	return strings.Contains(string(name), "/") || strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix) || slices.Contains(containerResources, name)
}

func validateResources(r *kafka.ResourceRequirements, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for where, list := range map[string]corev1.ResourceList{"requests": r.Requests, "limits": r.Limits} {
		if many := atMost(len(list), MaxResources, path.Child(where)); many != nil {
			errs = append(errs, many...)
			continue
		}
		for name, quantity := range list {
			at := path.Child(where).Key(string(name))
			problems := validation.IsQualifiedName(string(name))
			for _, problem := range problems {
				errs = append(errs, field.Invalid(at, name, problem))
			}
			if len(problems) == 0 && !ofContainers(name) {
				errs = append(errs, field.NotSupported(at, name, containerResources))
			}
			if quantity.Sign() < 0 {
				errs = append(errs, field.Invalid(at, quantity.String(), "must not be negative"))
			}
		}
	}
	for name, request := range r.Requests {
		if limit, ok := r.Limits[name]; ok && request.Cmp(limit) > 0 {
			errs = append(errs, field.Invalid(path.Child("requests").Key(string(name)), request.String(),
				fmt.Sprintf("must not be more than the limit of %s", limit.String())))
		}
	}
	return errs
}
