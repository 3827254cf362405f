package fake

import (
	"bytes"
	"io"
	"net/http"

	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	fakerest "k8s.io/client-go/rest/fake"
	"k8s.io/client-go/testing"

	kafkav1beta1 "kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

// GetLog records the action and returns a request whose answer is an empty log.
func (c *fakeKafkaTopics) GetLog(name string, opts *kafkav1beta1.KafkaTopicLogOptions) *rest.Request {
	action := testing.GenericActionImpl{}
	action.Verb, action.Namespace, action.Resource, action.Subresource, action.Value = "get", c.Namespace(), c.Resource(), "log", opts
	_, _ = c.Fake.Invokes(action, &kafkav1beta1.KafkaTopic{})
	client := &fakerest.RESTClient{
		Client: fakerest.CreateHTTPClient(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(nil))}, nil
		}),
		NegotiatedSerializer: scheme.Codecs.WithoutConversion(),
		GroupVersion:         kafkav1beta1.SchemeGroupVersion,
		VersionedAPIPath:     "/namespaces/" + c.Namespace() + "/kafkatopics/" + name + "/log",
	}
	return client.Request()
}
