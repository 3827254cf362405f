package validation

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaconfig"
	"kafka.openshift.io/kafka-apiserver/pkg/plural"
)

// TopicNameProblems says why Kafka would refuse a topic name, or why we do; empty when nobody does.
func TopicNameProblems(name string) []string {
	var problems []string
	switch {
	case name == "":
		return []string{"a topic name must not be empty"}
	case name == "." || name == "..":
		return []string{`a topic name must not be "." or ".."`}
	}
	if len(name) > MaxTopicName {
		problems = append(problems, "a topic name must have at most 249 characters")
	}
	if !topicName.MatchString(name) {
		problems = append(problems, "a topic name may only contain ASCII letters, digits, '.', '_' and '-'")
	}
	if strings.HasPrefix(name, "__") {
		problems = append(problems, `names that begin with "__" are Kafka's internal topics, which are not managed here`)
	}
	return problems
}

// TopicObjectName checks a KafkaTopic's name. It has the shape of apivalidation.ValidateNameFunc.
func TopicObjectName(name string, prefix bool) []string {
	if prefix {
		// generateName appends five characters, so what it ends in is no matter.
		name += "xxxxx"
	}
	return TopicNameProblems(name)
}

// ValidateKafkaTopic judges a new topic.
func ValidateKafkaTopic(topic *kafka.KafkaTopic) field.ErrorList {
	errs := validateMeta(&topic.ObjectMeta, TopicObjectName, field.NewPath("metadata"))
	spec := field.NewPath("spec")
	errs = append(errs, validateClusterRef(&topic.Spec.ClusterRef, spec.Child("clusterRef"))...)
	if len(errs) == 0 {
		// The name on the brokers is longer than the object's when the Kafka lives in another namespace.
		path := spec.Child("topicName")
		if topic.Spec.TopicName == "" {
			path = field.NewPath("metadata", "name")
		}
		for _, problem := range TopicNameProblems(topic.TopicName()) {
			errs = append(errs, field.Invalid(path, topic.TopicName(), problem))
		}
	}
	return brief(append(errs, validateTopicSpec(&topic.Spec, spec)...))
}

// ValidateKafkaTopicUpdate judges a change of a topic against what is stored. What is on the brokers is not its matter.
func ValidateKafkaTopicUpdate(topic, old *kafka.KafkaTopic) field.ErrorList {
	errs := validateMetaUpdate(&topic.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	spec := field.NewPath("spec")
	ref := spec.Child("clusterRef")
	errs = append(errs, apivalidation.ValidateImmutableField(topic.Spec.ClusterRef.Name, old.Spec.ClusterRef.Name, ref.Child("name"))...)
	errs = append(errs, apivalidation.ValidateImmutableField(topic.ClusterNamespace(), old.ClusterNamespace(), ref.Child("namespace"))...)
	if topic.TopicName() != old.TopicName() {
		errs = append(errs, field.Invalid(spec.Child("topicName"), topic.Spec.TopicName,
			"field is immutable: the topic is "+old.TopicName()+" on the brokers"))
	}
	if old.DeletionTimestamp != nil {
		for _, part := range []struct {
			field   string
			was, is any
		}{
			{"partitions", old.Spec.Partitions, topic.Spec.Partitions}, {"replicas", old.Spec.Replicas, topic.Spec.Replicas},
			{"config", old.Spec.Config, topic.Spec.Config}, {"adoptTopicID", old.Spec.AdoptTopicID, topic.Spec.AdoptTopicID},
		} {
			if !equality.Semantic.DeepEqual(part.was, part.is) {
				errs = append(errs, GoingAway(spec.Child(part.field)))
			}
		}
	}
	return brief(append(errs, ratchet(validateTopicSpec(&topic.Spec, spec), func() field.ErrorList { return validateTopicSpec(&old.Spec, spec) })...))
}

// GoingAway is the problem of a field that the brokers hear of, of a topic whose object was deleted and waits for its finalizers only.
func GoingAway(path *field.Path) *field.Error {
	return field.Forbidden(path, "the object is deleted as soon as its finalizers are gone; until then only deletionPolicy, driftPolicy and metadata can change")
}

// ValidateKafkaTopicStatusUpdate judges a change of a topic's status.
func ValidateKafkaTopicStatusUpdate(topic, old *kafka.KafkaTopic) field.ErrorList {
	return append(ValidateMetaUpdate(&topic.ObjectMeta, &old.ObjectMeta),
		validateConditions(topic.Status.Conditions, old.Status.Conditions, field.NewPath("status", "conditions"))...)
}

// validateClusterRef judges a reference to a Kafka by the rules for the Kafka's own name and namespace: another one is never found.
func validateClusterRef(ref *kafka.ClusterReference, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if ref.Name == "" {
		errs = append(errs, field.Required(path.Child("name"), "name the Kafka that hosts the topic"))
	} else {
		for _, problem := range KafkaName(ref.Name, false) {
			errs = append(errs, field.Invalid(path.Child("name"), ref.Name, problem))
		}
	}
	if ref.Namespace != "" {
		for _, problem := range apivalidation.ValidateNamespaceName(ref.Namespace, false) {
			errs = append(errs, field.Invalid(path.Child("namespace"), ref.Namespace, problem))
		}
	}
	return errs
}

func validateTopicSpec(spec *kafka.KafkaTopicSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if p := spec.Partitions; p != nil && *p < 1 {
		errs = append(errs, field.Invalid(path.Child("partitions"), *p, "a topic has at least 1 partition"))
	}
	if r := spec.Replicas; r != nil && (*r < 1 || *r > MaxReplicas) {
		errs = append(errs, field.Invalid(path.Child("replicas"), *r, fmt.Sprintf("must be from 1 to %d, and not more than there are brokers", MaxReplicas)))
	}
	errs = append(errs, validateTopicConfig(spec.Config, path.Child("config"))...)
	if p := spec.DriftPolicy; p != kafka.DriftRevert && p != kafka.DriftReport {
		errs = append(errs, field.NotSupported(path.Child("driftPolicy"), p, []kafka.TopicDriftPolicy{kafka.DriftReport, kafka.DriftRevert}))
	}
	if id := spec.AdoptTopicID; id != "" && !topicID.MatchString(id) {
		errs = append(errs, field.Invalid(path.Child("adoptTopicID"), id, "a topic id is written by Kafka with 22 characters of A-Z, a-z, 0-9, '-' and '_', as in status.replacementID"))
	}
	if p := spec.DeletionPolicy; p != "" && p != kafka.TopicDelete && p != kafka.TopicRetain {
		errs = append(errs, field.NotSupported(path.Child("deletionPolicy"), p,
			[]kafka.TopicDeletionPolicy{kafka.TopicDelete, kafka.TopicRetain}))
	}
	return errs
}

func validateTopicConfig(config map[string]string, path *field.Path) field.ErrorList {
	errs := validateSettings(config, path)
	if errs != nil {
		return errs
	}
	for _, key := range slices.Sorted(maps.Keys(config)) {
		switch {
		case key == "":
			errs = append(errs, field.Invalid(path, key, "a setting needs a name"))
		case kafkaconfig.IsReassignmentThrottle(key):
			errs = append(errs, field.Forbidden(path.Key(key),
				"reassignments set and remove it on the brokers while they run, so it is not set here"))
		}
	}
	return errs
}

// ValidatePartitions judges an assignment that a user puts on a topic: partitions from 0 without gaps, none
// removed, and replica lists without repetitions. Which brokers exist is the brokers' matter.
func ValidatePartitions(next, old *kafka.KafkaTopicPartitions) field.ErrorList {
	var errs field.ErrorList
	path := field.NewPath("spec", "partitions")
	entries, had := next.Spec.Partitions, len(old.Spec.Partitions)
	if len(entries) < had {
		errs = append(errs, field.Invalid(path, len(entries),
			fmt.Sprintf("the topic has %s, and partitions only grow: list all of them", plural.Of(had, "partition", "partitions"))))
	}
	seen := map[int32]bool{}
	for i, entry := range entries {
		if enough(errs) {
			break
		}
		at := path.Index(i)
		switch {
		case entry.Partition < 0 || int(entry.Partition) >= len(entries):
			errs = append(errs, field.Invalid(at.Child("partition"), entry.Partition,
				fmt.Sprintf("partitions are numbered from 0 without gaps, so %s 0%s", plural.Of(len(entries), "entry is", "entries are"),
					plural.Word(len(entries), "", fmt.Sprintf(" to %d", len(entries)-1)))))
		case seen[entry.Partition]:
			errs = append(errs, field.Duplicate(at.Child("partition"), entry.Partition))
		}
		seen[entry.Partition] = true
		if len(entry.Replicas) == 0 {
			errs = append(errs, field.Required(at.Child("replicas"), "name at least one broker"))
		}
		if n := len(entry.Replicas); n > math.MaxInt16 {
			errs = append(errs, field.TooMany(at.Child("replicas"), n, math.MaxInt16))
			continue
		}
		brokers := map[int32]bool{}
		for j, id := range entry.Replicas {
			if enough(errs) {
				break
			}
			switch {
			case id < 0:
				errs = append(errs, field.Invalid(at.Child("replicas").Index(j), id, "broker ids are not negative"))
			case brokers[id]:
				errs = append(errs, field.Duplicate(at.Child("replicas").Index(j), id))
			}
			brokers[id] = true
		}
	}
	return errs
}

// ValidateMetaUpdate judges a change that leaves the spec alone.
func ValidateMetaUpdate(next, old *metav1.ObjectMeta) field.ErrorList {
	return validateMetaUpdate(next, old, field.NewPath("metadata"))
}
