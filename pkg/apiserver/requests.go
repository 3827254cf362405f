package apiserver

import (
	"k8s.io/apimachinery/pkg/util/sets"
	genericapiserver "k8s.io/apiserver/pkg/server"
	genericfilters "k8s.io/apiserver/pkg/server/filters"
)

// maxRequestBody is above the generic limit of 3 MiB, because records of topics that take ten megabytes are written through here.
// etcd has a smaller limit of its own for what is stored.
const maxRequestBody = 16 << 20

// limitRequests sets what is special about this server's requests: records may be large, and a log has no end.
func limitRequests(config *genericapiserver.Config) {
	config.MaxRequestBodyBytes = max(config.MaxRequestBodyBytes, maxRequestBody)
	config.LongRunningFunc = genericfilters.BasicLongRunningRequestCheck(sets.NewString("watch"), sets.NewString("log"))
}
