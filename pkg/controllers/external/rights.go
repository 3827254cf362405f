package external

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// authorized says whether our account has the rights on the cluster that are made use of. Of those on topics and groups brokers tell with
// each of them, and a request that is refused names the one it lacks.
func authorized(may kafkaerr.Operations, before28 bool) metav1.Condition {
	is := metav1.Condition{Type: v1beta1.ConditionAuthorized, Status: metav1.ConditionTrue, Reason: reasonAsExpected}
	is.Message = "the account has the rights on the cluster that are made use of"
	if lacks := kafkaerr.LacksOnCluster(may, before28); lacks != "" {
		is.Status, is.Reason, is.Message = metav1.ConditionFalse, reasonMissing, "the account lacks rights on the cluster: "+lacks
	}
	if may != 0 && may&kafkaerr.MayCreate == 0 {
		// Which topics these are, brokers do not tell before there are such topics.
		is.Message += "; without Create on the cluster, it makes those topics only on which it has Create"
	}
	return is
}
