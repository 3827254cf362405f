//go:build integration

package harness

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/pki"
)

const certificateLife = 24 * time.Hour

// writeFrontProxy makes the authority of the front proxy and the client certificate that kube-apiserver shows as such.
func writeFrontProxy(dir string) error {
	now := time.Now()
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "front-proxy-ca"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLife), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	authorityDER, err := x509.CreateCertificate(rand.Reader, authority, authority, authorityKey.Public(), authorityKey)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	client := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "front-proxy"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	clientDER, err := x509.CreateCertificate(rand.Reader, client, authority, key.Public(), authorityKey)
	if err != nil {
		return err
	}
	if err := writeCertificate(filepath.Join(dir, "front-proxy-ca.crt"), authorityDER); err != nil {
		return err
	}
	if err := writeCertificate(filepath.Join(dir, "front-proxy.crt"), clientDER); err != nil {
		return err
	}
	return writeKey(filepath.Join(dir, "front-proxy.key"), key)
}

// writeServiceAccountKey makes the key that signs service account tokens.
func writeServiceAccountKey(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	return writeKey(filepath.Join(dir, "service-accounts.key"), key)
}

func writeCertificate(file string, der []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
}

func writeKey(file string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}

// writeServing makes a serving certificate for localhost and returns the file of its authority.
func writeServing(dir string) (authority string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	ca, err := pki.NewAuthority("integration", time.Now(), certificateLife)
	if err != nil {
		return "", err
	}
	leaf, err := pki.IssueServer(ca, []string{"localhost"}, time.Now(), certificateLife)
	if err != nil {
		return "", err
	}
	for name, content := range map[string][]byte{"ca.crt": ca.Cert, "tls.crt": leaf.Cert, "tls.key": leaf.Key} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return "", err
		}
	}
	return filepath.Join(dir, "ca.crt"), nil
}
