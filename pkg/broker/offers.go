package broker

import (
	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// offers is what a broker supports, from its ApiVersions answer.
type offers struct {
	apis map[int16]versionRange
	// metadataVersion is the highest metadata.version level supported; finalized the level in force. 0 when not told.
	metadataVersion, finalized int16
}

type versionRange struct{ min, max int16 }

func newOffers(resp *sarama.ApiVersionsResponse) (offers, error) {
	if resp.ErrorCode != 0 {
		return offers{}, kafkaerr.New("ask for API versions", "broker", resp.ErrorCode, nil, 0)
	}
	o := offers{apis: make(map[int16]versionRange, len(resp.ApiKeys))}
	for _, key := range resp.ApiKeys {
		o.apis[key.ApiKey] = versionRange{key.MinVersion, key.MaxVersion}
	}
	for _, f := range resp.SupportedFeatures {
		if f.Name == metadataVersionFeature {
			o.metadataVersion = f.MaxVersion
		}
	}
	for _, f := range resp.FinalizedFeatures {
		if f.Name == metadataVersionFeature {
			o.finalized = f.MaxVersionLevel
		}
	}
	return o, nil
}

const metadataVersionFeature = "metadata.version"

func (o offers) supports(key int16) bool {
	_, ok := o.apis[key]
	return ok
}

// mode is what the brokers of a cluster take orders from. Servers of other makes have neither mode.
type mode struct {
	// kraft is a metadata quorum, zookeeper a controller that is one of the brokers.
	kraft, zookeeper bool
}

// mode tells a quorum by DescribeQuorum, which what is between it and us may hide, or by a metadata.version in force; and a broker that takes
// orders from another by the requests for those.
func (o offers) mode() mode {
	if o.supports(int16(kmsg.DescribeQuorum)) || o.finalized > 0 {
		return mode{kraft: true}
	}
	return mode{zookeeper: o.supports(int16(kmsg.LeaderAndISR)) || o.supports(int16(kmsg.StopReplica)) || o.supports(int16(kmsg.UpdateMetadata))}
}

// releaseByLevel maps metadata.version levels to the release that introduced them (Kafka's MetadataVersion.java).
var releaseByLevel = []struct {
	level   int16
	release string
}{
	{33, "4.4"}, {30, "4.3"}, {29, "4.2"}, {27, "4.1"}, {25, "4.0"}, {21, "3.9"}, {20, "3.8"}, {19, "3.7"}, {14, "3.6"},
	{11, "3.5"}, {8, "3.4"}, {7, "3.3"}, {3, "3.2"}, {2, "3.1"}, {1, "3.0"},
}

// release derives "major.minor". A level above the table is a release that this program does not know.
func (o offers) release() string {
	top := o.metadataVersion
	if top > releaseByLevel[0].level {
		return ""
	}
	if top > 0 {
		release := ""
		for _, r := range releaseByLevel {
			if top <= r.level {
				release = r.release
			}
		}
		return release
	}
	return o.releaseByAPIs()
}

// releaseByAPIs looks for the newest request or version that appeared with a release, for brokers that tell no metadata.version
// level. Source: the "validVersions" of Kafka's message schemas at each release.
func (o offers) releaseByAPIs() string {
	for _, mark := range apiMarks {
		if r, ok := o.apis[mark.key]; ok && r.max >= mark.version {
			return mark.release
		}
	}
	return ""
}

var apiMarks = []struct {
	key, version int16
	release      string
}{
	{int16(kmsg.ApiVersions), 4, "3.9"},
	{int16(kmsg.ListGroups), 5, "3.8"},
	{int16(kmsg.Fetch), 16, "3.7"},
	{int16(kmsg.AddPartitionsToTxn), 4, "3.6"},
	{int16(kmsg.Fetch), 15, "3.5"},
	{int16(kmsg.UpdateMetadata), 8, "3.4"},
	{int16(kmsg.DescribeLogDirs), 4, "3.3"},
	{int16(kmsg.JoinGroup), 9, "3.2"},
	{int16(kmsg.Fetch), 13, "3.1"},
	{int16(kmsg.ListOffsets), 7, "3.0"},
	{int16(kmsg.DescribeCluster), 0, "2.8"},
}
