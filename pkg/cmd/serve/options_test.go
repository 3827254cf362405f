package serve

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"k8s.io/apiserver/pkg/admission/plugin/resourcequota"
	"k8s.io/apiserver/pkg/features"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	featuretesting "k8s.io/component-base/featuregate/testing"

	"kafka.openshift.io/kafka-apiserver/pkg/admission/ownerreferences"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver"
)

func parse(t *testing.T, args ...string) *Options {
	t.Helper()
	options := NewOptions()
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	options.AddFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return options
}

func TestDefaults(t *testing.T) {
	t.Setenv("POD_NAMESPACE", "")
	options := parse(t)
	if options.Namespace != "kafka-system" || options.ServiceName != "kafka-apiserver" || options.DataDir != "/var/lib/kafka-apiserver" {
		t.Errorf("defaults are %+v", options)
	}
	if port := options.Recommended.SecureServing.BindPort; port != 6443 {
		t.Errorf("the port is %d, which needs privileges or is another's", port)
	}
	if options.Recommended.Etcd.StorageConfig.Prefix != apiserver.EtcdPrefix {
		t.Errorf("the prefix is %s", options.Recommended.Etcd.StorageConfig.Prefix)
	}
	// kube-apiserver cannot send a proxied body twice: a write that meets a connection being closed is a 503
	// (https://github.com/kubernetes/kubernetes/issues/135285).
	if chance := options.ServerRun.GoawayChance; chance != 0 {
		t.Errorf("one in %.0f requests closes the connection of all others", 1/chance)
	}
	// A collection of thousands has to be deleted within one request.
	if workers := options.Recommended.Etcd.DeleteCollectionWorkers; workers < 2 {
		t.Errorf("%d objects of a collection are deleted at a time", workers)
	}
	// Quotas are enforced where objects are stored, and last, when nobody else refuses any more.
	order := options.Recommended.Admission.RecommendedPluginOrder
	if order[len(order)-1] != resourcequota.PluginName {
		t.Errorf("admission plugins are %v, want the quota last", order)
	}
	for _, plugin := range []string{"NamespaceLifecycle", "ValidatingAdmissionPolicy", "ValidatingAdmissionWebhook", "MutatingAdmissionPolicy", "MutatingAdmissionWebhook"} {
		if !slices.Contains(order, plugin) {
			t.Errorf("admission plugins are %v, without %s", order, plugin)
		}
	}
}

// As in kube-apiserver, who owns objects is not asked for unless the flag says so, as OpenShift's does.
func TestOwnerReferencesAreEnforcedWhenAskedFor(t *testing.T) {
	options := parse(t, "--enable-admission-plugins="+ownerreferences.PluginName)
	admission := options.Recommended.Admission
	if !admission.DefaultOffPlugins.Has(ownerreferences.PluginName) || !slices.Contains(admission.RecommendedPluginOrder, ownerreferences.PluginName) {
		t.Errorf("off are %v of %v", admission.DefaultOffPlugins, admission.RecommendedPluginOrder)
	}
	for _, err := range admission.Validate() {
		t.Error(err)
	}
}

func TestTheNamespaceIsThePods(t *testing.T) {
	t.Setenv("POD_NAMESPACE", "elsewhere")
	if got := parse(t).Namespace; got != "elsewhere" {
		t.Errorf("the namespace is %s", got)
	}
	if got := parse(t, "--namespace=there").Namespace; got != "there" {
		t.Errorf("the namespace is %s although the flag says there", got)
	}
}

func TestSnapshotsOfTheWatchCacheAreOffUnlessAskedFor(t *testing.T) {
	if utilfeature.DefaultFeatureGate.Enabled(features.ListFromCacheSnapshot) {
		t.Error("the watch cache keeps a snapshot of its index for each change")
	}
	featuretesting.SetFeatureGateDuringTest(t, utilfeature.DefaultFeatureGate, features.ListFromCacheSnapshot, false) // puts it back afterwards
	if err := parse(t, "--feature-gates=ListFromCacheSnapshot=true").Complete(); err != nil {
		t.Fatal(err)
	}
	if !utilfeature.DefaultFeatureGate.Enabled(features.ListFromCacheSnapshot) {
		t.Error("the flag does not switch them on")
	}
}

// Flags that would do nothing are not offered.
func TestFlagsWithoutEffectAreHidden(t *testing.T) {
	options, flags := NewOptions(), pflag.NewFlagSet("serve", pflag.ContinueOnError)
	options.AddFlags(flags)
	for _, name := range []string{"storage-media-type", "etcd-servers-overrides", "storage-backend"} {
		if flag := flags.Lookup(name); flag != nil && !flag.Hidden {
			t.Errorf("--%s is offered", name)
		}
	}
	for _, name := range []string{"etcd-servers", "data-dir", "namespace", "service-name", "tls-cert-file", "audit-policy-file",
		"enable-priority-and-fairness", "shutdown-delay-duration", "authorization-kubeconfig", "disable-admission-plugins"} {
		if flag := flags.Lookup(name); flag == nil || flag.Hidden {
			t.Errorf("--%s is not offered", name)
		}
	}
}

func TestWithoutEtcdServersItIsEmbedded(t *testing.T) {
	embedded := parse(t)
	if err := embedded.Complete(); err != nil {
		t.Fatal(err)
	}
	if !embedded.embedded {
		t.Error("without --etcd-servers nothing is embedded")
	}
}

func TestValidateReturnsAllErrors(t *testing.T) {
	options := parse(t, "--data-dir=", "--namespace=", "--service-name=", "--secure-port=70000", "--allow-external-addresses=10.0.0.0/8,host:9092", "--deny-external-addresses=node1",
		"--embedded-etcd-quota-bytes=-1")
	// Complete sets feature gates, once in a process.
	options.embedded = true
	options.Recommended.Etcd.StorageConfig.Transport.ServerList = []string{notStarted}
	err := options.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, flag := range []string{"--data-dir", "--namespace", "--service-name", "--secure-port", "--allow-external-addresses", "--deny-external-addresses", "--embedded-etcd-quota-bytes"} {
		if !strings.Contains(err.Error(), flag) {
			t.Errorf("the error does not name %s: %v", flag, err)
		}
	}
	own := parse(t, "--data-dir=", "--etcd-servers=http://127.0.0.1:2379")
	if err := own.Validate(); err != nil {
		t.Errorf("with an etcd of one's own: %v", err)
	}
}

func TestAKubeconfigThatIsMissingIsNamed(t *testing.T) {
	options := parse(t, "--kubeconfig=/no/such/file")
	if _, err := options.hostConfig(); err == nil || !strings.Contains(err.Error(), "/no/such/file") {
		t.Errorf("%v, want an error that names the file", err)
	}
}
