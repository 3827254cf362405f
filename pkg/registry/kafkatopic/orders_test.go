package kafkatopic_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
)

// Brokers may carry out a write long after it was sent, and after a later one was stored. They end with what is stored last, whichever
// server the writes came to.
func TestBrokersEndWithWhatWasStoredLast(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		servers func(t *testing.T) (first, second *apiservertest.Server)
	}{
		{"one server", func(*testing.T) (first, second *apiservertest.Server) { return server, server }},
		{"two servers", func(t *testing.T) (first, second *apiservertest.Server) { t.Helper(); return twoServers(t, nil) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			first, second := tc.servers(t)
			k := first.NewKafka(t, 3)
			if _, err := create(first.Client, newTopic(k, "orders")); err != nil {
				t.Fatal(err)
			}
			held, overtaken, release := make(chan struct{}), make(chan struct{}), make(chan struct{})
			var sent atomic.Int32
			k.ControlKey(int16(kmsg.IncrementalAlterConfigs), func(request kmsg.Request) (kmsg.Response, error, bool) {
				k.KeepControl()
				if request.(*kmsg.IncrementalAlterConfigsRequest).ValidateOnly {
					return nil, nil, false
				}
				switch sent.Add(1) {
				case 1:
					close(held)
					k.SleepControl(func() { <-release })
				case 2:
					close(overtaken)
				}
				return nil, nil, false
			})
			var running sync.WaitGroup
			defer running.Wait()
			write := func(s *apiservertest.Server, value string) {
				running.Go(func() {
					if _, err := setRetention(s, k, value); err != nil {
						t.Errorf("retention.ms=%s: %v", value, err)
					}
				})
			}
			write(first, "1000")
			<-held
			write(second, "2000")
			apiservertest.Eventually(t, "the second write is stored", func() bool {
				got, err := topicsOf(first.Client, k).Get(t.Context(), "orders", metav1.GetOptions{})
				return err == nil && got.Spec.Config["retention.ms"] == "2000"
			})
			// The second must not come to the brokers before the first is done. What does not happen can only be waited for: on a slow
			// machine this finds less, and is right all the same.
			select {
			case <-overtaken:
				t.Error("the second write came to the brokers while the first was on its way")
			case <-time.After(3 * time.Second):
			}
			close(release)
			running.Wait()
			if got := k.Config(t, "orders")["retention.ms"]; got != "2000" {
				t.Errorf("the brokers have retention.ms=%s, stored is 2000", got)
			}
			got, err := topicsOf(first.Client, k).Get(t.Context(), "orders", metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			expectReady(t, got, metav1.ConditionTrue, "Ready")
		})
	}
}
