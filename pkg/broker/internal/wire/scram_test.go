package wire

import (
	"strings"
	"testing"
)

// The example of RFC 7677, section 3.
func TestScramVector(t *testing.T) {
	s := newScram(&SASLConfig{Mechanism: MechanismScramSHA256, Username: "user", Password: "pencil"})
	s.nonce = "rOprNGfwEbeRWgbNEkqO"
	s.bare = "n=user,r=" + s.nonce
	if got := string(s.first()); got != "n,,n=user,r=rOprNGfwEbeRWgbNEkqO" {
		t.Errorf("first message %q", got)
	}
	proof, err := s.final([]byte("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"))
	if err != nil {
		t.Fatal(err)
	}
	want := "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
	if string(proof) != want {
		t.Errorf("final message %q, want %q", proof, want)
	}
	if err := s.verify([]byte("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")); err != nil {
		t.Error(err)
	}
	for _, answer := range []string{"v=AAAA", "e=other-error", "", "v"} {
		if err := s.verify([]byte(answer)); err == nil {
			t.Errorf("a server is believed that says %q", answer)
		}
	}
}

func TestScramRefusesAServerThatCheats(t *testing.T) {
	for name, challenge := range map[string]string{
		"nonce of its own":    "r=abc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		"no nonce of its own": "r=NONCE,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		"few iterations":      "r=NONCEx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1",
		"work without end":    "r=NONCEx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1000000000",
		"no salt":             "r=NONCEx,s=,i=4096",
		"an extension":        "m=x,r=NONCEx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		"nothing":             "",
	} {
		s := newScram(&SASLConfig{Mechanism: MechanismScramSHA512, Username: "user", Password: "pencil"})
		if _, err := s.final([]byte(strings.ReplaceAll(challenge, "NONCE", s.nonce))); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzScramFields(f *testing.F) {
	f.Add([]byte("r=a,s=b,i=4096"))
	f.Fuzz(func(t *testing.T, message []byte) {
		fields, err := scramFields(message)
		if (err == nil) != (fields != nil) {
			t.Errorf("%q: %v, %v", message, fields, err)
		}
	})
}
