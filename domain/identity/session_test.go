package identity

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/envelope"
	"github.com/keytrail/keytrail/domain/event"
)

func rootKey(t testing.TB, fill byte) *envelope.RootKey {
	t.Helper()
	root, err := envelope.NewRootKey(bytes.Repeat([]byte{fill}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func fullSession(t testing.TB) *Session {
	t.Helper()
	secret, err := NewSecretKey(rand.NewChaCha8([32]byte{9}))
	if err != nil {
		t.Fatal(err)
	}
	return &Session{
		AccessKey: "ASIAAAAAAAAAAAAAAAAA", Secret: secret, Account: account, Principal: "AROA1", Name: "sess", Policy: allowAll,
		PolicyARNs: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"}, Tags: []event.Tag{{Key: "a", Value: "1"}, {Key: "ü", Value: ""}},
		Transitive: []string{"a"}, SourceIdentity: "jane", Issued: epoch.Add(123456 * time.Microsecond), Expires: epoch.Add(time.Hour), MFA: true,
	}
}

func TestSessionToken(t *testing.T) {
	root, s := rootKey(t, 1), fullSession(t)
	token, err := SealSession(root, rand.NewChaCha8([32]byte{}), s)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := OpenSession(root, token)
	if err != nil {
		t.Fatal(err)
	}
	if !opened.Secret.Is(s.Secret.Expose()) {
		t.Error("the secret has changed")
	}
	sealed, secret := s.Secret, opened.Secret
	s.Secret, opened.Secret = SecretKey{}, SecretKey{}
	if !reflect.DeepEqual(opened, s) {
		t.Errorf("opened %+v\nsealed %+v", opened, s)
	}
	s.Secret, opened.Secret = sealed, secret
	if strings.Contains(token, s.AccessKey) || strings.Contains(fmt.Sprintf("%v %+v %#v", s, s, s), string(s.Secret.Expose())) {
		t.Error("the secret shows")
	}
	s.Zero()
	if opened.Secret.Len() != SecretSize {
		t.Error("two sessions share a secret")
	}
}

func TestTokensThatDoNotOpen(t *testing.T) {
	root := rootKey(t, 1)
	token, err := SealSession(root, rand.NewChaCha8([32]byte{}), fullSession(t))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, _ := SealSession(rootKey(t, 2), rand.NewChaCha8([32]byte{}), fullSession(t))
	flipped := []byte(token)
	flipped[len(flipped)/2] ^= 1
	key, err := SealSecretKey(root, rand.NewChaCha8([32]byte{}), "AKIA1", fullSession(t).Secret)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"empty": "", "not base64": "%", "cut": token[:len(token)-4], "flipped": string(flipped), "of another installation": elsewhere,
		"too long": strings.Repeat("A", MaxToken+1), "with a line feed": token[:8] + "\n" + token[8:],
		"another thing sealed": base64.StdEncoding.EncodeToString(key),
	} {
		if s, err := OpenSession(root, bad); !errors.Is(err, ErrToken) {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
}

func TestMalformedSessions(t *testing.T) {
	whole := fullSession(t).appendBinary(nil)
	if _, err := decodeSession(whole); err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if _, err := decodeSession(whole[:n]); !errors.Is(err, ErrToken) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	if _, err := decodeSession(append(whole, 0)); !errors.Is(err, ErrToken) {
		t.Errorf("with a byte more: %v", err)
	}
	if _, err := decodeSession((&Session{AccessKey: "ASIA1"}).appendBinary(nil)); !errors.Is(err, ErrToken) {
		t.Errorf("without a secret: %v", err)
	}
}

// TestTokenFits: what MaxPacked admits fits the line that NATS reads.
func TestTokenFits(t *testing.T) {
	root, s := rootKey(t, 1), fullSession(t)
	s.Principal, s.Name = strings.Repeat("P", 32), strings.Repeat("n", 64)
	s.Policy, s.PolicyARNs, s.Transitive, s.SourceIdentity = "", nil, nil, ""
	s.Tags = nil
	for s.Packed() < MaxPacked {
		s.Tags = append(s.Tags, event.Tag{Key: "k", Value: strings.Repeat("v", min(256, max(0, MaxPacked-s.Packed()-5)))})
	}
	if s.Packed() != MaxPacked {
		t.Fatal(s.Packed())
	}
	token, err := SealSession(root, rand.NewChaCha8([32]byte{}), s)
	if err != nil || len(token) > MaxToken {
		t.Errorf("%d characters, %v", len(token), err)
	}
	s.SourceIdentity = "x"
	if _, err := SealSession(root, rand.NewChaCha8([32]byte{}), s); err == nil {
		t.Error("more than MaxPacked is sealed")
	}
}

func TestSecretKeyAtRest(t *testing.T) {
	root := rootKey(t, 1)
	secret, err := NewSecretKey(rand.NewChaCha8([32]byte{3}))
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := SealSecretKey(root, rand.NewChaCha8([32]byte{4}), "AKIA1", secret)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, secret.Expose()) {
		t.Error("sealed in the clear")
	}
	opened, err := OpenSecretKey(root, "AKIA1", sealed)
	if err != nil || !opened.Is(secret.Expose()) || opened.Is([]byte("x")) || opened.Is(nil) {
		t.Errorf("opened %v", err)
	}
	if _, err := OpenSecretKey(root, "AKIA2", sealed); !errors.Is(err, envelope.ErrDamagedSeal) {
		t.Errorf("opened for another access key: %v", err)
	}
	if (SecretKey{}).Is(nil) || (SecretKey{}).Is([]byte{}) {
		t.Error("an empty secret is anyone's")
	}
}

// FuzzOpenSession: whatever a caller sends as a token is refused or opens to what
// was sealed; and what lies inside a token decodes to itself or not at all.
func FuzzOpenSession(f *testing.F) {
	root := rootKey(f, 1)
	s := fullSession(f)
	token, err := SealSession(root, rand.NewChaCha8([32]byte{}), s)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token, s.appendBinary(nil))
	f.Add("", []byte{})
	f.Add(token[:40], []byte{sessionFormat, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, given string, inside []byte) {
		if opened, err := OpenSession(root, given); err == nil && given != token {
			t.Errorf("%q opens to %+v", given, opened)
		}
		decoded, err := decodeSession(inside)
		if err != nil {
			return
		}
		again, err := decodeSession(decoded.appendBinary(nil))
		if err != nil || !bytes.Equal(again.appendBinary(nil), decoded.appendBinary(nil)) {
			t.Errorf("%x decodes to %+v, and then to %v", inside, decoded, err)
		}
	})
}

func BenchmarkOpenSession(b *testing.B) {
	root := rootKey(b, 1)
	token, err := SealSession(root, rand.NewChaCha8([32]byte{}), fullSession(b))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := OpenSession(root, token); err != nil {
			b.Fatal(err)
		}
	}
}
