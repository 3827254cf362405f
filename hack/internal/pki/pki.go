// Package pki makes the authorities, certificates and keys of the local cluster. It keeps them in plain files and is for
// nothing but a test bed.
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
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	authorityLife   = 10 * 365 * 24 * time.Hour
	certificateLife = 365 * 24 * time.Hour
	// renewBefore leaves a cluster that is brought up today a month before anything expires.
	renewBefore = 30 * 24 * time.Hour
)

// A Dir is a folder of authorities, certificates and keys: NAME.crt and NAME.key each.
type Dir struct {
	Path string
	Now  func() time.Time
}

// A Subject says what a certificate is issued for.
type Subject struct {
	CommonName    string
	Organizations []string
	DNSNames      []string
	IPs           []string
}

// An Authority signs certificates.
type Authority struct {
	dir  Dir
	name string
	cert *x509.Certificate
	key  crypto.Signer
}

// Cert is the file of the certificate name.
func (d Dir) Cert(name string) string { return filepath.Join(d.Path, name+".crt") }

// Key is the file of the private key name.
func (d Dir) Key(name string) string { return filepath.Join(d.Path, name+".key") }

// Public is the file of the public key name, made by KeyPair.
func (d Dir) Public(name string) string { return filepath.Join(d.Path, name+".pub") }

// Authority returns the authority name, making it if it is missing or close to its end.
func (d Dir) Authority(name string) (*Authority, error) {
	cert, key, err := d.load(name)
	if err == nil && d.Now().Before(cert.NotAfter.Add(-certificateLife)) {
		return &Authority{dir: d, name: name, cert: cert, key: key}, nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		NotAfter:              d.Now().Add(authorityLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	cert, key, err = d.issue(name, template, nil)
	if err != nil {
		return nil, fmt.Errorf("making authority %s: %w", name, err)
	}
	return &Authority{dir: d, name: name, cert: cert, key: key}, nil
}

// Issue makes sure that the certificate name exists, is for exactly that subject, signed by this authority and far from
// its end. It serves servers and clients alike.
func (a *Authority) Issue(name string, subject Subject) error {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: subject.CommonName, Organization: subject.Organizations},
		NotAfter:    a.dir.Now().Add(certificateLife),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		DNSNames:    subject.DNSNames,
	}
	for _, s := range subject.IPs {
		ip := net.ParseIP(s)
		if ip == nil {
			return fmt.Errorf("issuing certificate %s: %q is not an IP address", name, s)
		}
		template.IPAddresses = append(template.IPAddresses, ip)
	}
	cert, _, err := a.dir.load(name)
	if err == nil && a.stillGood(cert, template) {
		return nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if _, _, err := a.dir.issue(name, template, a); err != nil {
		return fmt.Errorf("issuing certificate %s: %w", name, err)
	}
	return nil
}

func (a *Authority) stillGood(cert, want *x509.Certificate) bool {
	return cert.CheckSignatureFrom(a.cert) == nil &&
		a.dir.Now().Before(cert.NotAfter.Add(-renewBefore)) &&
		cert.Subject.CommonName == want.Subject.CommonName &&
		slices.Equal(cert.Subject.Organization, want.Subject.Organization) &&
		slices.Equal(cert.DNSNames, want.DNSNames) &&
		slices.EqualFunc(cert.IPAddresses, want.IPAddresses, net.IP.Equal)
}

// KeyPair makes sure that the key name and its public half exist.
func (d Dir) KeyPair(name string) error {
	if _, err := os.Stat(d.Public(name)); err == nil {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("making key %s: %w", name, err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("encoding key %s: %w", name, err)
	}
	if err := d.writeKey(name, key); err != nil {
		return err
	}
	// The public half comes last: it is the sign that both are there.
	return d.write(d.Public(name), "PUBLIC KEY", public, 0o644)
}

// issue signs template by the authority by, or by itself if there is none, and writes certificate and key.
func (d Dir) issue(name string, template *x509.Certificate, by *Authority) (*x509.Certificate, crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, err
	}
	// A clock that is a little behind must not refuse what was just issued.
	template.NotBefore = d.Now().Add(-time.Hour)
	parent, signer := template, crypto.Signer(key)
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, err
	}
	if err := d.writeKey(name, key); err != nil {
		return nil, nil, err
	}
	return cert, key, d.write(d.Cert(name), "CERTIFICATE", der, 0o644)
}

// load returns the certificate and key name; os.ErrNotExist if they are not there as a pair.
func (d Dir) load(name string) (*x509.Certificate, crypto.Signer, error) {
	certPEM, err := os.ReadFile(d.Cert(name))
	if err != nil {
		return nil, nil, fmt.Errorf("reading certificate: %w", err)
	}
	keyPEM, err := os.ReadFile(d.Key(name))
	if err != nil {
		return nil, nil, fmt.Errorf("reading key: %w", err)
	}
	certBlock, _ := pem.Decode(certPEM)
	keyBlock, _ := pem.Decode(keyPEM)
	if certBlock == nil || keyBlock == nil {
		return nil, nil, fmt.Errorf("certificate %s or its key is not PEM", name)
	}
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("parsing certificate %s: %w", name, err)
	}
	key, err := x509.ParseECPrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("parsing the key of %s: %w", name, err)
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		// Killed between writing the two: as good as missing.
		return nil, nil, fmt.Errorf("certificate %s is not for its key: %w", name, os.ErrNotExist)
	}
	return cert, key, nil
}

func (d Dir) writeKey(name string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("encoding key %s: %w", name, err)
	}
	return d.write(d.Key(name), "EC PRIVATE KEY", der, 0o600)
}

func (d Dir) write(file, kind string, der []byte, mode os.FileMode) error {
	if err := os.MkdirAll(d.Path, 0o755); err != nil {
		return fmt.Errorf("making the folder of %s: %w", file, err)
	}
	var out bytes.Buffer
	if err := pem.Encode(&out, &pem.Block{Type: kind, Bytes: der}); err != nil {
		return fmt.Errorf("encoding %s: %w", file, err)
	}
	tmp := file + ".tmp"
	if err := os.WriteFile(tmp, out.Bytes(), mode); err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	return os.Rename(tmp, file)
}
