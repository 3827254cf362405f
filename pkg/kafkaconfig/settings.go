package kafkaconfig

import (
	"embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// tables are what each release says of the settings of its brokers, a file a release: name, type, and what values it takes. They are
// exported from the releases; see hack/brokersettings.
//
//go:embed settings
var tables embed.FS

// setting is what a release says of one setting.
type setting struct {
	kind string
	// least and most bound numbers; "" does not.
	least, most string
	// values are all that there are; nil for any. anyCase says that they may be written in upper and lower case.
	values  []string
	anyCase bool
	// notEmpty says that there has to be some text.
	notEmpty bool
}

// known are the settings that were read, by release. A release without a table has none.
var known sync.Map

// ofRelease are the settings of a release by name; false when there is no table of it.
func ofRelease(release string) (map[string]setting, bool) {
	if have, ok := known.Load(release); ok {
		settings := have.(map[string]setting)
		return settings, settings != nil
	}
	var settings map[string]setting
	if text, err := tables.ReadFile("settings/" + release + ".tsv"); err == nil {
		settings = map[string]setting{}
		for line := range strings.Lines(string(text)) {
			if columns := strings.Split(strings.TrimSuffix(line, "\n"), "\t"); len(columns) == 3 {
				settings[columns[0]] = parseSetting(columns[1], columns[2])
			}
		}
	}
	known.Store(release, settings)
	return settings, settings != nil
}

func parseSetting(kind, rule string) setting {
	s := setting{kind: kind, notEmpty: rule == "not empty"}
	if values, ok := strings.CutPrefix(rule, "in any case "); ok {
		s.values, s.anyCase = strings.Split(values, ","), true
	} else if values, ok := strings.CutPrefix(rule, "in "); ok {
		s.values = strings.Split(values, ",")
	} else if least, most, ok := strings.Cut(rule, ".."); ok {
		s.least, s.most = least, most
	}
	return s
}

// HasBrokerSetting tells whether the brokers of a release have a setting themselves; true when that is not known. Plugins have others.
func HasBrokerSetting(release, name string) bool {
	settings, ok := ofRelease(release)
	_, has := settings[name]
	return has || !ok || slices.ContainsFunc(open, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// open are the prefixes of settings whose names are chosen by whoever sets them: providers of configuration, and plugins of tiered storage
// with the default prefixes of theirs (KIP-421, KIP-405).
var open = []string{"config.providers.", "rsm.config.", "rlmm.config."}

// BrokerProblem tells why the brokers of a release would not start with a setting of a value; "" when they may. What they compare with
// other settings, and what plugins say, is not known here.
func BrokerProblem(release, name, value string) string {
	settings, _ := ofRelease(release)
	s, has := settings[name]
	// A value with a variable in it is what a provider of configuration makes of it.
	if !has || strings.Contains(value, "${") {
		return ""
	}
	if want := s.wants(trim(value)); want != "" {
		return fmt.Sprintf("Kafka %s wants %s", release, want)
	}
	return ""
}

// numbers are the bits of the types that are whole numbers.
var numbers = map[string]int{"SHORT": 16, "INT": 32, "LONG": 64}

// wants says what a value has to be, "" when it is so. It understands values as org.apache.kafka.common.config.ConfigDef does.
func (s setting) wants(value string) string {
	bits, whole := numbers[s.kind]
	switch {
	case s.kind == "BOOLEAN":
		if lower := strings.ToLower(value); lower != "true" && lower != "false" {
			return "true or false"
		}
	case whole:
		if n, err := parseWhole(value, bits); err != nil || !s.within(float64(n)) {
			return s.number("a whole number", bits)
		}
	case s.kind == "DOUBLE":
		if x, err := parseDouble(value); err != nil || !s.within(x) {
			return s.number("a number", 0)
		}
	case s.notEmpty && value == "":
		return "some text"
	case s.values != nil && s.kind == "LIST":
		for entry := range strings.SplitSeq(value, ",") {
			if value != "" && !s.has(trim(entry)) {
				return "a list of " + strings.Join(s.values, ", ")
			}
		}
	case s.values != nil && !s.has(value):
		return "one of " + strings.Join(s.values, ", ")
	}
	return ""
}

func (s setting) has(value string) bool {
	return slices.ContainsFunc(s.values, func(v string) bool { return v == value || s.anyCase && strings.EqualFold(v, value) })
}

// within tells whether a number is within the bounds, which are far from where a float64 is not exact.
func (s setting) within(x float64) bool {
	least, errLeast := strconv.ParseFloat(s.least, 64)
	most, errMost := strconv.ParseFloat(s.most, 64)
	return (errLeast != nil || x >= least) && (errMost != nil || x <= most)
}

func (s setting) number(what string, bits int) string {
	switch {
	case s.least != "" && s.most != "":
		return fmt.Sprintf("%s from %s to %s", what, s.least, s.most)
	case s.least != "":
		what += " of at least " + s.least
	}
	if bits != 0 {
		what += fmt.Sprintf(" that fits into %d bits", bits)
	}
	return what
}
