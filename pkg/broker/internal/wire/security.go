package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"reflect"
	"slices"
	"strings"
)

// Mechanisms of SASL that a connection can be authenticated with.
const (
	MechanismPlain       = "PLAIN"
	MechanismScramSHA256 = "SCRAM-SHA-256"
	MechanismScramSHA512 = "SCRAM-SHA-512"
)

// SecurityConfig says how connections to a cluster are encrypted and authenticated.
type SecurityConfig struct {
	// TLS encrypts connections; nil leaves them in clear text.
	TLS *TLSConfig
	// SASL authenticates them; nil for listeners that do not ask for it.
	SASL *SASLConfig
}

// TLSConfig is one side's part of TLS. Brokers' certificates are always verified.
type TLSConfig struct {
	// Authorities are the certificates, as PEM, that brokers' certificates must come from; the system's when empty.
	Authorities []byte
	// Certificate and Key, as PEM, are what the client shows to brokers that ask for it; both or none.
	Certificate, Key []byte
	// ServerName is the name that brokers' certificates must be valid for; when empty it is the host of the address in use.
	ServerName string
}

// SASLConfig is who the client is.
type SASLConfig struct {
	Mechanism          string
	Username, Password string
}

// String leaves the password out, for whoever prints a value that holds one.
func (c SASLConfig) String() string { return fmt.Sprintf("%s as %q", c.Mechanism, c.Username) }

// GoString is String for %#v.
func (c SASLConfig) GoString() string { return c.String() }

// Security is a SecurityConfig that was read and found usable. It never changes; a nil one means clear text and no authentication.
type Security struct {
	Config SecurityConfig
	tls    *tls.Config
}

// NewSecurity reads a SecurityConfig. Its errors say what is wrong and never contain anything secret.
func NewSecurity(config SecurityConfig) (*Security, error) {
	s := &Security{Config: config}
	if c := config.TLS; c != nil {
		s.tls = &tls.Config{MinVersion: tls.VersionTLS12}
		if len(c.Authorities) > 0 {
			authorities, err := ParseCertificates(c.Authorities)
			if err != nil {
				return nil, fmt.Errorf("read the authorities: %w", err)
			}
			s.tls.RootCAs = x509.NewCertPool()
			for _, authority := range authorities {
				s.tls.RootCAs.AddCert(authority)
			}
		}
		if len(c.Certificate)+len(c.Key) > 0 {
			pair, err := tls.X509KeyPair(c.Certificate, c.Key)
			if err != nil {
				return nil, fmt.Errorf("read the client certificate: %w", err)
			}
			s.tls.Certificates = []tls.Certificate{pair}
		}
	}
	if c := config.SASL; c != nil {
		switch {
		case !slices.Contains([]string{MechanismPlain, MechanismScramSHA256, MechanismScramSHA512}, c.Mechanism):
			return nil, fmt.Errorf("the SASL mechanism %q is not known", c.Mechanism)
		case c.Username == "":
			return nil, errors.New("the user name is empty")
		case c.Password == "":
			return nil, errors.New("the password is empty")
		case strings.ContainsRune(c.Username+c.Password, 0):
			return nil, errors.New("user name and password cannot contain a NUL character")
		}
	}
	return s, nil
}

// ParseCertificates reads one or more certificates in PEM. Text between the blocks is ignored, as openssl writes it there; a block
// of another type is an error.
func ParseCertificates(text []byte) ([]*x509.Certificate, error) {
	var certificates []*x509.Certificate
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("a PEM block is a %s, want a CERTIFICATE", block.Type)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(certificates)+1, err)
		}
		certificates = append(certificates, certificate)
	}
	if len(certificates) == 0 {
		return nil, errors.New("there is no certificate in PEM format")
	}
	return certificates, nil
}

// Equal tells whether connections opened under s are as good as new ones under o.
func (s *Security) Equal(o *Security) bool {
	return s == o || s != nil && o != nil && reflect.DeepEqual(s.Config, o.Config)
}

// clientTLS is the configuration for one address; nil for clear text.
func (s *Security) clientTLS(addr string) *tls.Config {
	if s == nil || s.tls == nil {
		return nil
	}
	config := s.tls.Clone()
	config.ServerName = s.Config.TLS.ServerName
	if config.ServerName == "" {
		if host, _, err := net.SplitHostPort(addr); err == nil {
			config.ServerName = host
		}
	}
	return config
}

func (s *Security) sasl() *SASLConfig {
	if s == nil {
		return nil
	}
	return s.Config.SASL
}

// SecuritySource gives the Security for connections that are opened now. It is asked before every request, so as a rule it answers
// from memory; when it has to look something up it honours the context. Connections under another Security than the last one given
// are not used again.
type SecuritySource interface {
	Security(ctx context.Context) (*Security, error)
}
