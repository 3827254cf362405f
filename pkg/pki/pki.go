// Package pki makes certificate authorities and the certificates that they issue.
// It is pure: it keeps nothing and talks to nobody.
package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// backdate allows for clocks that are behind.
const backdate = 5 * time.Minute

// Pair is a certificate with its key, both as PEM.
type Pair struct {
	Cert []byte
	Key  []byte
}

// NewAuthority makes a self-signed authority that is valid from now on.
func NewAuthority(name string, now time.Time, validity time.Duration) (Pair, error) {
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(validity),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	pair, err := issue(template, nil, nil)
	if err != nil {
		return Pair{}, fmt.Errorf("make authority %s: %w", name, err)
	}
	return pair, nil
}

// IssueServer makes a serving certificate for DNS names, signed by an authority and never outliving it.
func IssueServer(authority Pair, dnsNames []string, now time.Time, validity time.Duration) (Pair, error) {
	if len(dnsNames) == 0 {
		return Pair{}, errors.New("issue a serving certificate: no DNS names")
	}
	ca, key, err := parse(authority)
	if err != nil {
		return Pair{}, fmt.Errorf("read the authority: %w", err)
	}
	until := now.Add(validity)
	if until.After(ca.NotAfter) {
		until = ca.NotAfter
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: dnsNames[0]},
		DNSNames:    dnsNames,
		NotBefore:   now.Add(-backdate),
		NotAfter:    until,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	pair, err := issue(template, ca, key)
	if err != nil {
		return Pair{}, fmt.Errorf("issue a serving certificate for %v: %w", dnsNames, err)
	}
	return pair, nil
}

// RenewAt is when a certificate should be replaced: after two thirds of its life.
func RenewAt(cert []byte) (time.Time, error) {
	c, err := parseCert(cert)
	if err != nil {
		return time.Time{}, err
	}
	return c.NotAfter.Add(-c.NotAfter.Sub(c.NotBefore) / 3), nil
}

// IssuedBy tells whether an authority signed a certificate.
func IssuedBy(cert, authority []byte) bool {
	c, err := parseCert(cert)
	if err != nil {
		return false
	}
	ca, err := parseCert(authority)
	return err == nil && c.CheckSignatureFrom(ca) == nil
}

// CanIssue tells whether a pair is an authority with its own key.
func CanIssue(authority Pair) bool {
	ca, key, err := parse(authority)
	if err != nil || !ca.IsCA {
		return false
	}
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(ca.PublicKey)
}

// Bundle puts an authority in front of those of an older bundle, leaving out the expired ones.
func Bundle(authority, older []byte, now time.Time) []byte {
	bundle := bytes.Clone(authority)
	for rest := older; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return bundle
		}
		encoded := pem.EncodeToMemory(block)
		if c, err := x509.ParseCertificate(block.Bytes); err != nil || now.After(c.NotAfter) || bytes.Contains(bundle, encoded) {
			continue
		}
		bundle = append(bundle, encoded...)
	}
}

func issue(template, parent *x509.Certificate, signer crypto.Signer) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126)); err != nil {
		return Pair{}, err
	}
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return Pair{}, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, err
	}
	return Pair{
		Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}, nil
}

func parse(pair Pair) (*x509.Certificate, crypto.Signer, error) {
	cert, err := parseCert(pair.Cert)
	if err != nil {
		return nil, nil, err
	}
	block, _ := pem.Decode(pair.Key)
	if block == nil {
		return nil, nil, errors.New("the key is no PEM block")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("parse the key: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, nil, fmt.Errorf("the key is a %T, which cannot sign", key)
	}
	return cert, signer, nil
}

func parseCert(content []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, errors.New("the certificate is no PEM block")
	}
	return x509.ParseCertificate(block.Bytes)
}
