package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

const deadline = 30 * time.Second

// Only UNAVAILABLE is tried again: the server promises that nothing was accepted then.
const serviceConfig = `{
  "methodConfig": [{
    "name": [{"service": "tokferry.v1.ForwardingService"}],
    "retryPolicy": {
      "maxAttempts": 4,
      "initialBackoff": "0.2s",
      "maxBackoff": "5s",
      "backoffMultiplier": 2,
      "retryableStatusCodes": ["UNAVAILABLE"]
    }
  }],
  "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}
}`

// connect opens a channel. authorities is a PEM file, "system", or empty for plaintext;
// the token goes with each call.
func connect(target, authorities, token string) (*grpc.ClientConn, error) {
	if authorities == "" && token != "" && !isLoopback(target) {
		return nil, fmt.Errorf("refusing to send the token in clear text to %s", target)
	}
	transport, err := transportCredentials(authorities)
	if err != nil {
		return nil, err
	}
	// By default a restarted server may be left alone for two minutes.
	patience := backoff.DefaultConfig
	patience.MaxDelay = 5 * time.Second
	return grpc.NewClient(target,
		grpc.WithTransportCredentials(transport),
		grpc.WithPerRPCCredentials(bearer{token, authorities != ""}),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: patience, MinConnectTimeout: 10 * time.Second,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: time.Minute, Timeout: 20 * time.Second,
		}),
	)
}

// bearer adds a token to each call.
type bearer struct {
	token  string
	secure bool
}

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	if b.token == "" {
		return nil, nil
	}
	return map[string]string{"authorization": "Bearer " + b.token}, nil
}

func (b bearer) RequireTransportSecurity() bool { return b.secure }

func transportCredentials(authorities string) (credentials.TransportCredentials, error) {
	switch authorities {
	case "":
		return insecure.NewCredentials(), nil
	case "system":
		return credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12}), nil
	}
	pem, err := os.ReadFile(authorities)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New(authorities + ": holds no certificate")
	}
	return credentials.NewTLS(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}), nil
}

func isLoopback(target string) bool {
	host, _, err := net.SplitHostPort(target)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
