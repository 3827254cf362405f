package render

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaversion"
)

var update = flag.Bool("update", false, "write the golden files")

// example reads a Kafka of artifacts/examples with defaults applied, and facts as they are for a new cluster.
func example(t *testing.T, name string) (*v1beta1.Kafka, Facts) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("../../artifacts/examples", name))
	if err != nil {
		t.Fatal(err)
	}
	kafka := &v1beta1.Kafka{}
	if err := yaml.UnmarshalStrict(content, kafka); err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	if err := v1beta1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	scheme.Default(kafka)
	version, ok := kafkaversion.Lookup(kafka.Spec.Version)
	if !ok {
		t.Fatalf("unknown version %q", kafka.Spec.Version)
	}
	facts := Facts{
		AnchorUID:      "11111111-2222-3333-4444-555555555555",
		InitialBrokers: *kafka.Spec.Brokers.Replicas,
		Brokers:        *kafka.Spec.Brokers.Replicas,
		Image:          version.Image,
		RunAsUser:      ptr.To[int64](1000),
	}
	if kafka.Spec.ZooKeeper == nil {
		facts.ClusterID = "MkU3OEVBNTcwNTJENDM2Qg"
		for i, id := range QuorumIDs(&kafka.Spec) {
			facts.Quorum = append(facts.Quorum, v1beta1.QuorumVoter{ID: id, DirectoryID: "AAAAAAAAQACAAAAAAAAAA" + string("AQgw"[i])})
		}
	}
	return kafka, facts
}

func (o Objects) all() []any {
	var all []any
	for _, x := range o.Services {
		all = append(all, x)
	}
	for _, x := range o.ConfigMaps {
		all = append(all, x)
	}
	for _, x := range o.PodDisruptionBudgets {
		all = append(all, x)
	}
	for _, x := range o.StatefulSets {
		all = append(all, x)
	}
	return all
}

func TestExamplesRenderAsRecorded(t *testing.T) {
	for _, name := range []string{"kafka-kraft", "kafka-kraft-dedicated", "kafka-zookeeper", "kafka-ephemeral"} {
		t.Run(name, func(t *testing.T) {
			kafka, facts := example(t, name+".yaml")
			objects, err := Cluster(kafka, facts)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			for _, object := range objects.all() {
				doc, err := yaml.Marshal(object)
				if err != nil {
					t.Fatal(err)
				}
				got.WriteString("---\n")
				got.Write(doc)
			}
			golden := filepath.Join("testdata", name+".golden.yaml")
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("rendering changed: run go test ./pkg/render -update and read the difference of %s", golden)
			}
		})
	}
}

// An owner of our kinds would let the garbage collector delete data when our storage is lost.
func TestTheAnchorIsTheOnlyOwner(t *testing.T) {
	for _, name := range []string{"kafka-kraft.yaml", "kafka-kraft-dedicated.yaml", "kafka-zookeeper.yaml", "kafka-ephemeral.yaml"} {
		kafka, facts := example(t, name)
		objects, err := Cluster(kafka, facts)
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range objects.all() {
			raw, err := json.Marshal(object)
			if err != nil {
				t.Fatal(err)
			}
			var meta struct {
				Kind     string
				Metadata struct {
					Name            string
					OwnerReferences []struct{ APIVersion, Kind, Name, UID string }
				}
			}
			if err := json.Unmarshal(raw, &meta); err != nil {
				t.Fatal(err)
			}
			owners := meta.Metadata.OwnerReferences
			if len(owners) != 1 || owners[0].APIVersion != "v1" || owners[0].Kind != "ConfigMap" || owners[0].Name != AnchorName(kafka.Name) {
				t.Errorf("%s %s is owned by %v, want the anchor alone", meta.Kind, meta.Metadata.Name, owners)
			}
			if strings.Count(string(raw), "ownerReferences") != 1 {
				t.Errorf("%s %s: something inside it has an owner", meta.Kind, meta.Metadata.Name)
			}
		}
	}
	anchor, err := json.Marshal(Anchor("ns", "my-cluster", map[string]string{"kafkaUID": "x"}))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(anchor), "ownerReferences") {
		t.Error("the anchor is owned")
	}
}

func TestScalingChangesNothingInRunningPods(t *testing.T) {
	kafka, facts := example(t, "kafka-kraft.yaml")
	before, err := Cluster(kafka, facts)
	if err != nil {
		t.Fatal(err)
	}
	kafka.Spec.Brokers.Replicas, facts.Brokers = ptr.To[int32](7), 7
	after, err := Cluster(kafka, facts)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := asJSON(t, before.ConfigMaps), asJSON(t, after.ConfigMaps); a != b {
		t.Errorf("ConfigMaps changed:\n%s\n%s", a, b)
	}
	if a, b := asJSON(t, before.StatefulSets[0].Spec.Template), asJSON(t, after.StatefulSets[0].Spec.Template); a != b {
		t.Errorf("the pod template changed:\n%s\n%s", a, b)
	}
	if got := *after.StatefulSets[0].Spec.Replicas; got != 7 {
		t.Errorf("replicas = %d, want 7", got)
	}
}

func TestConfigHash(t *testing.T) {
	hash := func(change func(*v1beta1.Kafka, *Facts)) string {
		kafka, facts := example(t, "kafka-kraft.yaml")
		change(kafka, &facts)
		objects, err := Cluster(kafka, facts)
		if err != nil {
			t.Fatal(err)
		}
		return objects.StatefulSets[0].Spec.Template.Annotations[AnnotationConfigHash]
	}
	base := hash(func(*v1beta1.Kafka, *Facts) {})
	if got := hash(func(_ *v1beta1.Kafka, f *Facts) { f.Formed = []int32{0, 1, 2} }); got != base {
		t.Error("a voter that formed makes the others restart")
	}
	if got := hash(func(k *v1beta1.Kafka, _ *Facts) {
		k.Spec.Brokers.Config = map[string]string{"log.retention.hours": "1"}
	}); got == base {
		t.Error("a changed setting is not visible in the pod template")
	}
	if got := hash(func(k *v1beta1.Kafka, _ *Facts) { k.Spec.Brokers.JVM.Options = nil }); got == base {
		t.Error("changed JVM options are not visible in the pod template")
	}
}

// Only where there is nothing to lose may a voter with an empty volume vote again.
func TestFormedVotersAreToldApart(t *testing.T) {
	for _, tc := range []struct {
		brokers, controllers v1beta1.StorageType
		want                 bool
	}{
		{v1beta1.PersistentClaim, v1beta1.PersistentClaim, true},
		{v1beta1.PersistentClaim, v1beta1.Ephemeral, true},
		{v1beta1.Ephemeral, v1beta1.PersistentClaim, true},
		{v1beta1.Ephemeral, v1beta1.Ephemeral, false},
	} {
		kafka, facts := example(t, "kafka-kraft-dedicated.yaml")
		kafka.Spec.Brokers.Storage.Type, kafka.Spec.Controllers.Storage.Type = tc.brokers, tc.controllers
		facts.Formed = []int32{3000, 3001, 3002}
		objects, err := Cluster(kafka, facts)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Contains(objects.ConfigMaps[1].Data[environmentFile], "FORMED='3000,3001,3002'")
		if got != tc.want {
			t.Errorf("brokers %s, controllers %s: told %v, want %v", tc.brokers, tc.controllers, got, tc.want)
		}
	}
}

func TestClusterRefusesIncompleteFacts(t *testing.T) {
	for name, spoil := range map[string]func(*v1beta1.Kafka, *Facts){
		"no anchor":            func(_ *v1beta1.Kafka, f *Facts) { f.AnchorUID = "" },
		"no cluster id":        func(_ *v1beta1.Kafka, f *Facts) { f.ClusterID = "" },
		"hostile cluster id":   func(_ *v1beta1.Kafka, f *Facts) { f.ClusterID = "'; rm -rf /; '" },
		"no quorum":            func(_ *v1beta1.Kafka, f *Facts) { f.Quorum = nil },
		"no image":             func(_ *v1beta1.Kafka, f *Facts) { f.Image = "" },
		"no brokers":           func(_ *v1beta1.Kafka, f *Facts) { f.Brokers = 0 },
		"run by somebody else": func(k *v1beta1.Kafka, _ *Facts) { k.Spec.External = &v1beta1.ExternalSpec{} },
	} {
		kafka, facts := example(t, "kafka-kraft.yaml")
		spoil(kafka, &facts)
		if _, err := Cluster(kafka, facts); err == nil {
			t.Errorf("%s: rendered", name)
		}
	}
}

func TestPlatformsThatChooseTheUserGetNone(t *testing.T) {
	kafka, facts := example(t, "kafka-kraft.yaml")
	facts.RunAsUser = nil
	objects, err := Cluster(kafka, facts)
	if err != nil {
		t.Fatal(err)
	}
	security := asJSON(t, objects.StatefulSets[0].Spec.Template.Spec.SecurityContext)
	for _, field := range []string{"runAsUser", "runAsGroup", `fsGroup"`} {
		if strings.Contains(security, field) {
			t.Errorf("%s is set: %s", field, security)
		}
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
