package render

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf16"
)

// properties writes a Java properties file, sorted by key. Values are users' text: without escaping, a line break in one would
// be another setting, and a leading blank or a backslash would vanish.
func properties(settings map[string]string) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		b.WriteString(escapeProperty(key, true))
		b.WriteByte('=')
		b.WriteString(escapeProperty(settings[key], false))
		b.WriteByte('\n')
	}
	return b.String()
}

// escapeProperty follows java.util.Properties.store: its reader takes ISO 8859-1, so everything else is \uXXXX.
func escapeProperty(s string, key bool) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == '\\':
			b.WriteString(`\\`)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\f':
			b.WriteString(`\f`)
		case r == ' ' && (key || i == 0):
			b.WriteString(`\ `)
		case key && strings.ContainsRune("=:#!", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20 || r > 0x7e:
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, `\u%04X`, unit)
			}
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// arguments writes a Java argument file: one quoted argument a line, so that no shell ever reads a user's option.
func arguments(args []string) string {
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\f", `\f`)
	var b strings.Builder
	for _, arg := range args {
		b.WriteString(`"` + quote.Replace(arg) + "\"\n")
	}
	return b.String()
}
