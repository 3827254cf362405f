package apiserver

import (
	"k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
)

// NewRecommendedConfig is the generic configuration with this server's types and their descriptions.
func NewRecommendedConfig() *genericapiserver.RecommendedConfig {
	config := genericapiserver.NewRecommendedConfig(Codecs)
	namer := openapi.NewDefinitionNamer(Scheme)
	config.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(definitions, namer)
	config.OpenAPIConfig.Info.Title = "kafka.openshift.io"
	config.OpenAPIConfig.Info.Version = "v1beta1"
	config.OpenAPIConfig.PostProcessSpec = addRefusals
	// Server-side apply and kubectl explain read the third version.
	config.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(definitions, namer)
	config.OpenAPIV3Config.Info.Title = "kafka.openshift.io"
	config.OpenAPIV3Config.Info.Version = "v1beta1"
	config.OpenAPIV3Config.PostProcessSpec = addRefusalsV3
	return config
}
