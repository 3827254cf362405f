package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// What our account may do is asked where it is made use of, of old brokers too, and no broker is taken to have said what it did not.
func TestDescribeTellsWhatTheAccountMayDo(t *testing.T) {
	const some = kafkaerr.MayDescribe | kafkaerr.MayCreate
	for name, tc := range map[string]struct {
		version  *kversion.Versions
		answers  kafkaerr.Operations
		told     bool
		before28 bool
	}{
		"some rights":              {nil, some, true, false},
		"no right":                 {nil, 0, true, false},
		"not told":                 {nil, kafkaerr.OperationsNotTold, false, false},
		"of 2.7":                   {kversion.V2_7_0(), some, true, true},
		"of 2.2, which cannot say": {kversion.V2_2_0(), 0, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			var opts []kfake.Opt
			if tc.version != nil {
				opts = append(opts, kfake.MaxVersions(tc.version))
			}
			b := newBench(t, Options{}, append(opts, kfake.NumBrokers(1))...)
			b.offers.Store(nil)
			b.network.set(func() {
				b.network.change = func(_ string, req kmsg.Request, resp kmsg.Response) {
					switch m := resp.(type) {
					case *kmsg.DescribeClusterResponse:
						if req.(*kmsg.DescribeClusterRequest).IncludeClusterAuthorizedOperations {
							m.ClusterAuthorizedOperations = int32(tc.answers)
						}
					case *kmsg.MetadataResponse:
						if req.(*kmsg.MetadataRequest).IncludeClusterAuthorizedOperations {
							m.AuthorizedOperations = int32(tc.answers)
						}
					}
				}
			})
			info, err := b.cluster.DescribeWithRights(testContext(t))
			if err != nil {
				t.Fatal(err)
			}
			if info.Before28 != tc.before28 || (info.Authorized != nil) != tc.told || tc.told && *info.Authorized != tc.answers {
				t.Errorf("got %+v, authorized %v", info, info.Authorized)
			}
			if info, err := b.cluster.Describe(testContext(t)); err != nil || info.Authorized != nil {
				t.Errorf("told though it was not asked: %+v, %v", info, err)
			}
		})
	}
}
