package apiserver

import (
	"maps"
	"net/http"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/kube-openapi/pkg/spec3"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

var (
	// refusals are what requests for the kinds of this server are refused with. The body is a Status.
	refusals = map[int]string{
		http.StatusBadRequest:         "Bad Request: the request cannot be read, or has an option or a selector that does not exist.",
		http.StatusUnauthorized:       "Unauthorized: it is not known who asks.",
		http.StatusForbidden:          "Forbidden: the user, admission or a policy of the brokers does not allow it.",
		http.StatusNotFound:           "Not Found: there is no such object, or its topic or group is not on the brokers.",
		http.StatusTooManyRequests:    "Too Many Requests: try again after the time in Retry-After.",
		http.StatusServiceUnavailable: "Service Unavailable: the brokers or the storage cannot be asked; nothing was changed.",
		http.StatusGatewayTimeout:     "Timeout: the brokers did not answer in time; a change may have been made.",
	}
	// readRefusals are further ones of requests that read, writeRefusals of those that write.
	readRefusals = map[int]string{
		http.StatusGone: "Gone: the resourceVersion or the continue token is too old; begin anew.",
	}
	writeRefusals = map[int]string{
		http.StatusConflict:              "Conflict: somebody else changed what the request is about; read it again and repeat the request.",
		http.StatusRequestEntityTooLarge: "Request Entity Too Large: the body, or a record in it, is larger than what is accepted.",
		http.StatusUnsupportedMediaType:  "Unsupported Media Type: the body is neither JSON nor YAML, or no kind of patch.",
		http.StatusUnprocessableEntity:   "Invalid: a field has a value that is not accepted, or belongs to another object; details.causes says which.",
		http.StatusInsufficientStorage:   "Insufficient Storage: the storage of this API is full; reads, watches and deletions go on.",
	}
)

// refusalsOf are the refusals of a method at a path, none outside of this server's group.
func refusalsOf(path, method string) map[int]string {
	if !strings.HasPrefix(path, "/apis/"+v1beta1.GroupName+"/"+v1beta1.SchemeGroupVersion.Version+"/") {
		return nil
	}
	all := maps.Clone(refusals)
	further := writeRefusals
	if method == http.MethodGet {
		further = readRefusals
	}
	maps.Copy(all, further)
	return all
}

// statusModel is the name of the model that refusals have as their body.
var statusModel = metav1.Status{}.OpenAPIModelName()

// addRefusals adds what operations are refused with to the document in the second version of OpenAPI.
func addRefusals(document *spec.Swagger) (*spec.Swagger, error) {
	body := &spec.Schema{SchemaProps: spec.SchemaProps{Ref: spec.MustCreateRef("#/definitions/" + statusModel)}}
	for path, item := range document.Paths.Paths {
		for method, operation := range map[string]*spec.Operation{
			http.MethodGet: item.Get, http.MethodPut: item.Put, http.MethodPost: item.Post, http.MethodDelete: item.Delete, http.MethodPatch: item.Patch,
		} {
			if operation == nil {
				continue
			}
			for code, description := range refusalsOf(path, method) {
				operation.Responses.StatusCodeResponses[code] = spec.Response{ResponseProps: spec.ResponseProps{Description: description, Schema: body}}
			}
		}
	}
	return document, nil
}

// addRefusalsV3 is addRefusals for the third version.
func addRefusalsV3(document *spec3.OpenAPI) (*spec3.OpenAPI, error) {
	body := &spec3.MediaType{MediaTypeProps: spec3.MediaTypeProps{
		Schema: &spec.Schema{SchemaProps: spec.SchemaProps{Ref: spec.MustCreateRef("#/components/schemas/" + statusModel)}}}}
	for path, item := range document.Paths.Paths {
		for method, operation := range map[string]*spec3.Operation{
			http.MethodGet: item.Get, http.MethodPut: item.Put, http.MethodPost: item.Post, http.MethodDelete: item.Delete, http.MethodPatch: item.Patch,
		} {
			if operation == nil {
				continue
			}
			for code, description := range refusalsOf(path, method) {
				operation.Responses.StatusCodeResponses[code] = &spec3.Response{ResponseProps: spec3.ResponseProps{
					Description: description, Content: map[string]*spec3.MediaType{runtime.ContentTypeJSON: body}}}
			}
		}
	}
	return document, nil
}
