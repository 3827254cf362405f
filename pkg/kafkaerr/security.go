package kafkaerr

import (
	"slices"
	"strings"
)

// Reasons of a SecurityError.
const (
	// ReasonAuthenticationFailed: the brokers do not accept who the client says it is.
	ReasonAuthenticationFailed = "AuthenticationFailed"
	// ReasonTLSFailed: the two sides do not agree on TLS, or the client does not trust the broker's certificate.
	ReasonTLSFailed = "TLSFailed"
	// ReasonCredentialsUnavailable: the client has not got what it should authenticate with.
	ReasonCredentialsUnavailable = "CredentialsUnavailable"
	// ReasonAddressNotAllowed: the target's Addresses do not allow where a broker is said to be.
	ReasonAddressNotAllowed = "AddressNotAllowed"
	// ReasonAddressUnknown: whether they allow it is not known yet.
	ReasonAddressUnknown = "AddressUnknown"
	// ReasonClusterReplaced: another cluster answers at the addresses of the one that is meant.
	ReasonClusterReplaced = "ClusterReplaced"
)

// SecurityError says why a connection could not be made safe, or was not let in. It is inside of an *UnreachableError. Its text names
// no secrets, and is the same each time for the same cause.
type SecurityError struct {
	Reason string
	Text   string
}

func (e *SecurityError) Error() string { return e.Text }

// SecurityErrors are the different ones in err, by text.
func SecurityErrors(err error) []*SecurityError {
	all := All[*SecurityError](err)
	slices.SortStableFunc(all, func(a, b *SecurityError) int { return strings.Compare(a.Text, b.Text) })
	var different []*SecurityError
	for _, e := range all {
		if !slices.ContainsFunc(different, func(o *SecurityError) bool { return *o == *e }) {
			different = append(different, e)
		}
	}
	return different
}
