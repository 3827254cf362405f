package provisioner

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
)

// provisionedBy is the annotation by which the provisioning library marks its volumes.
const provisionedBy = "pv.kubernetes.io/provisioned-by"

// A grower makes volumes as large as their claims ask for. A folder has no size, so growing is bookkeeping: first the
// volume's capacity, then the claim's status.
type grower struct {
	client  kubernetes.Interface
	factory informers.SharedInformerFactory
	claims  corelisters.PersistentVolumeClaimLister
	volumes corelisters.PersistentVolumeLister
	queue   workqueue.TypedRateLimitingInterface[types.NamespacedName]
}

func newGrower(client kubernetes.Interface) *grower {
	factory := informers.NewSharedInformerFactory(client, time.Minute)
	return &grower{
		client:  client,
		factory: factory,
		claims:  factory.Core().V1().PersistentVolumeClaims().Lister(),
		volumes: factory.Core().V1().PersistentVolumes().Lister(),
		queue:   workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[types.NamespacedName]()),
	}
}

func (g *grower) run(ctx context.Context) {
	defer g.queue.ShutDown()
	enqueue := func(obj any) {
		if claim, ok := obj.(*corev1.PersistentVolumeClaim); ok {
			g.queue.Add(types.NamespacedName{Namespace: claim.Namespace, Name: claim.Name})
		}
	}
	informer := g.factory.Core().V1().PersistentVolumeClaims().Informer()
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    enqueue,
		UpdateFunc: func(_, obj any) { enqueue(obj) },
	})
	if err != nil {
		klog.FromContext(ctx).Error(err, "Watching claims failed")
		return
	}
	g.factory.Start(ctx.Done())
	g.factory.WaitForCacheSync(ctx.Done())
	go func() {
		<-ctx.Done()
		g.queue.ShutDown()
	}()
	for {
		key, stop := g.queue.Get()
		if stop {
			return
		}
		if err := g.sync(ctx, key); err != nil {
			klog.FromContext(ctx).Error(err, "Growing a volume failed", "claim", key)
			g.queue.AddRateLimited(key)
		} else {
			g.queue.Forget(key)
		}
		g.queue.Done(key)
	}
}

// sync grows the volume of one claim if it has to, and writes nothing otherwise.
func (g *grower) sync(ctx context.Context, key types.NamespacedName) error {
	claim, err := g.claims.PersistentVolumeClaims(key.Namespace).Get(key.Name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("getting claim %s: %w", key, err)
	}
	if claim.Status.Phase != corev1.ClaimBound || claim.Spec.VolumeName == "" {
		return nil
	}
	volume, err := g.volumes.Get(claim.Spec.VolumeName)
	if err != nil {
		return fmt.Errorf("getting volume %s: %w", claim.Spec.VolumeName, err)
	}
	growVolume, growClaim := toGrow(claim, volume)
	want := claim.Spec.Resources.Requests[corev1.ResourceStorage]
	if growVolume {
		patch, err := capacityPatch("spec", want)
		if err != nil {
			return err
		}
		_, err = g.client.CoreV1().PersistentVolumes().Patch(ctx, volume.Name, types.MergePatchType, patch, metav1.PatchOptions{})
		if err != nil {
			return fmt.Errorf("growing volume %s to %s: %w", volume.Name, want.String(), err)
		}
	}
	if growClaim {
		patch, err := capacityPatch("status", want)
		if err != nil {
			return err
		}
		_, err = g.client.CoreV1().PersistentVolumeClaims(claim.Namespace).Patch(ctx, claim.Name, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
		if err != nil {
			return fmt.Errorf("growing the status of claim %s to %s: %w", key, want.String(), err)
		}
		klog.FromContext(ctx).Info("Volume grew", "claim", key, "size", want.String())
	}
	return nil
}

// toGrow decides what of a bound claim and its volume is smaller than the claim asks for.
func toGrow(claim *corev1.PersistentVolumeClaim, volume *corev1.PersistentVolume) (growVolume, growClaim bool) {
	if volume.Annotations[provisionedBy] != Name {
		return false, false
	}
	want := claim.Spec.Resources.Requests[corev1.ResourceStorage]
	smaller := func(have corev1.ResourceList) bool {
		q := have[corev1.ResourceStorage]
		return q.Cmp(want) < 0
	}
	return smaller(volume.Spec.Capacity), smaller(claim.Status.Capacity)
}

func capacityPatch(part string, size resource.Quantity) ([]byte, error) {
	patch, err := json.Marshal(map[string]any{part: map[string]any{"capacity": corev1.ResourceList{corev1.ResourceStorage: size}}})
	if err != nil {
		return nil, fmt.Errorf("encoding a capacity: %w", err)
	}
	return patch, nil
}
