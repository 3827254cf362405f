package provisioner

import (
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

func claim(request, capacity string) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "data"},
		Spec: corev1.PersistentVolumeClaimSpec{VolumeName: "pv", Resources: corev1.VolumeResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(request)}}},
		Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound, Capacity: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(capacity)}},
	}
}

func ourVolume(capacity string) *corev1.PersistentVolume {
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: "pv", Annotations: map[string]string{provisionedBy: Name}},
		Spec:       corev1.PersistentVolumeSpec{Capacity: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(capacity)}},
	}
}

func TestOnlyOurVolumesGrowAndNeverShrink(t *testing.T) {
	foreign := ourVolume("1Gi")
	foreign.Annotations = nil
	for name, c := range map[string]struct {
		claim                 *corev1.PersistentVolumeClaim
		volume                *corev1.PersistentVolume
		wantVolume, wantClaim bool
	}{
		"the claim asks for more":          {claim("2Gi", "1Gi"), ourVolume("1Gi"), true, true},
		"the volume grew, the status not":  {claim("2Gi", "1Gi"), ourVolume("2Gi"), false, true},
		"nothing to do":                    {claim("2Gi", "2Gi"), ourVolume("2Gi"), false, false},
		"the volume is larger than needed": {claim("1Gi", "2Gi"), ourVolume("2Gi"), false, false},
		"somebody else's volume":           {claim("2Gi", "1Gi"), foreign, false, false},
	} {
		gotVolume, gotClaim := toGrow(c.claim, c.volume)
		if gotVolume != c.wantVolume || gotClaim != c.wantClaim {
			t.Errorf("%s: grows volume %v and claim %v, want %v and %v", name, gotVolume, gotClaim, c.wantVolume, c.wantClaim)
		}
	}
}

func TestGrowerIsQuietWhenNothingGrows(t *testing.T) {
	for name, c := range map[string]struct {
		claim  *corev1.PersistentVolumeClaim
		writes int
	}{"grown": {claim("2Gi", "2Gi"), 0}, "to grow": {claim("3Gi", "2Gi"), 2}} {
		client := fake.NewClientset(c.claim, ourVolume("2Gi"))
		g := newGrower(client)
		if err := g.factory.Core().V1().PersistentVolumeClaims().Informer().GetStore().Add(c.claim); err != nil {
			t.Fatal(err)
		}
		if err := g.factory.Core().V1().PersistentVolumes().Informer().GetStore().Add(ourVolume("2Gi")); err != nil {
			t.Fatal(err)
		}
		if err := g.sync(t.Context(), types.NamespacedName{Namespace: "ns", Name: "data"}); err != nil {
			t.Fatal(err)
		}
		writes := 0
		for _, action := range client.Actions() {
			if action.GetVerb() == "patch" {
				writes++
			}
		}
		if writes != c.writes {
			t.Errorf("%s: %d writes, want %d", name, writes, c.writes)
		}
	}
}

func TestDeleteStaysInItsFolder(t *testing.T) {
	dir := t.TempDir()
	f := folders{dir: filepath.Join(dir, "volumes")}
	outside := filepath.Join(dir, "precious")
	if err := os.MkdirAll(outside, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{outside, f.dir, filepath.Join(f.dir, ".."), filepath.Join(f.dir, "a", "b")} {
		pv := ourVolume("1Gi")
		pv.Spec.Local = &corev1.LocalVolumeSource{Path: path}
		if err := f.Delete(t.Context(), pv); err == nil {
			t.Errorf("deleting %s was not refused", path)
		}
	}
	if _, err := os.Stat(outside); err != nil {
		t.Errorf("a folder outside is gone: %v", err)
	}
}

func TestProvisionedVolumeIsBoundToItsNode(t *testing.T) {
	f := folders{dir: t.TempDir()}
	pv, _, err := f.Provision(t.Context(), controller.ProvisionOptions{PVName: "pvc-1", PVC: claim("1Gi", "0"), SelectedNodeName: "node1", StorageClass: &storagev1.StorageClass{}})
	if err != nil {
		t.Fatal(err)
	}
	if got := pv.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions[0].Values[0]; got != "node1" {
		t.Errorf("bound to node %s", got)
	}
	if err := f.Delete(t.Context(), pv); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(pv.Spec.Local.Path); !os.IsNotExist(err) {
		t.Errorf("its folder is still there: %v", err)
	}
	if _, _, err := f.Provision(t.Context(), controller.ProvisionOptions{PVName: "pvc-2", PVC: claim("1Gi", "0"), StorageClass: &storagev1.StorageClass{}}); err == nil {
		t.Error("provisioned without a node")
	}
}
