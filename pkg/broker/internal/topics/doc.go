// Package topics is about the changes of topics: create, grow, configure, elect, move, delete.
package topics
