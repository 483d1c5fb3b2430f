// Package sops runs the sops command, built from its own sources, against KMS keys.
package sops

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	cloudtrailtypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"keytrail.test/clients/target"
)

const plain = "database:\n    user: app\n    password: correct horse battery staple\n"

var program struct {
	sync.Once
	path string
	err  error
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "sops-")
	if err != nil {
		panic(err)
	}
	program.path = filepath.Join(dir, "sops")
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// sops runs the command as the caller, "" = the administrator of the environment.
func sops(t testing.TB, as *target.Caller, dir string, args ...string) (string, error) {
	t.Helper()
	program.Do(func() {
		out, err := exec.Command("go", "build", "-o", program.path, "github.com/getsops/sops/v3/cmd/sops").CombinedOutput()
		if err != nil {
			program.err = errors.New(string(out))
		}
	})
	target.Must(t, program.err)
	cmd := exec.CommandContext(t.Context(), program.path, append([]string{"--disable-version-check"}, args...)...)
	cmd.Dir, cmd.Env = dir, os.Environ()
	if as != nil {
		cmd.Env = append(cmd.Env, "AWS_ACCESS_KEY_ID="+as.AccessKey, "AWS_SECRET_ACCESS_KEY="+as.SecretKey)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", errors.New(stderr.String())
	}
	return stdout.String(), nil
}

// place is a directory with the plain file and what encrypts to the key.
func place(t testing.TB, flags ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	target.Must(t, os.WriteFile(filepath.Join(dir, "plain.yaml"), []byte(plain), 0o600))
	encrypted, err := sops(t, nil, dir, append(append([]string{"encrypt"}, flags...), "plain.yaml")...)
	target.Must(t, err)
	if strings.Contains(encrypted, "battery") || !strings.Contains(encrypted, "ENC[AES256_GCM") {
		t.Fatalf("not encrypted:\n%s", encrypted)
	}
	target.Must(t, os.WriteFile(filepath.Join(dir, "file.yaml"), []byte(encrypted), 0o600))
	return dir
}

func opens(t testing.TB, as *target.Caller, dir string, flags ...string) {
	t.Helper()
	got, err := sops(t, as, dir, append(append([]string{"decrypt"}, flags...), "file.yaml")...)
	target.Must(t, err)
	if got != plain {
		t.Errorf("decrypted:\n%s", got)
	}
}

func key(t testing.TB) string {
	t.Helper()
	out, err := kms.NewFromConfig(target.Config(t)).CreateKey(t.Context(), &kms.CreateKeyInput{})
	target.Must(t, err)
	return *out.KeyMetadata.Arn
}

func TestKey(t *testing.T) {
	arn := key(t)
	dir := place(t, "--kms", arn)
	opens(t, nil, dir)
	reader := target.User(t, target.Allow(arn, "kms:Decrypt"))
	opens(t, &reader, dir)
	nobody := target.User(t, target.Allow(arn, "kms:Encrypt"))
	if _, err := sops(t, &nobody, dir, "decrypt", "file.yaml"); err == nil || !strings.Contains(err.Error(), "AccessDeniedException") {
		t.Errorf("without permission: %v", err)
	}

	// One value of the file, another data key, and another master key beside the first.
	one, err := sops(t, nil, dir, "decrypt", "--extract", `["database"]["user"]`, "file.yaml")
	target.Must(t, err)
	if one != "app" {
		t.Errorf("extracted %q", one)
	}
	second := key(t)
	_, err = sops(t, nil, dir, "rotate", "--in-place", "--add-kms", second, "--rm-kms", arn, "file.yaml")
	target.Must(t, err)
	opens(t, nil, dir)
	if _, err := sops(t, &reader, dir, "decrypt", "file.yaml"); err == nil {
		t.Error("the file left the key, and its reader still reads")
	}
	api := kms.NewFromConfig(target.Config(t))
	_, err = api.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &second})
	target.Must(t, err)
	if _, err := sops(t, nil, dir, "decrypt", "file.yaml"); err == nil || !strings.Contains(err.Error(), "DisabledException") {
		t.Errorf("with a disabled key: %v", err)
	}
}

func TestAlias(t *testing.T) {
	arn := key(t)
	alias := "alias/" + target.Name("sops")
	_, err := kms.NewFromConfig(target.Config(t)).CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: &alias, TargetKeyId: &arn})
	target.Must(t, err)
	dir := place(t, "--kms", arn[:strings.LastIndex(arn, ":")+1]+alias)
	opens(t, nil, dir)
}

func TestEncryptionContext(t *testing.T) {
	arn := key(t)
	tenant := target.Name("tenant")
	dir := place(t, "--kms", arn, "--encryption-context", "tenant:"+tenant+",stage:test")
	opens(t, nil, dir)
	out, err := cloudtrail.NewFromConfig(target.Config(t)).LookupEvents(t.Context(), &cloudtrail.LookupEventsInput{
		LookupAttributes: []cloudtrailtypes.LookupAttribute{{AttributeKey: cloudtrailtypes.LookupAttributeKeyResourceName, AttributeValue: &arn}}})
	target.Must(t, err)
	seen := map[string]bool{}
	for _, e := range out.Events {
		if strings.Contains(*e.CloudTrailEvent, `"tenant":"`+tenant+`"`) {
			seen[*e.EventName] = true
		}
	}
	if !seen["Encrypt"] || !seen["Decrypt"] {
		t.Errorf("of Encrypt and Decrypt with the context the trail has %v", seen)
	}

	// Who may decrypt for one tenant may not for another.
	reader := target.User(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:Decrypt","Resource":"`+arn+
		`","Condition":{"StringEquals":{"kms:EncryptionContext:tenant":"`+tenant+`"}}}]}`)
	opens(t, &reader, dir)
	other := place(t, "--kms", arn, "--encryption-context", "tenant:another,stage:test")
	if _, err := sops(t, &reader, other, "decrypt", "file.yaml"); err == nil || !strings.Contains(err.Error(), "AccessDeniedException") {
		t.Errorf("another tenant's: %v", err)
	}
	// The context in the file is not what it was encrypted with.
	file := filepath.Join(dir, "file.yaml")
	text, err := os.ReadFile(file)
	target.Must(t, err)
	target.Must(t, os.WriteFile(file, bytes.ReplaceAll(text, []byte("stage: test"), []byte("stage: live")), 0o600))
	if _, err := sops(t, nil, dir, "decrypt", "file.yaml"); err == nil || !strings.Contains(err.Error(), "InvalidCiphertextException") {
		t.Errorf("with another context: %v", err)
	}
}

func TestRole(t *testing.T) {
	arn := key(t)
	role := target.Role(t, target.Allow(arn, "kms:Encrypt", "kms:Decrypt"))
	dir := place(t, "--kms", arn+"+"+aws.ToString(role.Arn))
	opens(t, nil, dir)
	// The role decrypts, not the caller; who may not assume it decrypts nothing.
	assumes := target.User(t, target.Allow(*role.Arn, "sts:AssumeRole"))
	opens(t, &assumes, dir)
	direct := target.User(t, target.Allow(arn, "kms:Decrypt"))
	if _, err := sops(t, &direct, dir, "decrypt", "file.yaml"); err == nil || !strings.Contains(err.Error(), "sts:AssumeRole") {
		t.Errorf("who may not assume the role: %v", err)
	}
}
