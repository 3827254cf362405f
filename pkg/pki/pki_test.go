package pki

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

func mustAuthority(t *testing.T, name string, at time.Time, validity time.Duration) Pair {
	t.Helper()
	pair, err := NewAuthority(name, at, validity)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func mustServer(t *testing.T, authority Pair, at time.Time, validity time.Duration, names ...string) Pair {
	t.Helper()
	pair, err := IssueServer(authority, names, at, validity)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func certificate(t *testing.T, content []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(content)
	if block == nil {
		t.Fatal("no PEM block")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// trusts verifies as kube-apiserver does: the chain, the time, the name and the use.
func trusts(t *testing.T, bundle, leaf []byte, name string, at time.Time) error {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	_, err := certificate(t, leaf).Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: at,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	return err
}

func TestAServingCertificateIsTrustedThroughItsAuthority(t *testing.T) {
	authority := mustAuthority(t, "ours", now, 100*day)
	leaf := mustServer(t, authority, now, 90*day, "kafka-apiserver.kafka-system.svc", "localhost")
	other := mustAuthority(t, "theirs", now, 100*day)
	for _, tc := range []struct {
		rule   string
		bundle []byte
		name   string
		at     time.Time
		ok     bool
	}{
		{"by its first name", authority.Cert, "kafka-apiserver.kafka-system.svc", now, true},
		{"by its other names", authority.Cert, "localhost", now, true},
		{"by clocks that are behind", authority.Cert, "localhost", now.Add(-4 * time.Minute), true},
		{"to its last day", authority.Cert, "localhost", now.Add(90 * day), true},
		{"not longer", authority.Cert, "localhost", now.Add(90*day + time.Second), false},
		{"not by another name", authority.Cert, "kubernetes.default.svc", now, false},
		{"not by another authority", other.Cert, "localhost", now, false},
	} {
		if err := trusts(t, tc.bundle, leaf.Cert, tc.name, tc.at); (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.rule, err)
		}
	}
	if _, err := tls.X509KeyPair(leaf.Cert, leaf.Key); err != nil {
		t.Errorf("certificate and key do not serve: %v", err)
	}
	if certificate(t, leaf.Cert).IsCA || !certificate(t, authority.Cert).IsCA {
		t.Error("the leaf is an authority, or the authority is none")
	}
}

func TestACertificateNeverOutlivesItsAuthority(t *testing.T) {
	authority := mustAuthority(t, "ours", now, 10*day)
	leaf := mustServer(t, authority, now, 90*day, "localhost")
	if got, want := certificate(t, leaf.Cert).NotAfter, certificate(t, authority.Cert).NotAfter; !got.Equal(want) {
		t.Errorf("it ends on %s, its authority on %s", got, want)
	}
}

func TestTwoCertificatesAreNeverTheSame(t *testing.T) {
	authority := mustAuthority(t, "ours", now, 10*day)
	a, b := mustServer(t, authority, now, day, "localhost"), mustServer(t, authority, now, day, "localhost")
	if certificate(t, a.Cert).SerialNumber.Cmp(certificate(t, b.Cert).SerialNumber) == 0 || bytes.Equal(a.Key, b.Key) {
		t.Error("two certificates have one serial number or one key")
	}
}

func TestRenewalIsDueAfterTwoThirds(t *testing.T) {
	authority := mustAuthority(t, "ours", now, 100*day)
	leaf := mustServer(t, authority, now, 90*day, "localhost")
	at, err := RenewAt(leaf.Cert)
	if err != nil {
		t.Fatal(err)
	}
	if early, late := now.Add(60*day-time.Hour), now.Add(60*day+time.Hour); at.Before(early) || at.After(late) {
		t.Errorf("renewal is due on %s, want about %s", at, now.Add(60*day))
	}
}

func TestIssuedBy(t *testing.T) {
	ours, theirs := mustAuthority(t, "same name", now, day), mustAuthority(t, "same name", now, day)
	leaf := mustServer(t, ours, now, day, "localhost")
	if !IssuedBy(leaf.Cert, ours.Cert) {
		t.Error("a certificate is not known as its authority's")
	}
	for what, pair := range map[string][2][]byte{
		"another authority of that name": {leaf.Cert, theirs.Cert},
		"another leaf":                   {leaf.Cert, mustServer(t, ours, now, day, "x").Cert},
		"no authority":                   {leaf.Cert, nil},
		"no certificate":                 {nil, ours.Cert},
	} {
		if IssuedBy(pair[0], pair[1]) {
			t.Errorf("%s counts as the issuer", what)
		}
	}
}

func TestCanIssue(t *testing.T) {
	ours, theirs := mustAuthority(t, "ours", now, day), mustAuthority(t, "theirs", now, day)
	if !CanIssue(ours) {
		t.Error("an authority cannot issue")
	}
	for what, pair := range map[string]Pair{
		"nothing":                 {},
		"no key":                  {Cert: ours.Cert},
		"no certificate":          {Key: ours.Key},
		"another authority's key": {Cert: ours.Cert, Key: theirs.Key},
		"a serving certificate":   mustServer(t, ours, now, day, "localhost"),
	} {
		if CanIssue(pair) {
			t.Errorf("%s can issue", what)
		}
	}
}

func TestBundlesKeepWhatIsStillValid(t *testing.T) {
	count := func(bundle []byte) int { return strings.Count(string(bundle), "BEGIN CERTIFICATE") }
	oldest := mustAuthority(t, "oldest", now.Add(-20*day), 10*day) // expired
	old := mustAuthority(t, "old", now.Add(-5*day), 10*day)
	current := mustAuthority(t, "current", now, 10*day)

	bundle := Bundle(current.Cert, append(bytes.Clone(old.Cert), oldest.Cert...), now)
	if count(bundle) != 2 || !bytes.HasPrefix(bundle, current.Cert) || !bytes.Contains(bundle, old.Cert) {
		t.Errorf("the bundle has %d certificates, want the current one first and the old one", count(bundle))
	}
	if again := Bundle(current.Cert, bundle, now); !bytes.Equal(again, bundle) {
		t.Error("bundling twice is not bundling once")
	}
	if later := Bundle(current.Cert, bundle, now.Add(6*day)); !bytes.Equal(later, current.Cert) {
		t.Errorf("the old authority stays in the bundle after it has expired: %d certificates", count(later))
	}
	if clean := Bundle(current.Cert, []byte("-----BEGIN CERTIFICATE-----\nZ2FyYmFnZQ==\n-----END CERTIFICATE-----\n"), now); !bytes.Equal(clean, current.Cert) {
		t.Error("what is no certificate stays in the bundle")
	}
	// The caller's slice may be the content of a shared object.
	whole := append(make([]byte, 0, 2*len(current.Cert)+len(old.Cert)), current.Cert...)
	_ = Bundle(whole, old.Cert, now)
	if !bytes.Equal(whole[:len(current.Cert)], current.Cert) || bytes.Contains(whole[:cap(whole)], old.Cert) {
		t.Error("the bundle was written into the caller's slice")
	}
}

func TestWhatCannotBeUsedIsAnError(t *testing.T) {
	ours, theirs := mustAuthority(t, "ours", now, day), mustAuthority(t, "theirs", now, day)
	for what, try := range map[string]func() error{
		"no names": func() error { _, err := IssueServer(ours, nil, now, day); return err },
		"an authority without certificate": func() error {
			_, err := IssueServer(Pair{Key: ours.Key}, []string{"x"}, now, day)
			return err
		},
		"an authority without key": func() error {
			_, err := IssueServer(Pair{Cert: ours.Cert}, []string{"x"}, now, day)
			return err
		},
		"an authority with another's key": func() error {
			_, err := IssueServer(Pair{Cert: ours.Cert, Key: theirs.Key}, []string{"x"}, now, day)
			return err
		},
		"the life of no certificate": func() error { _, err := RenewAt([]byte("x")); return err },
	} {
		if try() == nil {
			t.Errorf("%s: no error", what)
		}
	}
}
