// Package offsets is about where the records of partitions begin and end.
package offsets
