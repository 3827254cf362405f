package wire

import (
	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// Offers is what a broker supports, from its ApiVersions answer.
type Offers struct {
	APIs map[int16]VersionRange
	// MetadataVersion is the highest metadata.version level supported; finalized the level in force. 0 when not told.
	MetadataVersion, Finalized int16
}

type VersionRange struct{ Min, Max int16 }

func NewOffers(resp *sarama.ApiVersionsResponse) (Offers, error) {
	if resp.ErrorCode != 0 {
		return Offers{}, kafkaerr.New("ask for API versions", "broker", resp.ErrorCode, nil, 0)
	}
	o := Offers{APIs: make(map[int16]VersionRange, len(resp.ApiKeys))}
	for _, key := range resp.ApiKeys {
		o.APIs[key.ApiKey] = VersionRange{key.MinVersion, key.MaxVersion}
	}
	for _, f := range resp.SupportedFeatures {
		if f.Name == MetadataVersionFeature {
			o.MetadataVersion = f.MaxVersion
		}
	}
	for _, f := range resp.FinalizedFeatures {
		if f.Name == MetadataVersionFeature {
			o.Finalized = f.MaxVersionLevel
		}
	}
	return o, nil
}

const MetadataVersionFeature = "metadata.version"

func (o Offers) Supports(key int16) bool {
	_, ok := o.APIs[key]
	return ok
}

// Mode is what the brokers of a cluster take orders from. Servers of other makes have neither mode.
type Mode struct {
	// Kraft is a metadata quorum, zookeeper a controller that is one of the brokers.
	Kraft, Zookeeper bool
}

// Mode tells a quorum by DescribeQuorum, which what is between it and us may hide, or by a metadata.version in force; and a broker that takes
// orders from another by the requests for those.
func (o Offers) Mode() Mode {
	if o.Supports(int16(kmsg.DescribeQuorum)) || o.Finalized > 0 {
		return Mode{Kraft: true}
	}
	return Mode{Zookeeper: o.Supports(int16(kmsg.LeaderAndISR)) || o.Supports(int16(kmsg.StopReplica)) || o.Supports(int16(kmsg.UpdateMetadata))}
}

// releaseByLevel maps metadata.version levels to the release that introduced them (Kafka's MetadataVersion.java).
var releaseByLevel = []struct {
	level   int16
	release string
}{
	{33, "4.4"}, {30, "4.3"}, {29, "4.2"}, {27, "4.1"}, {25, "4.0"}, {21, "3.9"}, {20, "3.8"}, {19, "3.7"}, {14, "3.6"},
	{11, "3.5"}, {8, "3.4"}, {7, "3.3"}, {3, "3.2"}, {2, "3.1"}, {1, "3.0"},
}

// Release derives "major.minor". A level above the table is a release that this program does not know.
func (o Offers) Release() string {
	top := o.MetadataVersion
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
func (o Offers) releaseByAPIs() string {
	for _, mark := range apiMarks {
		if r, ok := o.APIs[mark.key]; ok && r.Max >= mark.version {
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
