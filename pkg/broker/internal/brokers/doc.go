// Package brokers is about what brokers tell of themselves.
package brokers
