//go:build integration

package external

import (
	"context"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/controllertest"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned/fake"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/test/kafkaproc"
)

const (
	aclListener = "ACCOUNTS"
	aclPassword = "not-a-secret"
)

// account is who authenticates with a name and the password of all.
type account string

func (a account) Security(context.Context) (*broker.Security, error) {
	return broker.NewSecurity(broker.SecurityConfig{SASL: &broker.SASLConfig{Mechanism: "PLAIN", Username: string(a), Password: aclPassword}})
}

// What Kafka's own authorizer tells an account becomes a condition, which follows its ACLs.
func TestRealAuthorizerTellsTheRightsOfAnAccount(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	kafka, err := kafkaproc.StartKRaft(ctx, kafkaproc.Options{Dir: t.TempDir(),
		Config: map[string]string{
			"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
			// Who comes without a name is the cluster itself, and the administrator.
			"super.users": "User:ANONYMOUS",
		},
		Listeners: []kafkaproc.Listener{{Name: aclListener, Protocol: "SASL_PLAINTEXT", Config: map[string]string{
			"sasl.enabled.mechanisms": "PLAIN",
			"plain.sasl.jaas.config":  `org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="` + aclPassword + `";`,
		}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := kafka.Kill(); err != nil {
			t.Error(err)
		}
	}()
	acl := func(does string, operations ...string) {
		t.Helper()
		args := []string{"--bootstrap-server", strings.Join(kafka.Bootstrap(), ","), does, "--allow-principal", "User:alice", "--cluster", "--force"}
		for _, operation := range operations {
			args = append(args, "--operation", operation)
		}
		if out, err := kafka.Tool(ctx, "org.apache.kafka.tools.AclCommand", args...); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}

	k := newKafka()
	k.Spec.External.BootstrapServers = kafka.BootstrapAt(aclListener)
	client, clock := fake.NewClientset(k), controllertest.NewFastClock()
	gateway := broker.New(broker.Options{ClientID: "controllers", Clock: clock})
	controller, err := New(Config{Kafka: client, Clock: clock, Connect: func(at broker.Target) Cluster {
		at.Security = account("alice")
		return gateway.Cluster(at)
	}})
	if err != nil {
		t.Fatal(err)
	}
	controllertest.Run(t, gateway.Run, controller.Run)
	expect := func(what, reason string, words, without []string) {
		t.Helper()
		var last []metav1.Condition
		defer func() {
			if t.Failed() {
				t.Logf("the conditions are %+v", last)
			}
		}()
		apiservertest.Eventually(t, what, func() bool {
			got, err := client.KafkaV1beta1().Kafkas(k.Namespace).Get(ctx, k.Name, metav1.GetOptions{})
			if err != nil {
				return false
			}
			last = got.Status.Conditions
			is := meta.FindStatusCondition(last, v1beta1.ConditionAuthorized)
			if is == nil || is.Reason != reason || !meta.IsStatusConditionTrue(last, v1beta1.ConditionReady) {
				return false
			}
			for _, word := range words {
				if !strings.Contains(is.Message, word) {
					return false
				}
			}
			for _, word := range without {
				if strings.Contains(is.Message, word) {
					return false
				}
			}
			return true
		})
	}
	expect("without any right", reasonMissing, []string{"Describe (", "do not tell which others"}, []string{"Alter ("})
	acl("--add", "Describe")
	expect("with Describe", reasonMissing, []string{"DescribeConfigs (", "Alter (", "only on which it has Create"}, []string{"; Describe (", "cluster: Describe (", "IdempotentWrite"})
	acl("--add", "DescribeConfigs", "Alter")
	expect("with all but Create", reasonAsExpected, []string{"only on which it has Create"}, []string{"lacks"})
	acl("--add", "Create")
	expect("with all", reasonAsExpected, nil, []string{"Create", "lacks"})
	acl("--remove", "Alter")
	expect("without Alter again", reasonMissing, []string{kafkaerr.LacksOnCluster(^kafkaerr.MayAlter, false)}, []string{"Describe", "Create"})
}
