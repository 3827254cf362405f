// Package kafkarecord is the form of Kafka's records: batches as they lie on the wire, how they are compressed, and which partition a key
// belongs to. It asks nobody. What it reads may be from anybody: a batch is checked before it is believed, and decompressed one record at a
// time.
package kafkarecord
