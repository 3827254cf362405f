package validation

import (
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"unicode/utf8"

	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// The bounds are far above what anybody needs. Objects are copied into every cache, watch and etcd revision, and what is in them is
// repeated in messages, so each list, map and text has one.
const (
	maxLabels          = 256
	maxFinalizers      = 64
	maxOwnerReferences = 64
	// maxOwnerReference bounds each text of an owner reference; a path of an API group and version is the longest.
	maxOwnerReference = 512

	// MaxSettings bounds the settings of an object: Kafka 4.3 has 330 for a broker, and 40 for a topic.
	MaxSettings      = 512
	MaxSettingName   = 256
	MaxSettingValue  = 32 << 10
	MaxSettingsTotal = 128 << 10

	MaxJVMOptions = 128
	MaxJVMOption  = 1 << 10
	MaxResources  = 32

	MaxBootstrapServers = 128
	// MaxAddress is a DNS name with a port.
	MaxAddress  = 253 + len(":65535")
	MaxUsername = 256

	// maxQuoted bounds what a refusal repeats of a request.
	maxQuoted = 256
)

// Bounds that the OpenAPI documents publish as well: pkg/apiserver reads them from here.
const (
	// MaxBrokers is where ZooKeeper mode's generated broker ids begin (reserved.broker.max.id).
	MaxBrokers = 1000
	// MaxReplicas is the largest number of replicas of a partition that fits Kafka's requests.
	MaxReplicas = math.MaxInt16
	// MaxTopicName is Kafka's limit in characters (org.apache.kafka.common.internals.Topic.MAX_NAME_LENGTH): the name
	// is part of a folder's name on the brokers.
	MaxTopicName = 249
	// MaxRecords bounds the records of one request.
	MaxRecords = 10000
	// MaxCABundle bounds the certificates in an object; a public list of authorities has 200 KB.
	MaxCABundle = 256 << 10
	// MaxClusterID bounds the id of a cluster. Kafka makes ids of 22 characters, and brokers take any text that an administrator or
	// another make of server chose.
	MaxClusterID = 255
	// MaxUnmanagedConfigs bounds the settings of topics that are left alone.
	MaxUnmanagedConfigs = 64
	// AllRecords is the beforeOffset of a truncation that stands for the end of the partition.
	AllRecords = -1

	// TopicNamePattern are the characters of Kafka's topic names (org.apache.kafka.common.internals.Topic.LEGAL_CHARS).
	TopicNamePattern = `^[a-zA-Z0-9._-]+$`
	// TopicIDPattern is how Kafka writes the 16 bytes of a topic's id: in base64 for URLs, without padding.
	TopicIDPattern = `^[A-Za-z0-9_-]{22}$`
	// ClusterIDPattern is any text without spaces.
	ClusterIDPattern = `^[!-~]+$`
	// UnmanagedConfigPattern is the name of a setting, or how names begin before ".*".
	UnmanagedConfigPattern = `^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*(\.\*)?$`
	// JVMOptionPattern is one option of the java command: a start script passes it on unquoted.
	JVMOptionPattern = "^-[^ \\t\\r\\n'\"`$\\\\;&|<>]*$"
)

// QuorumSizes are the numbers of controllers, or of ZooKeeper's members.
var QuorumSizes = []int32{1, 3, 5}

var (
	topicName = regexp.MustCompile(TopicNamePattern)
	topicID   = regexp.MustCompile(TopicIDPattern)
	jvmOption = regexp.MustCompile(JVMOptionPattern)

	clusterID       = regexp.MustCompile(ClusterIDPattern)
	unmanagedConfig = regexp.MustCompile(UnmanagedConfigPattern)
)

// validateMeta judges the metadata of a new object.
func validateMeta(meta *metav1.ObjectMeta, name apivalidation.ValidateNameFunc, path *field.Path) field.ErrorList {
	return append(apivalidation.ValidateObjectMeta(meta, true, name, path), validateMetaSize(meta, path)...)
}

// validateMetaUpdate judges a change of metadata.
func validateMetaUpdate(meta, old *metav1.ObjectMeta, path *field.Path) field.ErrorList {
	errs := apivalidation.ValidateObjectMetaUpdate(meta, old, path)
	return append(errs, ratchet(validateMetaSize(meta, path), func() field.ErrorList { return validateMetaSize(old, path) })...)
}

// validateMetaSize bounds what Kubernetes leaves unbounded: it has a limit for annotations alone.
func validateMetaSize(meta *metav1.ObjectMeta, path *field.Path) field.ErrorList {
	errs := atMost(len(meta.Labels), maxLabels, path.Child("labels"))
	errs = append(errs, atMost(len(meta.Finalizers), maxFinalizers, path.Child("finalizers"))...)
	at := path.Child("ownerReferences")
	if many := atMost(len(meta.OwnerReferences), maxOwnerReferences, at); many != nil {
		return append(errs, many...)
	}
	for i, owner := range meta.OwnerReferences {
		for name, text := range map[string]string{"apiVersion": owner.APIVersion, "kind": owner.Kind, "name": owner.Name, "uid": string(owner.UID)} {
			errs = append(errs, noLonger(text, maxOwnerReference, at.Index(i).Child(name))...)
		}
	}
	return errs
}

// validateSettings bounds settings by name. What it finds makes it not worth to look at the settings themselves.
func validateSettings(settings map[string]string, path *field.Path) field.ErrorList {
	if many := atMost(len(settings), MaxSettings, path); many != nil {
		return many
	}
	var errs field.ErrorList
	total := 0
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		total += len(name) + len(settings[name])
		if long := noLonger(name, MaxSettingName, path.Key(name)); long != nil {
			errs = append(errs, long...)
			continue
		}
		errs = append(errs, noLonger(settings[name], MaxSettingValue, path.Key(name))...)
	}
	if len(errs) == 0 && total > MaxSettingsTotal {
		errs = append(errs, field.TooLong(path, nil, MaxSettingsTotal))
	}
	return errs
}

// brief cuts what a refusal repeats of the request.
func brief(errs field.ErrorList) field.ErrorList {
	for _, err := range errs {
		if value := reflect.ValueOf(err.BadValue); value.Kind() == reflect.String && value.Len() > maxQuoted {
			err.BadValue = shorten(value.String(), maxQuoted)
		}
		err.Field = shorten(err.Field, 2*maxQuoted)
	}
	return errs
}

// shorten cuts a text to some bytes, between two characters.
func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	const cut = "…"
	end := limit - len(cut)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + cut
}

func atMost(count, limit int, path *field.Path) field.ErrorList {
	if count <= limit {
		return nil
	}
	return field.ErrorList{field.TooMany(path, count, limit)}
}

func noLonger(text string, limit int, path *field.Path) field.ErrorList {
	if len(text) <= limit {
		return nil
	}
	return field.ErrorList{field.TooLong(path, nil, limit)}
}
