package pki

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestCertificateIsValidForItsSubject(t *testing.T) {
	dir := Dir{Path: t.TempDir(), Now: time.Now}
	ca, err := dir.Authority("ca")
	if err != nil {
		t.Fatal(err)
	}
	subject := Subject{CommonName: "kube-apiserver", DNSNames: []string{"localhost"}, IPs: []string{"10.240.0.1"}}
	if err := ca.Issue("server", subject); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(dir.Cert("server"), dir.Key("server"))
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	caPEM, err := os.ReadFile(dir.Cert("ca"))
	if err != nil || !roots.AppendCertsFromPEM(caPEM) {
		t.Fatalf("reading the authority: %v", err)
	}
	for _, name := range []string{"localhost", "10.240.0.1"} {
		if _, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots}); err != nil {
			t.Errorf("for %s: %v", name, err)
		}
	}
	if _, err := leaf.Verify(x509.VerifyOptions{DNSName: "other", Roots: roots}); err == nil {
		t.Error("valid for a name that was not asked for")
	}
}

func TestCertificateIsKeptUntilSomethingChanges(t *testing.T) {
	now := time.Now()
	dir := Dir{Path: t.TempDir(), Now: func() time.Time { return now }}
	serial := func(subject Subject) string {
		t.Helper()
		ca, err := dir.Authority("ca")
		if err != nil {
			t.Fatal(err)
		}
		if err := ca.Issue("c", subject); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(dir.Cert("c"))
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(content)
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		return cert.SerialNumber.String()
	}
	a := Subject{CommonName: "a", IPs: []string{"10.0.0.1"}}
	first := serial(a)
	if serial(a) != first {
		t.Error("reissued though nothing changed")
	}
	second := serial(Subject{CommonName: "a", IPs: []string{"10.0.0.2"}})
	if second == first {
		t.Error("not reissued for another address")
	}
	now = now.Add(certificateLife - renewBefore + time.Hour)
	if serial(Subject{CommonName: "a", IPs: []string{"10.0.0.2"}}) == second {
		t.Error("not reissued before its end")
	}
	if err := os.Remove(dir.Cert("ca")); err != nil {
		t.Fatal(err)
	}
	third := serial(a)
	if serial(a) != third {
		t.Error("reissued though nothing changed after the authority was replaced")
	}
}

func TestKubeconfigIsWrittenOnlyWhenItChanges(t *testing.T) {
	dir := Dir{Path: t.TempDir(), Now: time.Now}
	ca, err := dir.Authority("ca")
	if err != nil {
		t.Fatal(err)
	}
	if err := ca.Issue("admin", Subject{CommonName: "admin", Organizations: []string{"system:masters"}}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir.Path, "sub", "kubeconfig")
	if err := dir.Kubeconfig(file, "local", "https://10.240.0.1:6443", "ca", "admin"); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if before.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v, want readable by its owner only", before.Mode())
	}
	if err := dir.Kubeconfig(file, "local", "https://10.240.0.1:6443", "ca", "admin"); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(file)
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("rewritten though nothing changed: %v", err)
	}
}
