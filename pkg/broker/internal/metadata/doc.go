// Package metadata is about what brokers tell of topics and their settings, kept as far as it shows which of two answers is the newer one.
package metadata
