package kafka

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/render"
)

// problem is something that somebody has to mend; the rest of the cluster goes on.
type problem struct{ Reason, Message string }

const reasonResizeRefused = "ClaimResizeRefused"

// storageOf is what the spec says about a role's claims.
func storageOf(spec *v1beta1.KafkaSpec, role render.Role) v1beta1.StorageSpec {
	switch role {
	case render.Controller:
		return spec.Controllers.Storage
	case render.ZooKeeper:
		return spec.ZooKeeper.Storage
	default:
		return spec.Brokers.Storage
	}
}

// claimPatch is what to change on a claim; nil when nothing. formed tells that its node serves now.
func claimPatch(claim *corev1.PersistentVolumeClaim, size *resource.Quantity, formed bool) ([]byte, error) {
	patch := map[string]any{}
	if size != nil {
		request := claim.Spec.Resources.Requests[corev1.ResourceStorage]
		if request.Cmp(*size) < 0 {
			patch["spec"] = map[string]any{"resources": map[string]any{"requests": map[string]any{"storage": size.String()}}}
		}
	}
	if formed && claim.Annotations[render.AnnotationFormed] == "" {
		patch["metadata"] = map[string]any{"annotations": map[string]string{render.AnnotationFormed: "true"}}
	}
	if len(patch) == 0 {
		return nil, nil
	}
	return json.Marshal(patch)
}

// tendClaims grows claims to the spec's size and marks those whose node serves: from then on an empty volume there is a lost one.
// settled tells that every claim has the size that the spec asks for, so that new pods may be given such claims too.
func (c *Controller) tendClaims(ctx context.Context, kafka *v1beta1.Kafka, w *world, role render.Role) (settled bool, problems []problem, err error) {
	storage := storageOf(&kafka.Spec, role)
	if storage.Type == v1beta1.Ephemeral {
		return true, nil, nil
	}
	settled = true
	var grown []string
	for _, claim := range w.claims {
		if claim.Labels[render.LabelComponent] != string(role) || claim.DeletionTimestamp != nil {
			continue
		}
		serves := false
		for _, pod := range w.pods[role] {
			serves = serves || pod.Ready && render.ClaimName(kafka.Name, role, pod.Ordinal) == claim.Name
		}
		patch, err := claimPatch(claim, storage.Size, serves)
		if err != nil {
			return false, nil, fmt.Errorf("encode patch of claim %s: %w", claim.Name, err)
		}
		if patch == nil {
			continue
		}
		_, err = c.host.CoreV1().PersistentVolumeClaims(claim.Namespace).Patch(ctx, claim.Name, types.MergePatchType, patch,
			metav1.PatchOptions{FieldManager: FieldManager})
		switch {
		case apierrors.IsForbidden(err) || apierrors.IsInvalid(err):
			settled = false
			problems = append(problems, problem{reasonResizeRefused, fmt.Sprintf("claim %s: %v", claim.Name, err)})
		case err != nil && !apierrors.IsNotFound(err):
			return false, nil, fmt.Errorf("patch claim %s: %w", claim.Name, err)
		case strings.Contains(string(patch), `"requests"`):
			grown = append(grown, claim.Name)
		}
	}
	if len(grown) > 0 {
		c.event(kafka, "ClaimsGrown", "Resize", "Asked for %s in claims %s", storage.Size, strings.Join(grown, ", "))
	}
	return settled, problems, nil
}

// keepTemplates gives a StatefulSet the claim templates that it has, if it is there.
func (c *Controller) keepTemplates(namespace string, desired *appsv1ac.StatefulSetApplyConfiguration) error {
	before, err := c.statefulSets.StatefulSets(namespace).Get(*desired.Name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	raw, err := json.Marshal(before.Spec.VolumeClaimTemplates)
	if err == nil {
		desired.Spec.VolumeClaimTemplates = nil
		err = json.Unmarshal(raw, &desired.Spec.VolumeClaimTemplates)
	}
	if err != nil {
		return fmt.Errorf("read the claim templates of StatefulSet %s: %w", before.Name, err)
	}
	return nil
}

// claimsOf is what the status says of the claims that are there. The API server compares with it what a changed spec asks for.
func claimsOf(o *observation) []v1beta1.ClaimsStatus {
	var out []v1beta1.ClaimsStatus
	for _, role := range render.Roles(o.record.Mode) {
		if storageOf(&o.kafka.Spec, role).Type == v1beta1.Ephemeral {
			continue
		}
		of := v1beta1.ClaimsStatus{Component: string(role)}
		for _, claim := range o.world.claims {
			size := claim.Spec.Resources.Requests[corev1.ResourceStorage]
			if claim.Labels[render.LabelComponent] == string(role) && claim.DeletionTimestamp == nil && size.Cmp(of.Size) > 0 {
				of.Size = size
			}
		}
		out = append(out, of)
	}
	return out
}

// hasFormed tells whether a broker has ever served, by anything that remembers it: the status, a pod, the brokers, a claim, the anchor.
func hasFormed(o *observation) bool {
	if ptr.Deref(o.kafka.Status.Formed, false) || o.info != nil && len(o.info.Brokers) > 0 || readyBelow(o.world.pods[render.Broker], math.MaxInt32) > 0 {
		return true
	}
	if o.record.Mode == v1beta1.ModeCombined && len(o.record.Formed) > 0 {
		return true
	}
	return slices.ContainsFunc(o.world.claims, func(claim *corev1.PersistentVolumeClaim) bool {
		return claim.Labels[render.LabelComponent] == string(render.Broker) && claim.Annotations[render.AnnotationFormed] != ""
	})
}

// resizing lists the claims whose volume is smaller than what they ask for.
func resizing(claims []*corev1.PersistentVolumeClaim) []string {
	var names []string
	for _, claim := range claims {
		has, known := claim.Status.Capacity[corev1.ResourceStorage]
		if wants := claim.Spec.Resources.Requests[corev1.ResourceStorage]; known && has.Cmp(wants) < 0 {
			names = append(names, claim.Name)
		}
	}
	return names
}
