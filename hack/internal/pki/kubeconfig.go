package pki

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"text/template"
)

var kubeconfigTemplate = template.Must(template.New("kubeconfig").Parse(`apiVersion: v1
kind: Config
current-context: {{.Name}}
clusters:
- name: {{.Name}}
  cluster:
    server: {{.Server}}
    certificate-authority-data: {{.CA}}
users:
- name: {{.User}}
  user:
    client-certificate-data: {{.Cert}}
    client-key-data: {{.Key}}
contexts:
- name: {{.Name}}
  context:
    cluster: {{.Name}}
    user: {{.User}}
    namespace: default
`))

// Kubeconfig writes to file how to reach server as the holder of the certificate user, trusting the authority ca.
func (d Dir) Kubeconfig(file, cluster, server, ca, user string) error {
	encoded := map[string]string{"Name": cluster, "Server": server, "User": user}
	for field, from := range map[string]string{"CA": d.Cert(ca), "Cert": d.Cert(user), "Key": d.Key(user)} {
		content, err := os.ReadFile(from)
		if err != nil {
			return fmt.Errorf("writing the kubeconfig of %s: %w", user, err)
		}
		encoded[field] = base64.StdEncoding.EncodeToString(content)
	}
	var out bytes.Buffer
	if err := kubeconfigTemplate.Execute(&out, encoded); err != nil {
		return fmt.Errorf("rendering the kubeconfig of %s: %w", user, err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("making the folder of kubeconfig %s: %w", file, err)
	}
	if old, err := os.ReadFile(file); err == nil && bytes.Equal(old, out.Bytes()) {
		return nil
	}
	tmp := file + ".tmp"
	if err := os.WriteFile(tmp, out.Bytes(), 0o600); err != nil {
		return fmt.Errorf("writing kubeconfig: %w", err)
	}
	return os.Rename(tmp, file)
}
