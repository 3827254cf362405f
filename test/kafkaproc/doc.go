// Package kafkaproc runs real Apache Kafka and ZooKeeper as child processes on loopback, for tests and for a developer's
// machine. It provisions the distributions itself, as jars from the package registry through Maven, and never uses a
// Kafka that happens to be installed.
//
// The processes die with the program that started them: each is the leader of a process group that Close kills, and each
// is started from an operating-system thread that lives as long as the process does, because Linux delivers the parent
// death signal when the starting thread ends, not the program.
package kafkaproc
