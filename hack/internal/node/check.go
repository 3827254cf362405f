package node

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"kafka.openshift.io/kafka-apiserver/hack/internal/netns"
	"kafka.openshift.io/kafka-apiserver/hack/internal/pki"
)

// checkTimeout bounds one look at a part's health.
const checkTimeout = 3 * time.Second

// A check returns nil if a part is healthy.
type check func(ctx context.Context) error

// httpCheck asks a URL inside the namespace. Loopback certificates are made by the parts themselves, so it trusts any.
func httpCheck(url string) check {
	return func(ctx context.Context) error {
		transport := &http.Transport{DialContext: netns.Dial, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
		return get(ctx, &http.Client{Transport: transport}, url)
	}
}

// tlsCheck asks a URL from outside the namespace as the admin, trusting the cluster's authority only. It so tells the way
// in, too.
func tlsCheck(l Layout, url string) check {
	return func(ctx context.Context) error {
		keys := pki.Dir{Path: l.pki()}
		pair, err := tls.LoadX509KeyPair(keys.Cert(admin), keys.Key(admin))
		if err != nil {
			return fmt.Errorf("reading the admin's certificate: %w", err)
		}
		ca, err := os.ReadFile(keys.Cert(authority))
		if err != nil {
			return fmt.Errorf("reading the authority: %w", err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(ca)
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}, DisableKeepAlives: true}
		return get(ctx, &http.Client{Transport: transport}, url)
	}
}

func get(ctx context.Context, client *http.Client, url string) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 500)) // only to say more
		return fmt.Errorf("GET %s: %s: %s", url, resp.Status, bytes.TrimSpace(body))
	}
	return nil
}

func commandCheck(args ...string) check {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		defer cancel()
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
		}
		return nil
	}
}
