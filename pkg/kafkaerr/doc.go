// Package kafkaerr is what Kafka's error codes, and the lack of an answer, mean: whether a request may be repeated, whether it may have been
// carried out, what is outdated after it, and what whoever asked has to be told. It is one table, for all who talk to brokers.
package kafkaerr
