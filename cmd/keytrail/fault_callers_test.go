package main_test

import (
	"fmt"
	"sync"
	"time"

	"github.com/keytrail/keytrail/cmd/internal/natsapi/client"
)

// putter owns a secret and counts up in it.
type putter struct {
	name  string
	mu    sync.Mutex
	acked int // the last value that was acknowledged
	tried int // the last value that was sent
}

func (s *putter) step(w *witness, c *client.Client) error {
	time.Sleep(5 * time.Millisecond)
	s.mu.Lock()
	s.tried++
	value := s.tried
	s.mu.Unlock()
	_, lost, err := w.call(c, "secretsmanager", "PutSecretValue", object{"SecretId": s.name, "SecretString": fmt.Sprint(value)}, nil)
	switch {
	case err == nil:
		s.mu.Lock()
		s.acked = value
		s.mu.Unlock()
	case !lost:
		return fmt.Errorf("%w: put %s: %w", errWrong, s.name, err)
	}
	return err
}

// read wants a value that is neither older than what was acknowledged before the
// call nor newer than what was sent.
func (s *putter) read(call func(out any) error) error {
	s.mu.Lock()
	low := s.acked
	s.mu.Unlock()
	var out struct{ SecretString string }
	if err := call(&out); err != nil {
		return err
	}
	var value int
	if _, err := fmt.Sscan(out.SecretString, &value); err != nil {
		return fmt.Errorf("%w: %s: %w", errWrong, s.name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if value < low || value > s.tried {
		return fmt.Errorf("%w: %s is %d, acknowledged %d, sent %d", errWrong, s.name, value, low, s.tried)
	}
	return nil
}

type getter struct{ *putter }

func (g *getter) step(w *witness, c *client.Client) error {
	return g.read(func(out any) error {
		_, lost, err := w.call(c, "secretsmanager", "GetSecretValue", object{"SecretId": g.name}, out)
		if err != nil && !lost {
			return fmt.Errorf("%w: get %s: %w", errWrong, g.name, err)
		}
		return err
	})
}

// granter owns a key, on which one user can do what its grants say.
type granter struct {
	key, grantee      string
	accessKey, secret string
	sure              map[string]bool // grants that exist
	maybe             map[string]bool // grants whose revocation was not answered
	lost              int             // creations that were not answered
	revoked           []string
}

func (g *granter) step(w *witness, c *client.Client) error {
	for id := range g.sure {
		if len(g.sure) < 3 {
			break
		}
		_, lost, err := w.call(c, "kms", "RevokeGrant", object{"KeyId": g.key, "GrantId": id}, nil)
		switch {
		case err == nil:
			delete(g.sure, id)
			g.revoked = append(g.revoked, id)
		case lost:
			delete(g.sure, id)
			g.maybe[id] = true
		default:
			return fmt.Errorf("%w: revoke: %w", errWrong, err)
		}
		return err
	}
	var out struct{ GrantId string }
	_, lost, err := w.call(c, "kms", "CreateGrant", object{"KeyId": g.key, "GranteePrincipal": g.grantee, "Operations": []string{"Encrypt"}}, &out)
	switch {
	case err == nil:
		g.sure[out.GrantId] = true
	case lost:
		g.lost++
	default:
		return fmt.Errorf("%w: grant: %w", errWrong, err)
	}
	return err
}

// creator makes secrets and destroys them again.
type creator struct {
	prefix string
	next   int
	sure   map[string]bool // names that exist
	gone   map[string]bool // names that are deleted
}

func (m *creator) step(w *witness, c *client.Client) error {
	for name := range m.sure {
		if len(m.sure) < 3 {
			break
		}
		delete(m.sure, name)
		_, lost, err := w.call(c, "secretsmanager", "DeleteSecret", object{"SecretId": name, "ForceDeleteWithoutRecovery": true}, nil)
		if err == nil {
			m.gone[name] = true
		} else if !lost {
			return fmt.Errorf("%w: delete: %w", errWrong, err)
		}
		return err
	}
	m.next++
	name := fmt.Sprint(m.prefix, m.next)
	_, lost, err := w.call(c, "secretsmanager", "CreateSecret", object{"Name": name, "SecretString": name}, nil)
	if err == nil {
		m.sure[name] = true
	} else if !lost {
		return fmt.Errorf("%w: create: %w", errWrong, err)
	}
	return err
}

// encrypter keeps ciphertexts and decrypts them again.
type encrypter struct {
	mu    sync.Mutex
	blobs map[string]string // plaintext -> ciphertext, both base64
	next  int
}

func (e *encrypter) step(w *witness, c *client.Client) error {
	e.mu.Lock()
	e.next++
	plain := fmt.Sprintf("%016d", e.next)
	var known, blob string
	for known, blob = range e.blobs {
		break
	}
	e.mu.Unlock()
	var sealed struct{ CiphertextBlob string }
	_, lost, err := w.call(c, "kms", "Encrypt", object{"KeyId": w.sharedKey, "Plaintext": plain}, &sealed)
	if err != nil {
		if !lost {
			err = fmt.Errorf("%w: encrypt: %w", errWrong, err)
		}
		return err
	}
	e.mu.Lock()
	if len(e.blobs) < 200 {
		e.blobs[plain] = sealed.CiphertextBlob
	}
	e.mu.Unlock()
	if blob == "" {
		return nil
	}
	var opened struct{ Plaintext string }
	_, lost, err = w.call(c, "kms", "Decrypt", object{"CiphertextBlob": blob}, &opened)
	if err == nil && opened.Plaintext != known || err != nil && !lost {
		return fmt.Errorf("%w: decrypt gives %q for %q: %w", errWrong, opened.Plaintext, known, err)
	}
	return err
}
