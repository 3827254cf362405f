package kafkaproc

import (
	"bytes"
	"context"
	"encoding/xml"
	"strings"
	"testing"
)

func TestPOMNamesTheArtifactsOfItsVersion(t *testing.T) {
	for _, version := range []string{"2.8.2", Version3, Version4} {
		v, err := parseRelease(version)
		if err != nil {
			t.Fatal(err)
		}
		pom, err := renderPOM(v, artifactsOf(v)...)
		if err != nil {
			t.Fatal(err)
		}
		var parsed struct {
			Dependencies []struct {
				ArtifactID string `xml:"artifactId"`
				Version    string `xml:"version"`
			} `xml:"dependencies>dependency"`
		}
		if err := xml.NewDecoder(bytes.NewReader(pom)).Decode(&parsed); err != nil {
			t.Fatalf("pom of %s: %v", version, err)
		}
		found := false
		for _, d := range parsed.Dependencies {
			found = found || d.ArtifactID == "kafka_2.13" && d.Version == version
		}
		if !found {
			t.Errorf("pom of %s lacks kafka_2.13: %+v", version, parsed.Dependencies)
		}
	}
}

func TestWhatIsNoVersionIsRefusedWithExamples(t *testing.T) {
	for _, version := range []string{"", "4", "4.3", "1.1.1", "4.3.1-rc0", "../4.3.1"} {
		_, err := Provision(context.Background(), version)
		if err == nil || !strings.Contains(err.Error(), Version4) || !strings.Contains(err.Error(), Version3) {
			t.Errorf("%q: error is %v, want one that names %s and %s", version, err, Version3, Version4)
		}
	}
}

// Voters are in the metadata from 3.9 on, and before it in the configuration, where a controller's address must not be advertised.
func TestVotersAreWhereTheReleaseLooksForThem(t *testing.T) {
	for version, dynamic := range map[string]bool{"3.3.2": false, "3.6.2": false, Version3: true, "4.0.2": true, Version4: true} {
		v, err := parseRelease(version)
		if err != nil {
			t.Fatal(err)
		}
		properties := kraftProperties(v, Options{Nodes: 1}, t.TempDir(), 0, []int{9092, 9093}, []string{"127.0.0.1:9093"}, nil)
		_, static := properties["controller.quorum.voters"]
		if advertised := strings.Contains(properties["advertised.listeners"], "CONTROLLER"); static == dynamic || advertised != dynamic {
			t.Errorf("%s: voters in the configuration %v, controllers advertised %v", version, static, advertised)
		}
	}
}

func TestLayoutHasWhatItsMajorVersionNeeds(t *testing.T) {
	want := map[string][]string{
		"2.8.2":  {"bin/kafka-topics.sh", "bin/zookeeper-server-start.sh", "config/log4j.properties"},
		Version3: {"bin/kafka-topics.sh", "bin/zookeeper-server-start.sh", "config/log4j.properties"},
		Version4: {"bin/kafka-topics.sh", "bin/kafka-server-start.sh", "config/log4j2.yaml", "config/log4j2.properties"},
	}
	layoutOf := func(version string) (map[string][]byte, error) {
		v, err := parseRelease(version)
		if err != nil {
			return nil, err
		}
		return layoutOf(v)
	}
	for version, files := range want {
		layout, err := layoutOf(version)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if _, ok := layout[file]; !ok {
				t.Errorf("%s lacks %s", version, file)
			}
		}
	}
	layout, err := layoutOf(Version4)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := layout["bin/zookeeper-server-start.sh"]; ok {
		t.Errorf("%s has ZooKeeper's script, but no ZooKeeper", Version4)
	}
}

func TestMissingToolsAreNamedWithTheWayToGetThem(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := RequireTools("java", "mvn")
	if err == nil {
		t.Fatal("no error though nothing is on PATH")
	}
	for _, want := range []string{"java", "mvn", "openjdk-17-jdk-headless", "maven"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not mention %s", err, want)
		}
	}
}

func TestOldJavaIsRefused(t *testing.T) {
	for output, ok := range map[string]bool{
		"openjdk version \"17.0.15\" 2025-04-15": true,
		"openjdk version \"21\" 2023-09-19":      true,
		"java version \"1.8.0_402\"":             false,
		"openjdk version \"11.0.2\" 2019-01-15":  false,
		"not java":                               false,
	} {
		if err := checkJava(output); (err == nil) != ok {
			t.Errorf("%q: %v, want accepted %v", output, err, ok)
		}
	}
}
