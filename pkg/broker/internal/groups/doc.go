// Package groups is about groups of consumers and their offsets.
package groups
