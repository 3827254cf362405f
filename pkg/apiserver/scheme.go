package apiserver

import (
	"slices"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	genericapiserver "k8s.io/apiserver/pkg/server"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/install"
)

var (
	// Scheme knows every type that is served.
	Scheme = newScheme()
	// Codecs encode and decode them.
	Codecs = serializer.NewCodecFactory(Scheme)
)

// negotiated offers what a serializer does except for protobuf, which our types do not generate. A server that offers it and
// then cannot encode a list leaves namespaces terminating for ever: the namespace controller prefers protobuf, and
// deletecollection answers with the list itself. Custom resources are served the same way.
type negotiated struct{ runtime.NegotiatedSerializer }

// SupportedMediaTypes implements runtime.NegotiatedSerializer.
func (n negotiated) SupportedMediaTypes() []runtime.SerializerInfo {
	infos := slices.DeleteFunc(slices.Clone(n.NegotiatedSerializer.SupportedMediaTypes()), func(info runtime.SerializerInfo) bool {
		return info.MediaType == runtime.ContentTypeProtobuf
	})
	for i := range infos {
		if infos[i].PrettySerializer != nil {
			infos[i].PrettySerializer = plainLists{infos[i].PrettySerializer, infos[i].Serializer}
		}
		if infos[i].MediaType == runtime.ContentTypeYAML {
			infos[i].Serializer = yamlLists{infos[i].Serializer}
		}
	}
	return infos
}

// newGroup is the group without its storages. Its serializers write a list object by object, which those of Codecs do not: they would hold
// all of it as one text, several times while that grows.
func newGroup() genericapiserver.APIGroupInfo {
	group := genericapiserver.NewDefaultAPIGroupInfo(kafka.GroupName, Scheme, runtime.NewParameterCodec(Scheme), Codecs)
	group.NegotiatedSerializer = negotiated{group.NegotiatedSerializer}
	return group
}

func newScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	install.Install(scheme)

	// The internal alias lets a Scale be patched: the patch handler converts to the internal version of the group,
	// and without one kubectl scale fails.
	utilruntime.Must(autoscalingv1.AddToScheme(scheme))
	scheme.AddKnownTypes(schema.GroupVersion{Group: autoscalingv1.GroupName, Version: runtime.APIVersionInternal}, &autoscalingv1.Scale{})

	// Options and statuses are served in the unversioned group.
	unversioned := schema.GroupVersion{Group: "", Version: "v1"}
	metav1.AddToGroupVersion(scheme, unversioned)
	scheme.AddUnversionedTypes(unversioned, &metav1.Status{}, &metav1.APIVersions{}, &metav1.APIGroupList{},
		&metav1.APIGroup{}, &metav1.APIResourceList{})
	return scheme
}
