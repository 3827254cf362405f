package storage

import (
	"fmt"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"k8s.io/apiserver/pkg/storage/storagebackend"
)

// NewClient connects to the etcd that the registries use, for what is no API object: the identity and the claims.
func NewClient(config storagebackend.TransportConfig) (*clientv3.Client, error) {
	options := clientv3.Config{
		Endpoints:            config.ServerList,
		DialTimeout:          10 * time.Second,
		DialKeepAliveTime:    30 * time.Second,
		DialKeepAliveTimeout: 10 * time.Second,
		Logger:               zap.NewNop(),
	}
	if config.TrustedCAFile != "" || config.CertFile != "" {
		tls, err := transport.TLSInfo{
			CertFile: config.CertFile, KeyFile: config.KeyFile, TrustedCAFile: config.TrustedCAFile,
		}.ClientConfig()
		if err != nil {
			return nil, fmt.Errorf("read the etcd client certificates: %w", err)
		}
		options.TLS = tls
	}
	client, err := clientv3.New(options)
	if err != nil {
		return nil, fmt.Errorf("connect to etcd at %v: %w", config.ServerList, err)
	}
	return client, nil
}
