package apiserver

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	kafkavalidation "kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/validation"
	generated "kafka.openshift.io/kafka-apiserver/pkg/generated/openapi"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaconfig"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaversion"
)

// bound is what a field accepts, as far as OpenAPI can say it.
type bound func(*spec.Schema)

func atLeast(n int64) bound { return func(s *spec.Schema) { s.Minimum = ptr.To(float64(n)) } }

func atMost(n int64) bound { return func(s *spec.Schema) { s.Maximum = ptr.To(float64(n)) } }

func minLength(n int64) bound { return func(s *spec.Schema) { s.MinLength = &n } }

func maxLength(n int) bound { return func(s *spec.Schema) { s.MaxLength = ptr.To(int64(n)) } }

func minItems(n int64) bound { return func(s *spec.Schema) { s.MinItems = &n } }

func maxItems(n int64) bound { return func(s *spec.Schema) { s.MaxItems = &n } }

func maxProperties(n int64) bound { return func(s *spec.Schema) { s.MaxProperties = &n } }

func pattern(p string) bound { return func(s *spec.Schema) { s.Pattern = p } }

// orEmpty is a pattern of a field that is left out by an empty text.
func orEmpty(p string) bound { return pattern("^$|" + p) }

func oneOf[T any](values []T) bound {
	return func(s *spec.Schema) {
		s.Enum = nil
		for _, value := range values {
			s.Enum = append(s.Enum, value)
		}
	}
}

// each bounds the elements of a list.
func each(bounds ...bound) bound {
	return func(s *spec.Schema) {
		element := *s.Items.Schema
		for _, b := range bounds {
			b(&element)
		}
		s.Items = &spec.SchemaOrArray{Schema: &element}
	}
}

// eachValue bounds the values of a map.
func eachValue(bounds ...bound) bound {
	return func(s *spec.Schema) {
		value := *s.AdditionalProperties.Schema
		for _, b := range bounds {
			b(&value)
		}
		s.AdditionalProperties = &spec.SchemaOrBool{Allows: true, Schema: &value}
	}
}

// What several fields have in common: secretName is the name of a Secret, and secretKey that of one of its entries.
var (
	secretName = []bound{minLength(1), maxLength(validation.DNS1123SubdomainMaxLength)}
	secretKey  = []bound{maxLength(validation.DNS1123SubdomainMaxLength)}
	partition  = []bound{atLeast(0)}
	settings   = []bound{maxProperties(kafkavalidation.MaxSettings), eachValue(maxLength(kafkavalidation.MaxSettingValue))}
	resources  = []bound{maxProperties(kafkavalidation.MaxResources)}
)

// fieldBounds are what validation accepts, by model and field; choices of words are in the generated definitions. The numbers are
// validation's own, and a test asks validation at and beyond each of them.
var fieldBounds = map[string]map[string][]bound{
	v1beta1.KafkaSpec{}.OpenAPIModelName():            {"version": {oneOf(kafkaversion.Known())}},
	v1beta1.BrokersSpec{}.OpenAPIModelName():          {"replicas": {atLeast(1), atMost(kafkavalidation.MaxBrokers)}, "config": settings},
	v1beta1.ControllersSpec{}.OpenAPIModelName():      {"replicas": {oneOf(kafkavalidation.QuorumSizes)}},
	v1beta1.ZooKeeperSpec{}.OpenAPIModelName():        {"replicas": {oneOf(kafkavalidation.QuorumSizes)}},
	v1beta1.StorageSpec{}.OpenAPIModelName():          {"class": {maxLength(validation.DNS1123SubdomainMaxLength)}},
	v1beta1.ResourceRequirements{}.OpenAPIModelName(): {"limits": resources, "requests": resources},
	v1beta1.JVMSpec{}.OpenAPIModelName(): {"options": {maxItems(kafkavalidation.MaxJVMOptions),
		each(pattern(kafkavalidation.JVMOptionPattern), maxLength(kafkavalidation.MaxJVMOption))}},

	v1beta1.ExternalSpec{}.OpenAPIModelName(): {"bootstrapServers": {minItems(1), maxItems(kafkavalidation.MaxBootstrapServers),
		each(maxLength(kafkavalidation.MaxAddress))},
		"clusterID": {orEmpty(kafkavalidation.ClusterIDPattern), maxLength(kafkavalidation.MaxClusterID)},
		"unmanagedTopicConfigs": {maxItems(kafkavalidation.MaxUnmanagedConfigs),
			each(pattern(kafkavalidation.UnmanagedConfigPattern), maxLength(kafkavalidation.MaxSettingName))}},
	v1beta1.ExternalTLS{}.OpenAPIModelName(): {
		"caBundle":   {maxLength(kafkavalidation.MaxCABundle)},
		"serverName": {maxLength(validation.DNS1123SubdomainMaxLength)},
	},
	v1beta1.ExternalAuthentication{}.OpenAPIModelName(): {"username": {maxLength(kafkavalidation.MaxUsername)}},
	v1beta1.SecretReference{}.OpenAPIModelName():        {"name": secretName},
	v1beta1.SecretKeyReference{}.OpenAPIModelName():     {"name": secretName, "key": secretKey},
	v1beta1.UserSecretReference{}.OpenAPIModelName():    {"name": secretName, "usernameKey": secretKey, "passwordKey": secretKey},

	v1beta1.KafkaTopicSpec{}.OpenAPIModelName(): {
		"topicName":    {orEmpty(kafkavalidation.TopicNamePattern), maxLength(kafkavalidation.MaxTopicName)},
		"partitions":   {atLeast(1)},
		"replicas":     {atLeast(1), atMost(kafkavalidation.MaxReplicas)},
		"adoptTopicID": {orEmpty(kafkavalidation.TopicIDPattern)},
		"config":       settings,
	},
	v1beta1.ClusterReference{}.OpenAPIModelName():         {"name": {minLength(1), maxLength(kafkaconfig.MaxClusterName)}, "namespace": {maxLength(validation.DNS1123LabelMaxLength)}},
	v1beta1.KafkaTopicPartitionsSpec{}.OpenAPIModelName(): {"partitions": {minItems(1)}},
	v1beta1.PartitionAssignment{}.OpenAPIModelName():      {"partition": partition, "replicas": {minItems(1), each(atLeast(0))}},
	v1beta1.KafkaTopicElectionSpec{}.OpenAPIModelName():   {"partitions": {each(partition...)}},
	v1beta1.TruncationTarget{}.OpenAPIModelName():         {"partition": partition, "beforeOffset": {atLeast(kafkavalidation.AllRecords)}},
	v1beta1.KafkaTopicRecordsSpec{}.OpenAPIModelName():    {"records": {minItems(1), maxItems(kafkavalidation.MaxRecords)}},
	v1beta1.TopicRecord{}.OpenAPIModelName():              {"partition": partition},
	v1beta1.TopicRecordHeader{}.OpenAPIModelName():        {"name": {minLength(1)}},

	v1beta1.KafkaConsumerGroupOffsetsSpec{}.OpenAPIModelName(): {"reset": {minItems(1)}},
	v1beta1.OffsetReset{}.OpenAPIModelName():                   {"partitions": {each(partition...)}, "offset": {atLeast(0)}},
}

// fieldDefaults are what defaulting fills into an empty object, by model. What it fills in for some objects only is in the
// fields' descriptions.
var fieldDefaults = map[string]map[string]any{
	v1beta1.BrokersSpec{}.OpenAPIModelName():            defaultsOf(v1beta1.SetDefaults_BrokersSpec),
	v1beta1.ControllersSpec{}.OpenAPIModelName():        defaultsOf(v1beta1.SetDefaults_ControllersSpec),
	v1beta1.ZooKeeperSpec{}.OpenAPIModelName():          defaultsOf(v1beta1.SetDefaults_ZooKeeperSpec),
	v1beta1.StorageSpec{}.OpenAPIModelName():            defaultsOf(v1beta1.SetDefaults_StorageSpec),
	v1beta1.SecretKeyReference{}.OpenAPIModelName():     defaultsOf(v1beta1.SetDefaults_SecretKeyReference),
	v1beta1.UserSecretReference{}.OpenAPIModelName():    defaultsOf(v1beta1.SetDefaults_UserSecretReference),
	v1beta1.KafkaTopicSpec{}.OpenAPIModelName():         defaultsOf(v1beta1.SetDefaults_KafkaTopicSpec),
	v1beta1.KafkaTopicElectionSpec{}.OpenAPIModelName(): defaultsOf(v1beta1.SetDefaults_KafkaTopicElectionSpec),
}

// defaultsOf are the fields that a defaulting function sets in an empty object.
func defaultsOf[T any](set func(*T)) map[string]any {
	var empty, filled T
	set(&filled)
	before, after := fieldsOf(empty), fieldsOf(filled)
	maps.DeleteFunc(after, func(name string, value any) bool { return reflect.DeepEqual(before[name], value) })
	return after
}

func fieldsOf(object any) map[string]any {
	var fields map[string]any
	raw, err := json.Marshal(object)
	if err == nil {
		err = json.Unmarshal(raw, &fields)
	}
	if err != nil {
		panic(fmt.Sprintf("%T is no object in JSON: %v", object, err))
	}
	return fields
}

// definitions are the generated definitions with the bounds and defaults of their fields.
func definitions(ref common.ReferenceCallback) map[string]common.OpenAPIDefinition {
	all := generated.GetOpenAPIDefinitions(ref)
	change := func(model, field string, changes ...bound) {
		// The generated definitions are made anew by each call, so they can be changed in place.
		schema := all[model].Schema.Properties[field]
		for _, change := range changes {
			change(&schema)
		}
		all[model].Schema.Properties[field] = schema
	}
	for model, fields := range fieldBounds {
		for field, bounds := range fields {
			change(model, field, bounds...)
		}
	}
	for model, fields := range fieldDefaults {
		for field, value := range fields {
			change(model, field, func(s *spec.Schema) { s.Default = value })
		}
	}
	return all
}
