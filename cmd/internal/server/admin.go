package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/keytrail/keytrail/domain/vault"
)

// Credentials are those of the administrator, as DIR/admin.env has them.
type Credentials struct{ AccessKey, Secret string }

// Names in admin.env. They are those that the AWS command line and SDKs read.
const (
	envAccessKey = "AWS_ACCESS_KEY_ID"
	envSecret    = "AWS_SECRET_ACCESS_KEY"
	envRegion    = "AWS_REGION"
	envDefault   = "AWS_DEFAULT_REGION" // what the command line reads
	envEndpoint  = "AWS_ENDPOINT_URL"
	envNATS      = "KEYTRAIL_NATS_URL"
	envOps       = "KEYTRAIL_OPS_URL"
)

// initialize founds the vault on the first start. The administrator's credentials
// are on disk, aside, before the record that makes them valid is: a crash in
// between leaves a file that the next start takes up or drops.
func (s *Server) initialize(ctx context.Context) error {
	founded := false
	s.engine.Read(func(st *vault.State) { founded = st.Initialized() })
	aside := s.dir.file(adminFile + ".new")
	if !founded {
		err := s.engine.Found(ctx, vault.Founding{Region: s.opts.Region, Account: s.opts.Account}, func(a vault.Administrator) error {
			content := adminEnv(map[string]string{
				envAccessKey: a.AccessKey, envSecret: string(a.Secret.Expose()), envRegion: s.opts.Region, envDefault: s.opts.Region,
			})
			defer clear(content)
			return writeSynced(aside, content)
		})
		if err != nil {
			return err
		}
	}
	waiting, err := readAdminEnv(aside)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("take up %s: %w", aside, err)
	}
	if _, _, err := s.engine.Authenticate(waiting[envAccessKey], waiting[envSecret], ""); err != nil {
		return os.Remove(aside) // of a founding that never came to be
	}
	return renameDurably(aside, s.dir.file(adminFile))
}

// pointAdminFile keeps the addresses in admin.env those of the running server. An
// operator who has moved the file away does not get it back.
func (s *Server) pointAdminFile() error {
	path := s.dir.file(adminFile)
	values, err := readAdminEnv(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if values[envNATS] == s.url && values[envOps] == s.opsURL && values[envEndpoint] == s.awsURL {
		return nil
	}
	values[envNATS], values[envOps], values[envEndpoint] = s.url, s.opsURL, s.awsURL
	if err := writeDurably(path, adminEnv(values)); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// AdminCredentials reads the administrator's credentials from DIR/admin.env.
func (s *Server) AdminCredentials() (Credentials, error) {
	values, err := readAdminEnv(s.dir.file(adminFile))
	if err != nil {
		return Credentials{}, fmt.Errorf("read the administrator's credentials: %w", err)
	}
	return Credentials{values[envAccessKey], values[envSecret]}, nil
}

func adminEnv(values map[string]string) []byte {
	var b bytes.Buffer
	b.WriteString("# The administrator of this vault. Source it: . admin.env\n")
	for _, name := range []string{envAccessKey, envSecret, envRegion, envDefault, envEndpoint, envNATS, envOps} {
		if v := values[name]; v != "" {
			fmt.Fprintf(&b, "export %s='%s'\n", name, v)
		}
	}
	return b.Bytes()
}

func readAdminEnv(path string) (map[string]string, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	defer clear(raw)
	values := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(raw))
	for lines.Scan() {
		assignment, ok := strings.CutPrefix(lines.Text(), "export ")
		if name, value, found := strings.Cut(assignment, "="); ok && found {
			values[name] = strings.Trim(value, "'")
		}
	}
	return values, lines.Err()
}
