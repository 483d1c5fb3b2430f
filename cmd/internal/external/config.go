package external

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/nats-io/nkeys"

	"github.com/keytrail/keytrail/eventstore/natslog"
)

// Config is what an operator decides about the configuration.
type Config struct {
	Listen   string // host:port for clients
	StoreDir string // of JetStream
}

//go:embed nats-server.conf.tmpl
var configText string

var configTemplate = template.Must(template.New(ConfigFile).Funcs(template.FuncMap{"list": list, "quote": quote}).Parse(configText))

// list is an array of strings as the configuration has it.
func list(all []string) string {
	quoted := make([]string, len(all))
	for i, s := range all {
		quoted[i] = quote(s)
	}
	return "[ " + strings.Join(quoted, ", ") + " ]"
}

func quote(s string) string {
	q, _ := json.Marshal(s) // of a string: no error
	q = bytes.ReplaceAll(q, []byte(`\u003e`), []byte(">"))
	return string(q)
}

// Write makes new logins and an issuer in dir, and the configuration of servers
// that knows them. It makes dir if need be, and replaces nothing that is there.
func Write(dir string, c Config) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, file := range append(seedFiles(), ConfigFile) {
		if _, err := os.Lstat(filepath.Join(dir, file)); err == nil {
			return fmt.Errorf("%s exists already: the servers may know it; give another directory", filepath.Join(dir, file))
		}
	}
	type login struct {
		natslog.Login
		Key string
	}
	data := struct {
		Config
		Issuer                       string
		Logins                       map[string]login
		Keys                         []string
		Clients, Vault, System, Auth string
		MaxPayload, MaxSubscriptions int
	}{
		Config: c, Logins: map[string]login{}, MaxPayload: natslog.MaxPayload, MaxSubscriptions: natslog.MaxSubscriptions,
		Clients: natslog.AccountClients, Vault: natslog.AccountVault, System: natslog.AccountSystem, Auth: natslog.AccountAuth,
	}
	var err error
	if data.Issuer, err = newKey(filepath.Join(dir, issuerFile), nkeys.CreateAccount); err != nil {
		return err
	}
	for _, l := range natslog.ExternalLogins() {
		key, err := newKey(filepath.Join(dir, l.Name+suffix), nkeys.CreateUser)
		if err != nil {
			return err
		}
		data.Logins[l.Name] = login{l, key}
		data.Keys = append(data.Keys, key)
	}
	var b bytes.Buffer
	if err := configTemplate.Execute(&b, data); err != nil {
		return err
	}
	return writeNew(filepath.Join(dir, ConfigFile), b.Bytes(), 0o644)
}

// newKey makes a key, keeps its seed in the file, and returns its public half.
func newKey(path string, create func() (nkeys.KeyPair, error)) (public string, err error) {
	pair, err := create()
	if err != nil {
		return "", err
	}
	defer pair.Wipe()
	seed, err := pair.Seed()
	if err != nil {
		return "", err
	}
	defer clear(seed)
	if public, err = pair.PublicKey(); err != nil {
		return "", err
	}
	return public, writeNew(path, append(seed, '\n'), 0o600)
}

func writeNew(path string, content []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}
