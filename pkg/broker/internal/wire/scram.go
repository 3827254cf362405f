package wire

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"
)

const (
	// minIterations is Kafka's own lower limit: with fewer a listener could learn the password by trying.
	minIterations = 4096
	// maxIterations bounds the work that a stranger can ask for; Kafka's brokers allow 16,384.
	maxIterations = 1 << 18
)

// scram is the client's side of one SCRAM exchange (RFC 5802). As Kafka does, it takes user name and password as they are: UTF-8
// without SASLprep.
type scram struct {
	hash     func() hash.Hash
	password string
	nonce    string
	// bare is the first message without its header, serverFirst the answer: both are signed.
	bare            string
	serverSignature []byte
}

func newScram(config *SASLConfig) *scram {
	s := &scram{hash: sha512.New, password: config.Password, nonce: rand.Text()}
	if config.Mechanism == MechanismScramSHA256 {
		s.hash = sha256.New
	}
	name := strings.NewReplacer("=", "=3D", ",", "=2C").Replace(config.Username)
	s.bare = "n=" + name + ",r=" + s.nonce
	return s
}

// first is what the client sends first: who it is, and that it asks for no channel binding.
func (s *scram) first() []byte { return []byte("n,," + s.bare) }

// final answers the server's challenge with a proof that the password is known.
func (s *scram) final(challenge []byte) ([]byte, error) {
	fields, err := scramFields(challenge)
	if err != nil {
		return nil, err
	}
	nonce, iterationText := fields["r"], fields["i"]
	if !strings.HasPrefix(nonce, s.nonce) || nonce == s.nonce {
		return nil, errors.New("the challenge does not answer this client's nonce")
	}
	salt, err := base64.StdEncoding.DecodeString(fields["s"])
	if err != nil || len(salt) == 0 {
		return nil, errors.New("the challenge has no salt")
	}
	iterations, err := strconv.Atoi(iterationText)
	if err != nil || iterations < minIterations || iterations > maxIterations {
		return nil, fmt.Errorf("the challenge asks for %q iterations, want %d to %d", iterationText, minIterations, maxIterations)
	}
	salted, err := pbkdf2.Key(s.hash, s.password, salt, iterations, s.hash().Size())
	if err != nil {
		return nil, err
	}
	clientKey := s.mac(salted, "Client Key")
	stored := s.hash()
	stored.Write(clientKey)
	// "biws" is the base64 of the header "n,,".
	withoutProof := "c=biws,r=" + nonce
	signed := s.bare + "," + string(challenge) + "," + withoutProof
	proof := s.mac(stored.Sum(nil), signed)
	for i := range proof {
		proof[i] ^= clientKey[i]
	}
	s.serverSignature = s.mac(s.mac(salted, "Server Key"), signed)
	return []byte(withoutProof + ",p=" + base64.StdEncoding.EncodeToString(proof)), nil
}

// verify checks that the server knows the password, too.
func (s *scram) verify(answer []byte) error {
	fields, err := scramFields(answer)
	if err != nil {
		return err
	}
	if problem, failed := fields["e"]; failed {
		return errors.New(problem)
	}
	signature, err := base64.StdEncoding.DecodeString(fields["v"])
	if err != nil || s.serverSignature == nil || !hmac.Equal(signature, s.serverSignature) {
		return errors.New("the broker does not prove that it knows the password")
	}
	return nil
}

func (s *scram) mac(key []byte, text string) []byte {
	m := hmac.New(s.hash, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// scramFields splits a message such as "r=abc,s=def,i=4096".
func scramFields(message []byte) (map[string]string, error) {
	fields := map[string]string{}
	for part := range bytes.SplitSeq(message, []byte(",")) {
		key, value, ok := strings.Cut(string(part), "=")
		if !ok || len(key) != 1 {
			return nil, errors.New("the broker's answer is no SCRAM message")
		}
		if key == "m" {
			return nil, errors.New("the broker asks for a SCRAM extension that is not known")
		}
		fields[key] = value
	}
	return fields, nil
}
