package v1beta1

import (
	"strings"
	"unicode/utf8"
)

// ConsumerGroupName is the name of the KafkaConsumerGroup for a group on a Kafka: the Kafka's name, a dot, and the group's id, in
// which letters, digits, ".", "_" and "-" stand for themselves and any other byte is "~" with two hexadecimal digits, as "~2F" for
// "/". A Kafka's name has no dots, so the first one ends it, and an id of dots alone, or none at all, needs no escape behind it. No
// other name means the group: rules about names, as in RBAC, cannot be gone around.
func ConsumerGroupName(kafka, groupID string) string {
	const digits = "0123456789ABCDEF"
	var name strings.Builder
	name.WriteString(kafka)
	name.WriteByte('.')
	for i := range len(groupID) {
		if b := groupID[i]; plainInName(b) {
			name.WriteByte(b)
		} else {
			name.Write([]byte{'~', digits[b>>4], digits[b&15]})
		}
	}
	return name.String()
}

// ParseConsumerGroupName reads what ConsumerGroupName writes; false means that no group has that name. Brokers would read an id that is not
// UTF-8 as the one with U+FFFD in the place of what is none, which is another group.
func ParseConsumerGroupName(name string) (kafka, groupID string, ok bool) {
	kafka, rest, ok := strings.Cut(name, ".")
	if !ok || kafka == "" {
		return "", "", false
	}
	var id strings.Builder
	for i := 0; i < len(rest); i++ {
		b := rest[i]
		if plainInName(b) {
			id.WriteByte(b)
			continue
		}
		if b != '~' || len(rest) < i+3 {
			return "", "", false
		}
		high, low := hexDigit(rest[i+1]), hexDigit(rest[i+2])
		if high < 0 || low < 0 || plainInName(byte(high<<4|low)) {
			return "", "", false
		}
		id.WriteByte(byte(high<<4 | low))
		i += 2
	}
	return kafka, id.String(), utf8.ValidString(id.String())
}

// plainInName are the characters that a URL, a shell, a field selector and YAML all leave alone.
func plainInName(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '.' || b == '_' || b == '-'
}

// hexDigit is -1 for lower case too: a name has one spelling.
func hexDigit(b byte) int {
	switch {
	case '0' <= b && b <= '9':
		return int(b - '0')
	case 'A' <= b && b <= 'F':
		return int(b-'A') + 10
	}
	return -1
}
