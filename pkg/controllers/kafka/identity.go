package kafka

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/render"
)

// refusal is why nothing is done for a cluster until somebody decides. It ends in the conditions, not in a retry.
type refusal struct {
	Reason  string
	Message string
}

// Reasons of refusals.
const (
	reasonClaimsConflict = "ClaimsConflict"
	reasonQuorumLost     = "QuorumLost"
	reasonIdentity       = "IdentityConflict"
	reasonVersion        = "UnknownVersion"
	reasonNameTaken      = "NameTaken"
)

// identify decides who a cluster is: what its anchor says, else its status, else the claims of a predecessor with the same name,
// else somebody new. from says which, for people to read.
//
// Claims outlive everything. A cluster that starts over them under a new id is refused by its own brokers; one that starts over
// the brokers' claims with an empty quorum is worse: the brokers take their logs for strays and delete them. So data that was in
// use once is only taken over together with a majority of the quorum that knew it.
func identify(kafka *v1beta1.Kafka, known *record, claims []*corev1.PersistentVolumeClaim, newID func() string) (r record, from string, refused *refusal) {
	mode := render.Mode(&kafka.Spec)
	if refused := fits(kafka, mode, known, claims); refused != nil {
		return record{}, "", refused
	}
	if known != nil {
		r, from = *known, "the anchor"
	} else {
		r = record{Mode: mode, InitialBrokers: *kafka.Spec.Brokers.Replicas}
		if mode != v1beta1.ModeZooKeeper {
			r.ClusterID, r.Quorum, from = remembered(kafka, claims)
		}
		if refused := adopt(kafka, &r, claims); refused != nil {
			return record{}, "", refused
		}
		if from == "" && len(r.Formed) > 0 {
			from = "claims"
		}
	}
	r.KafkaUID = kafka.UID
	if mode == v1beta1.ModeZooKeeper {
		return r, from, nil
	}
	if r.ClusterID == "" {
		r.ClusterID = newID()
	}
	if len(r.Quorum) == 0 {
		for _, id := range render.QuorumIDs(&kafka.Spec) {
			r.Quorum = append(r.Quorum, v1beta1.QuorumVoter{ID: id, DirectoryID: newID()})
		}
	}
	return r, from, nil
}

// fits checks that everything that is known speaks of one cluster in one mode.
func fits(kafka *v1beta1.Kafka, mode v1beta1.ClusterMode, known *record, claims []*corev1.PersistentVolumeClaim) *refusal {
	id, source := kafka.Status.ClusterID, "status"
	if mode == v1beta1.ModeZooKeeper {
		id = ""
	}
	if known != nil {
		if known.Mode != mode {
			return &refusal{reasonIdentity, fmt.Sprintf("the cluster of anchor %s is of mode %s, this Kafka of mode %s: delete the Kafka and its claims, or restore its mode",
				render.AnchorName(kafka.Name), known.Mode, mode)}
		}
		if id != "" && known.ClusterID != "" && id != known.ClusterID {
			return &refusal{reasonIdentity, fmt.Sprintf("status says that the cluster id is %s, anchor %s says %s",
				id, render.AnchorName(kafka.Name), known.ClusterID)}
		}
		if known.ClusterID != "" {
			id, source = known.ClusterID, "anchor"
		}
	}
	for _, claim := range claims {
		if of := claim.Annotations[render.AnnotationMode]; of != "" && of != string(mode) {
			return &refusal{reasonClaimsConflict, fmt.Sprintf("claim %s holds data of a cluster of mode %s, this Kafka is of mode %s: delete the claims to begin anew, or restore the mode",
				claim.Name, of, mode)}
		}
		of := claim.Annotations[render.AnnotationClusterID]
		switch {
		case of == "":
		case id == "":
			id, source = of, "claim "+claim.Name
		case of != id:
			return &refusal{reasonClaimsConflict, fmt.Sprintf("claim %s holds data of cluster %s, but %s says %s: delete the claims of the cluster that is not wanted",
				claim.Name, of, source, id)}
		}
	}
	return nil
}

// remembered is what status or claims say.
func remembered(kafka *v1beta1.Kafka, claims []*corev1.PersistentVolumeClaim) (id string, quorum []v1beta1.QuorumVoter, from string) {
	if kafka.Status.ClusterID != "" && len(kafka.Status.Quorum) > 0 {
		id, quorum, from = kafka.Status.ClusterID, slices.Clone(kafka.Status.Quorum), "status"
	}
	for _, claim := range claims {
		voters, err := render.ParseQuorum(claim.Annotations[render.AnnotationQuorum])
		if of := claim.Annotations[render.AnnotationClusterID]; err == nil && len(voters) > 0 && render.ValidID(of) {
			// The status knows the quorum of today, a claim the one that nodes were formatted with.
			return of, voters, "claims"
		}
	}
	return id, quorum, from
}

// adopt finds out from claims which voters served once, and refuses to go on without a majority of them.
func adopt(kafka *v1beta1.Kafka, r *record, claims []*corev1.PersistentVolumeClaim) *refusal {
	byName := map[string]*corev1.PersistentVolumeClaim{}
	inUse := ""
	for _, claim := range claims {
		byName[claim.Name] = claim
		if claim.Annotations[render.AnnotationFormed] != "" && inUse == "" {
			inUse = claim.Name
		}
	}
	if inUse == "" {
		return nil
	}
	voters := voterNodes(kafka, r)
	var missing []string
	for _, voter := range voters {
		claim, ok := byName[render.ClaimName(kafka.Name, voter.role, voter.ordinal)]
		if !ok {
			// It voted and its volume is gone: it comes back as an observer.
			missing = append(missing, render.ClaimName(kafka.Name, voter.role, voter.ordinal))
			r.form(voter.id)
		} else if claim.Annotations[render.AnnotationFormed] != "" {
			r.form(voter.id)
		}
	}
	if 2*(len(voters)-len(missing)) <= len(voters) {
		return &refusal{reasonQuorumLost, fmt.Sprintf("claim %s holds data, but the metadata that describes it is lost with claims %s: restore them, or delete all claims of the cluster to begin anew",
			inUse, strings.Join(missing, ", "))}
	}
	return nil
}

// node is one pod of a cluster by its place and by its id.
type node struct {
	role    render.Role
	ordinal int32
	id      int32
}

// voterNodes are the nodes that keep the metadata.
func voterNodes(kafka *v1beta1.Kafka, r *record) []node {
	var out []node
	switch r.Mode {
	case v1beta1.ModeZooKeeper:
		for ordinal := range *kafka.Spec.ZooKeeper.Replicas {
			out = append(out, node{render.ZooKeeper, ordinal, ordinal + 1})
		}
	case v1beta1.ModeDedicated:
		for _, voter := range r.Quorum {
			out = append(out, node{render.Controller, voter.ID - render.FirstControllerID, voter.ID})
		}
	default:
		for _, voter := range r.Quorum {
			out = append(out, node{render.Broker, voter.ID, voter.ID})
		}
	}
	return out
}

// NewID makes an id as Kafka's Uuid.randomUuid does: never one that begins with a dash, which command lines take for an option.
func NewID() string {
	for {
		var raw [16]byte
		// crypto/rand.Read never fails.
		_, _ = rand.Read(raw[:])
		raw[6], raw[8] = raw[6]&0x0f|0x40, raw[8]&0x3f|0x80
		if id := base64.RawURLEncoding.EncodeToString(raw[:]); id[0] != '-' {
			return id
		}
	}
}
