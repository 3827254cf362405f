package external

import (
	"fmt"
	"slices"
	"strings"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/validation"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// said is what the brokers of a cluster said.
type said struct {
	broker.ClusterInfo
	// unreachable are those that are not reached at the addresses that they advertise.
	unreachable []v1beta1.UnreachableBroker
	// elsewhere says which addresses lead to another cluster, while others lead to the Kafka's; "" when none does.
	elsewhere string
	// bootstrap says why no bootstrap server is reached, although brokers are; "" when one is.
	bootstrap string
	// replaced says what answers where when whoever begins at the bootstrap servers does not get to the Kafka's cluster.
	replaced error
}

// says is what is known of the addresses of a Kafka by now.
func (t *tried) says(bootstrap []string, alive []broker.BrokerInfo) said {
	var is said
	reached := 0
	var advertised []string
	for _, b := range alive {
		address := addressOf(b)
		advertised = append(advertised, address)
		if why := t.outcomes[address].why; why != "" {
			is.unreachable = append(is.unreachable, v1beta1.UnreachableBroker{ID: b.ID, Address: address, Message: why})
		} else {
			reached++
		}
	}
	text, several := t.places(append(slices.Clone(bootstrap), advertised...))
	switch {
	case several, t.leads(bootstrap), reached == 0 && t.leads(advertised):
		is.replaced = &kafkaerr.SecurityError{Reason: kafkaerr.ReasonClusterReplaced, Text: text}
	default:
		is.elsewhere = text
		is.bootstrap = t.silent(bootstrap)
	}
	return is
}

// leads tells whether those of some addresses where a cluster answers all lead to another one than the Kafka's.
func (t *tried) leads(addresses []string) bool {
	astray := false
	for _, address := range addresses {
		found, known := t.outcomes[address]
		if known && found.why == "" {
			return false
		}
		astray = astray || found.replaced != nil
	}
	return astray
}

// silent says why none of some addresses is reached, "" when one is, or leads elsewhere.
func (t *tried) silent(addresses []string) string {
	var texts []string
	for _, address := range addresses {
		found, known := t.outcomes[address]
		if !known || found.why == "" || found.replaced != nil {
			return ""
		}
		if len(texts) < validation.MaxUnreachable {
			texts = append(texts, address+": "+found.why)
		}
	}
	return strings.Join(texts, "; ")
}

// places says which clusters answer where, when one of them is not the Kafka's, in the order of the addresses; "" when all are. It is several when which
// one is the Kafka's is not known yet.
func (t *tried) places(addresses []string) (text string, several bool) {
	var others, ids []string
	at := map[string][]string{}
	for _, address := range addresses {
		found := t.outcomes[address]
		switch {
		case found.replaced != nil:
			if !slices.Contains(others, found.replaced.Text) {
				others = append(others, found.replaced.Text)
			}
			at[found.replaced.Text] = append(at[found.replaced.Text], address)
		case found.id != "":
			if !slices.Contains(ids, found.id) {
				ids = append(ids, found.id)
			}
			at[found.id] = append(at[found.id], address)
		}
	}
	if len(others) == 0 && len(ids) < 2 {
		return "", false
	}
	var texts []string
	for _, other := range others {
		texts = append(texts, fmt.Sprintf("at %s %s", few(at[other]), other))
	}
	for _, id := range ids {
		texts = append(texts, fmt.Sprintf("at %s cluster %q answers", few(at[id]), id))
	}
	if len(ids) > 1 {
		texts = append(texts, "nothing is read or written there before spec.external.clusterID says which of them this Kafka is")
	}
	return strings.Join(texts, "; "), len(ids) > 1
}

// few names the first of some addresses. Brokers may advertise long ones.
func few(addresses []string) string {
	const most, length = 3, 100
	slices.Sort(addresses)
	addresses = slices.Compact(addresses)
	var named []string
	for _, address := range addresses[:min(len(addresses), most)] {
		if len(address) > length {
			address = strings.ToValidUTF8(address[:length], "") + "…"
		}
		named = append(named, address)
	}
	text := strings.Join(named, ", ")
	if more := len(addresses) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
