package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kversion"
)

func TestReleaseByLevel(t *testing.T) {
	for level, want := range map[int16]string{1: "3.0", 3: "3.2", 4: "3.3", 7: "3.3", 8: "3.4", 9: "3.5", 12: "3.6", 19: "3.7", 20: "3.8", 21: "3.9",
		22: "4.0", 25: "4.0", 26: "4.1", 28: "4.2", 30: "4.3", 31: "4.4", 33: "4.4", 34: ""} {
		if got := (offers{metadataVersion: level}).release(); got != want {
			t.Errorf("level %d: %q, want %q", level, got, want)
		}
	}
}

// Each release's list of requests, as franz-go records it, is recognised without the help of a metadata.version level.
func TestReleaseByAPIs(t *testing.T) {
	for _, release := range []string{"2.8", "3.0", "3.1", "3.2", "3.3", "3.4", "3.5", "3.6", "3.7", "3.8", "3.9"} {
		versions := kversion.FromString(release)
		if versions == nil {
			t.Fatalf("franz-go does not know %s", release)
		}
		o := offers{apis: map[int16]versionRange{}}
		versions.EachMaxKeyVersion(func(key, version int16) { o.apis[key] = versionRange{0, version} })
		if got := o.release(); got != release {
			t.Errorf("%s is taken for %q", release, got)
		}
	}
}
