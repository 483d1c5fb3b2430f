package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/keytrail/keytrail/cmd/internal/natsapi/client"
)

// connection holds the flags of every verb that talks to a server. Credentials
// come from the environment alone, so that they are in no process list.
type connection struct {
	url     string
	caFile  string
	timeout time.Duration
	json    bool
}

func (c *connection) bind(cmd *cobra.Command) {
	f := cmd.PersistentFlags()
	f.StringVar(&c.url, "nats-url", "", "the server (default $KEYTRAIL_NATS_URL, then nats://127.0.0.1:4222)")
	f.StringVar(&c.caFile, "nats-ca", os.Getenv("KEYTRAIL_NATS_CA"), "file of the certificate authority that signed the server's certificate")
	f.DurationVar(&c.timeout, "timeout", 10*time.Second, "how long a call may take")
	f.BoolVar(&c.json, "json", false, "print JSON also to a terminal")
}

func (c *connection) dial(ctx context.Context) (*client.Client, error) {
	url := c.url
	if url == "" {
		url = os.Getenv("KEYTRAIL_NATS_URL")
	}
	if url == "" {
		url = "nats://127.0.0.1:4222"
	}
	o := client.Options{
		URL: url, CAFile: c.caFile,
		AccessKey:    os.Getenv("AWS_ACCESS_KEY_ID"),
		Secret:       os.Getenv("AWS_SECRET_ACCESS_KEY"),
		SessionToken: os.Getenv("AWS_SESSION_TOKEN"),
		Agent:        "keytrail/" + version,
	}
	if o.AccessKey == "" || o.Secret == "" {
		return nil, usagef("no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, for example by '. DIR/admin.env' with the server's data directory")
	}
	return client.Connect(ctx, o)
}

// call makes one call and decodes its answer into out (nil = not wanted).
func (c *connection) call(ctx context.Context, service, operation string, in, out any) error {
	reply, err := c.raw(ctx, service, operation, in)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(reply.Body, out); err != nil {
		return fmt.Errorf("%s %s: read the answer: %w", service, operation, err)
	}
	return nil
}

func (c *connection) raw(ctx context.Context, service, operation string, in any) (*client.Reply, error) {
	body, ok := in.([]byte)
	if !ok {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return nil, fmt.Errorf("%s %s: %w", service, operation, err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	reply, err := conn.Call(ctx, service, operation, body)
	if err != nil {
		return nil, told(service, operation, err)
	}
	return reply, nil
}

// told is a refusal as a person reads it, with the request id to ask about.
func told(service, operation string, err error) error {
	var refused *client.APIError
	if !errors.As(err, &refused) {
		return fmt.Errorf("%s %s: %w", service, operation, err)
	}
	text := service + " " + operation + " was refused (" + refused.Code + ")"
	if refused.Message != "" { // AWS has errors that are a code alone
		text += ": " + refused.Message
	}
	if refused.Recorded {
		text += "\n  ask why: keytrail audit explain " + refused.RequestID
	}
	return errors.New(text)
}
