// Package wire is about one connection to one broker: how it is opened and made safe, what the broker offers, and how much of an answer is taken in.
package wire
