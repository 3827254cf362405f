// Package provisioner gives the claims of the local cluster folders of the node as `local` volumes. Unlike the host-path
// volumes that Kubernetes can provision itself, kubelet applies a pod's fsGroup to these. It never enforces a size.
package provisioner

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// Name is what StorageClasses call this provisioner.
const Name = "kafka.openshift.io/local"

// Options say how a provisioner runs.
type Options struct {
	Kubeconfig string
	Folder     string // every volume is a folder in it, called like its PersistentVolume
	Listen     string // address that answers /healthz
}

// Run provisions, grows and deletes volumes until ctx ends.
func Run(ctx context.Context, o Options) error {
	config, err := clientcmd.BuildConfigFromFlags("", o.Kubeconfig)
	if err != nil {
		return fmt.Errorf("reading the provisioner's kubeconfig: %w", err)
	}
	// The default of 5 requests a second makes a StatefulSet's claims wait for each other.
	config.QPS, config.Burst = 50, 100
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("building the provisioner's client: %w", err)
	}
	listener, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("listening for health checks: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		server.Close()
	}()
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			klog.FromContext(ctx).Error(err, "Serving health checks failed")
		}
	}()

	go newGrower(client).run(ctx)
	controller.NewProvisionController(ctx, client, Name, folders{dir: o.Folder},
		controller.LeaderElection(false), controller.ResyncPeriod(time.Minute)).Run(ctx)
	return nil
}

// folders makes and removes the folders behind volumes.
type folders struct{ dir string }

var _ controller.Provisioner = folders{}

// Provision makes the folder of a volume, which belongs to root until a pod's fsGroup is applied to it, like a new disk.
func (f folders) Provision(_ context.Context, o controller.ProvisionOptions) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	if o.SelectedNodeName == "" {
		return nil, controller.ProvisioningFinished, errors.New("no node is selected: the class must wait for the first consumer")
	}
	path := filepath.Join(f.dir, o.PVName)
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, controller.ProvisioningFinished, fmt.Errorf("making the folder of volume %s: %w", o.PVName, err)
	}
	return volume(o, path), controller.ProvisioningFinished, nil
}

// Delete removes the folder of a volume with all that is in it.
func (f folders) Delete(_ context.Context, pv *corev1.PersistentVolume) error {
	if pv.Spec.Local == nil {
		return &controller.IgnoredError{Reason: "it is not a local volume"}
	}
	path := filepath.Clean(pv.Spec.Local.Path)
	if filepath.Dir(path) != filepath.Clean(f.dir) || strings.HasPrefix(filepath.Base(path), ".") {
		return fmt.Errorf("not deleting %s of volume %s: it is not a folder in %s", path, pv.Name, f.dir)
	}
	if err := os.RemoveAll(path); err != nil {
		return fmt.Errorf("deleting the folder of volume %s: %w", pv.Name, err)
	}
	return nil
}

func volume(o controller.ProvisionOptions, path string) *corev1.PersistentVolume {
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: o.PVName},
		Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: reclaimPolicy(o.StorageClass),
			AccessModes:                   o.PVC.Spec.AccessModes,
			VolumeMode:                    o.PVC.Spec.VolumeMode,
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: o.PVC.Spec.Resources.Requests[corev1.ResourceStorage]},
			PersistentVolumeSource:        corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: path}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{
					Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{o.SelectedNodeName}}},
			}}}},
		},
	}
}

func reclaimPolicy(class *storagev1.StorageClass) corev1.PersistentVolumeReclaimPolicy {
	if class.ReclaimPolicy != nil {
		return *class.ReclaimPolicy
	}
	return corev1.PersistentVolumeReclaimDelete
}
