// Package records is about records that are written, read and deleted.
package records
