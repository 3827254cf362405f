package apiserver

import "fmt"

// elementCounter counts the members of objects and arrays in a text that comes in pieces. It counts too many rather than too few, and it
// has to be right for texts only that are what they should be: decoders check that first.
type elementCounter interface {
	count(piece []byte)
	elements() (int64, error)
}

// jsonElements counts what begins an object or an array, and what parts members, outside of strings.
type jsonElements struct {
	n                 int64
	inString, escaped bool
}

func (c *jsonElements) count(piece []byte) {
	for _, b := range piece {
		switch {
		case c.escaped:
			c.escaped = false
		case c.inString:
			c.escaped = b == '\\'
			c.inString = b != '"'
		case b == '"':
			c.inString = true
		case b == '{', b == '[', b == ',':
			c.n++
		}
	}
}

func (c *jsonElements) elements() (int64, error) { return c.n, nil }

// maxAliases is the number of YAML's aliases that a body may have. Each repeats what its anchor names, which may have aliases, too.
const maxAliases = 8

// yamlElements counts what an element of YAML cannot do without, also in texts: where these begin and end is more than bytes tell.
type yamlElements struct {
	n                int64
	anchors, aliases int64
	// last is the byte before, and mark the one that may begin an anchor or an alias.
	last, mark byte
}

func (c *yamlElements) count(piece []byte) {
	for _, b := range piece {
		if c.mark != 0 && !yamlSpace(b) {
			if c.mark == '&' {
				c.anchors++
			} else {
				c.aliases++
			}
		}
		c.mark = 0
		switch b {
		case ',', '[', '{', ':', '-', '?':
			c.n++
		case '&', '*':
			// Within a word they are a part of it.
			if c.last == 0 || yamlSpace(c.last) || c.last == ',' || c.last == '[' || c.last == '{' || c.last == ':' {
				c.mark = b
			}
		}
		c.last = b
	}
}

func yamlSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }

func (c *yamlElements) elements() (int64, error) {
	if c.anchors > 0 && c.aliases > maxAliases {
		return c.n, fmt.Errorf("the body has more than %d aliases of YAML (*name); write out what they stand for", maxAliases)
	}
	if c.anchors == 0 {
		return c.n, nil
	}
	// An alias may stand for nearly all that there is.
	return c.n * (1 + c.aliases), nil
}

// cborElements counts data items by their heads (RFC 8949, section 3).
type cborElements struct {
	n int64
	// argument counts down the bytes of a head that are still to come, skip those of a string.
	argument int
	value    uint64
	text     bool
	skip     uint64
}

func (c *cborElements) count(piece []byte) {
	for len(piece) > 0 {
		if c.skip > 0 && c.argument == 0 {
			n := min(uint64(len(piece)), c.skip)
			piece = piece[n:]
			c.skip -= n
			continue
		}
		b := piece[0]
		piece = piece[1:]
		if c.argument > 0 {
			c.value = c.value<<8 | uint64(b)
			if c.argument--; c.argument == 0 && c.text {
				c.skip = c.value
			}
			continue
		}
		c.n++
		kind, info := b>>5, b&0x1f
		c.text, c.value = kind == 2 || kind == 3, 0
		switch {
		case info < 24:
			if c.text {
				c.skip = uint64(info)
			}
		case info < 28:
			c.argument = 1 << (info - 24)
		}
	}
}

func (c *cborElements) elements() (int64, error) { return c.n, nil }
