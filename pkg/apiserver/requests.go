package apiserver

import (
	"net/http"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/endpoints/request"
	genericapiserver "k8s.io/apiserver/pkg/server"
	genericfilters "k8s.io/apiserver/pkg/server/filters"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/heap"
)

const (
	// maxRequestBody is above the generic limit of 3 MiB, because records of topics that take ten megabytes are written through here.
	maxRequestBody = 16 << 20
	// maxStoredBody is what etcd takes at most (--max-request-bytes): a larger object could not be stored.
	maxStoredBody = 3 << 19
	// maxBodies is the most memory that bodies may take, of all requests together, and leastBodies lets in the largest one whatever memory
	// the process has.
	maxBodies, leastBodies = 256 << 20, 48 << 20
)

// bodyLimit is what the body of a request may be. Elements are the members of objects and arrays: each of them can be a hundred times as
// large in memory as it was in the body, so that the length says little.
type bodyLimit struct{ bytes, elements int64 }

// limitOfBody is the limit for the body of a request.
func limitOfBody(info *request.RequestInfo) bodyLimit {
	switch {
	case info.Verb == "delete" || info.Verb == "deletecollection":
		return bodyLimit{64 << 10, 1_000}
	case info.APIGroup != kafka.GroupName:
	case info.Resource == "kafkatopics" && info.Subresource == "records":
		// Ten thousand records, each with a key, a value and a dozen headers.
		return bodyLimit{maxRequestBody, 400_000}
	case info.Resource == "kafkatopics" && info.Subresource == "partitions",
		info.Resource == "kafkaconsumergroups" && info.Subresource == "offsets":
		// The view of several thousand partitions, as it was read.
		return bodyLimit{4 << 20, 200_000}
	case info.Resource == "kafkatopics" && (info.Subresource == "elect" || info.Subresource == "truncate"):
		return bodyLimit{maxStoredBody, 50_000}
	}
	return bodyLimit{maxStoredBody, 10_000}
}

// limitRequests sets what is special about this server's requests: records may be large, other bodies may not, and a log has no end. It returns
// what judges the bodies.
func limitRequests(config *genericapiserver.Config) *bodies {
	config.MaxRequestBodyBytes = max(config.MaxRequestBodyBytes, maxRequestBody)
	config.LongRunningFunc = genericfilters.BasicLongRunningRequestCheck(sets.NewString("watch"), sets.NewString("log"))
	bodies, chain := newBodies(max(heap.Share(8, maxBodies), leastBodies)), config.BuildHandlerChainFunc
	// It is the innermost filter: only who may make the request, and has his turn, has a part of the budget.
	config.BuildHandlerChainFunc = func(handler http.Handler, config *genericapiserver.Config) http.Handler {
		return chain(bodies.limit(handler), config)
	}
	return bodies
}
