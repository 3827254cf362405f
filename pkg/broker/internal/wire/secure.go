package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// This file makes a connection safe before sarama gets it. sarama could do TLS and SASL itself, but then the socket that kmsg writes
// to would be below TLS, sarama would renew a SASL session (KIP-368) only before its own requests, and its errors lack the broker's
// words.

// encrypt does the TLS handshake on a connection to an address, when there is to be one.
func encrypt(ctx context.Context, conn net.Conn, addr string, security *Security) (net.Conn, error) {
	config := security.clientTLS(addr)
	if config == nil {
		return conn, nil
	}
	encrypted := tls.Client(conn, config)
	if err := encrypted.HandshakeContext(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, tlsProblem(addr, err)
	}
	return encrypted, nil
}

// tlsProblem puts a failed handshake into words. Those of crypto/x509 about dates name the current time, which would make each failure
// look like news.
func tlsProblem(addr string, err error) error {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	text := ""
	switch {
	case errors.As(err, &authority):
		text = "the broker's certificate is not signed by a trusted authority"
		if authority.Cert != nil {
			text += fmt.Sprintf(" (its issuer is %q)", authority.Cert.Issuer)
		}
		text += ": " + authority.Error()
	case errors.As(err, &name):
		text = "the broker's certificate is for another name: " + name.Error()
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		text = fmt.Sprintf("x509: the certificate of %q is valid from %s to %s only", invalid.Cert.Subject,
			invalid.Cert.NotBefore.Format(time.RFC3339), invalid.Cert.NotAfter.Format(time.RFC3339))
	case errors.As(err, &invalid):
		text = "the broker's certificate is not valid: " + invalid.Error()
	case errors.As(err, &record):
		text = "the listener at " + addr + " does not speak TLS"
	case isRemoteAlert(err):
		text = "the broker refuses the TLS handshake: " + lastWords(err)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		text = "the listener at " + addr + " closes the connection when asked for TLS: it may not speak TLS"
	default:
		text = "the TLS handshake failed: " + lastWords(err)
	}
	return &kafkaerr.SecurityError{Reason: kafkaerr.ReasonTLSFailed, Text: text}
}

// isRemoteAlert tells whether the other side said, in TLS, what it does not like. crypto/tls marks such errors in no other way.
func isRemoteAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// lastWords is an error without the addresses that package net puts before it: the local port is another one each time.
func lastWords(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err.Error()
	}
	return err.Error()
}

// authenticate tells the broker who the client is, on a connection that nothing was sent on. It returns how long the broker will
// believe it, 0 for ever.
func authenticate(l *Link, config *SASLConfig) (time.Duration, error) {
	handshake := kmsg.NewPtrSASLHandshakeRequest()
	handshake.Version, handshake.Mechanism = 1, config.Mechanism
	answer, err := l.roundTrip(handshake)
	if err != nil {
		return 0, saslBroken(l, err)
	}
	switch r := answer.(*kmsg.SASLHandshakeResponse); r.ErrorCode {
	case 0:
	case kafkaerr.IllegalSaslState:
		return 0, notAuthenticated("the listener does not authenticate with SASL")
	default:
		// Brokers name them in any order.
		slices.Sort(r.SupportedMechanisms)
		return 0, notAuthenticated(fmt.Sprintf("the listener offers the SASL mechanisms %s and not %s (%s)",
			strings.Join(r.SupportedMechanisms, ", "), config.Mechanism, kafkaerr.Name(r.ErrorCode)))
	}
	if config.Mechanism == MechanismPlain {
		_, life, err := saslStep(l, config, []byte("\x00"+config.Username+"\x00"+config.Password))
		return life, err
	}
	exchange := newScram(config)
	challenge, _, err := saslStep(l, config, exchange.first())
	if err != nil {
		return 0, err
	}
	proof, err := exchange.final(challenge)
	if err != nil {
		return 0, notAuthenticated(config.String() + ": " + err.Error())
	}
	verdict, life, err := saslStep(l, config, proof)
	if err != nil {
		return 0, err
	}
	if err := exchange.verify(verdict); err != nil {
		return 0, notAuthenticated(config.String() + ": " + err.Error())
	}
	return life, nil
}

func saslStep(l *Link, config *SASLConfig, message []byte) ([]byte, time.Duration, error) {
	request := kmsg.NewPtrSASLAuthenticateRequest()
	request.Version, request.SASLAuthBytes = 1, message
	answer, err := l.roundTrip(request)
	if err != nil {
		return nil, 0, saslBroken(l, err)
	}
	r := answer.(*kmsg.SASLAuthenticateResponse)
	if r.ErrorCode != 0 {
		said := kafkaerr.Name(r.ErrorCode)
		if r.ErrorMessage != nil && *r.ErrorMessage != "" {
			said = *r.ErrorMessage + " (" + said + ")"
		}
		return nil, 0, notAuthenticated("the brokers do not accept " + config.String() + ": " + said)
	}
	return r.SASLAuthBytes, time.Duration(r.SessionLifetimeMillis) * time.Millisecond, nil
}

func notAuthenticated(text string) error {
	return &kafkaerr.SecurityError{Reason: kafkaerr.ReasonAuthenticationFailed, Text: text}
}

// saslBroken is for a broker that hangs up instead of saying what it does not like, as some do over a wrong password.
func saslBroken(l *Link, err error) error {
	if problem := l.Conn.problem(); problem != nil {
		return problem
	}
	if errors.Is(err, io.EOF) {
		return notAuthenticated("the broker closed the connection during authentication")
	}
	return err
}

// problem is what the bytes of a connection tell of why it broke; nil when they tell nothing.
func (c *countedConn) problem() error {
	if alert := c.alert.Load(); alert != nil {
		// With TLS 1.3 the client has finished its handshake before the broker looks at its certificate.
		return &kafkaerr.SecurityError{Reason: kafkaerr.ReasonTLSFailed, Text: "the broker refuses the TLS handshake: " + *alert}
	}
	if c.tlsAnswer.Load() {
		return &kafkaerr.SecurityError{Reason: kafkaerr.ReasonTLSFailed, Text: "the listener speaks TLS, and the connection is in clear text"}
	}
	return c.Intake.Refusal()
}

// Read keeps what problem looks for, and ends before an answer that there is no room for.
func (c *countedConn) Read(b []byte) (int, error) {
	if refused := c.Intake.Refusal(); refused != nil {
		return 0, refused
	}
	n, err := c.Conn.Read(b)
	if err != nil && isRemoteAlert(err) {
		words := lastWords(err)
		c.alert.Store(&words)
	}
	// An alert of TLS, which as the size of an answer would be 350 MB.
	if n >= 2 && c.read.Add(int64(n)) == int64(n) && b[0] == 0x15 && b[1] == 0x03 {
		c.tlsAnswer.Store(true)
	}
	if err != nil && errors.Is(context.Cause(c.Intake.Ctx), ErrLate) {
		err = ErrLate
	}
	if refused := c.Intake.Follow(b[:n], c.cut); refused != nil {
		c.Intake.refused.Store(&refused)
		c.cut()
		return 0, refused
	}
	return n, err
}

// expiry is when to stop using a connection that was authenticated for a time, with some to spare for a request under way.
func expiry(now time.Time, life time.Duration) time.Time {
	if life <= 0 {
		return time.Time{}
	}
	return now.Add(life * 4 / 5)
}
