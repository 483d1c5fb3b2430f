package event

import "time"

// Events of secrets. Secret is always the full ARN.
type (
	SecretCreated struct {
		Secret      string    `json:"secret"`
		Account     string    `json:"account"`
		Name        string    `json:"name"`
		Description string    `json:"description,omitempty"`
		KmsKeyID    string    `json:"kmsKeyId,omitempty"` // as given; empty = aws/secretsmanager
		Key         string    `json:"key,omitempty"`      // key id that KmsKeyID stood for
		Type        string    `json:"secretType,omitempty"`
		Tags        []Tag     `json:"tags,omitempty"`
		Created     time.Time `json:"created"`
	}
	// SecretVersionCreated adds an immutable version. Ciphertext is the value
	// sealed under a data key of its own; the wrapped data key rests in the keyring.
	SecretVersionCreated struct {
		Secret     string    `json:"secret"`
		Version    string    `json:"version"`
		Binary     bool      `json:"binary,omitempty"` // SecretBinary rather than SecretString
		Ciphertext []byte    `json:"ciphertext"`
		Wrapping   Wrapping  `json:"wrapping"`
		Created    time.Time `json:"created"`
	}
	// Wrapping is one wrapped copy of a version's data key.
	Wrapping struct {
		Key        string `json:"key"`        // key id it is wrapped under
		Ring       string `json:"ring"`       // keyring id
		Commitment string `json:"commitment"` // hex SHA-256 of the wrapped bytes
	}
	// SecretVersionRewrapped puts a version's data key under another key. The old
	// wrapping is erased after the record unless Kept.
	SecretVersionRewrapped struct {
		Secret   string   `json:"secret"`
		Version  string   `json:"version"`
		Wrapping Wrapping `json:"wrapping"`
		Kept     bool     `json:"kept,omitempty"` // rekey mode aws: either wrapping opens the version
	}
	// SecretStageMoved puts a staging label on To and takes it off From; either may
	// be empty.
	SecretStageMoved struct {
		Secret string    `json:"secret"`
		Stage  string    `json:"stage"`
		From   string    `json:"from,omitempty"`
		To     string    `json:"to,omitempty"`
		At     time.Time `json:"at"`
	}
	// SecretVersionPurged removes a deprecated version and erases its data key.
	SecretVersionPurged struct {
		Secret  string `json:"secret"`
		Version string `json:"version"`
	}
	SecretDescriptionChanged struct {
		Secret      string    `json:"secret"`
		Description string    `json:"description"`
		At          time.Time `json:"at"`
	}
	SecretKeyChanged struct {
		Secret   string    `json:"secret"`
		KmsKeyID string    `json:"kmsKeyId,omitempty"` // empty = aws/secretsmanager
		Key      string    `json:"key,omitempty"`
		At       time.Time `json:"at"`
	}
	SecretTypeChanged struct {
		Secret string    `json:"secret"`
		Type   string    `json:"secretType"`
		At     time.Time `json:"at"`
	}
	SecretTagged struct {
		Secret string    `json:"secret"`
		Tags   []Tag     `json:"tags"`
		At     time.Time `json:"at"`
	}
	SecretUntagged struct {
		Secret string    `json:"secret"`
		Keys   []string  `json:"keys"`
		At     time.Time `json:"at"`
	}
	SecretPolicyReplaced struct {
		Secret     string            `json:"secret"`
		Policy     string            `json:"policy"`
		Principals map[string]string `json:"principals,omitempty"`
		At         time.Time         `json:"at,omitzero"`
	}
	SecretPolicyRemoved struct {
		Secret string    `json:"secret"`
		At     time.Time `json:"at,omitzero"`
	}
	SecretDeletionScheduled struct {
		Secret  string    `json:"secret"`
		Deleted time.Time `json:"deleted"` // when DeleteSecret was called
		At      time.Time `json:"at"`      // when the window ends
	}
	SecretRestored struct {
		Secret string    `json:"secret"`
		At     time.Time `json:"at"`
	}
	// SecretDeleted ends a secret: every data key of its versions is erased from the
	// keyring once the record is durable.
	SecretDeleted struct {
		Secret string `json:"secret"`
	}
)
