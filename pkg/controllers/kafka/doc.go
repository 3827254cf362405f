// Package kafka runs Kafka objects on StatefulSets. It observes Kafkas, what they made in the host, and the brokers; it writes
// host objects by server-side apply, and the Kafka's status. It never deletes a claim, deletes a pod only to have it made anew when package
// roll allows that, and deletes a cluster only when its Kafka is known to have been deleted (gone.go).
//
// One sync, in order: who the cluster is (identity.go) → status → anchor → how many brokers may run (scale.go) → claims
// (claims.go) → Services, configuration, disruption budgets, StatefulSets (apply.go) → brokers that left (scale.go) → which pods are to be restarted (roll.go) → status
// (status.go) → restarts. Each step derives what to do from the world or from what an earlier step stored, so a crash at any point resumes.
package kafka
