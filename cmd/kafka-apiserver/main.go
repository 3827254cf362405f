// Command kafka-apiserver serves Apache Kafka as a Kubernetes API.
package main

import (
	"os"

	"github.com/spf13/cobra"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/component-base/cli"

	"kafka.openshift.io/kafka-apiserver/pkg/cmd/controllers"
	"kafka.openshift.io/kafka-apiserver/pkg/cmd/serve"
	"kafka.openshift.io/kafka-apiserver/pkg/cmd/standalone"
)

func main() {
	root := &cobra.Command{
		Use:   "kafka-apiserver",
		Short: "Apache Kafka as a Kubernetes API",
	}
	root.AddCommand(serve.NewCommand(), controllers.NewCommand(), standalone.NewCommand())
	root.SetContext(genericapiserver.SetupSignalContext())
	os.Exit(cli.Run(root))
}
