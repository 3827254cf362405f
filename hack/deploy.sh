#!/usr/bin/env bash
# Deploys kafka-apiserver into the cluster of the current kubeconfig, and waits
# until it serves.
#
# usage: hack/deploy.sh OVERLAY [IMAGE_ID]
#   OVERLAY   a kustomization below artifacts/deploy: base, ha or local
#   IMAGE_ID  for local: identifies the image's content, so that pods of an older one are replaced
set -o errexit -o nounset -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
overlay=$1
image_id=${2:-none}

kubectl kustomize "artifacts/deploy/${overlay}" |
  sed "s/IMAGE_ID/${image_id}/" |
  kubectl apply --server-side --force-conflicts --field-manager=kafka-apiserver-deploy -f - >/dev/null

kubectl --namespace kafka-system rollout status statefulset/kafka-apiserver --timeout=3m
kubectl --namespace kafka-system rollout status deployment/kafka-controllers --timeout=3m
kubectl wait apiservice/v1beta1.kafka.openshift.io --for=condition=Available --timeout=2m
