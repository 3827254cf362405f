// Package topic makes the brokers have what KafkaTopics say, for whatever the API server could not do at request time: topics
// that were stored while brokers were away, and topics that were changed outside. It observes KafkaTopics, Kafkas and brokers; it
// writes to brokers and to the topics' status, and to a spec only what the brokers chose or somebody did outside. It never
// deletes a topic that has an object, and never deletes one because an object is gone: the API server does that by topic id.
package topic
