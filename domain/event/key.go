package event

import "time"

// Events of KMS keys, aliases and grants. Key is always the key id (a UUID, or
// mrk-… for a multi-Region key), never the ARN.
type (
	// KeyCreated makes a key with its first material. Material is absent for a key
	// whose material is imported later.
	KeyCreated struct {
		Key         string            `json:"key"`
		Account     string            `json:"account"`
		Manager     string            `json:"manager"` // CUSTOMER or AWS
		Spec        string            `json:"spec"`
		Usage       string            `json:"usage"`
		Origin      string            `json:"origin"`
		MultiRegion bool              `json:"multiRegion,omitempty"`
		Description string            `json:"description,omitempty"`
		Policy      string            `json:"policy"`
		Principals  map[string]string `json:"principals,omitempty"` // ARN named by the policy -> unique id
		Tags        []Tag             `json:"tags,omitempty"`
		Created     time.Time         `json:"created"`
		Material    *Material         `json:"material,omitempty"`
		PublicKey   []byte            `json:"publicKey,omitempty"` // DER, asymmetric keys only
	}
	// Material names key material that the keyring holds, sealed.
	Material struct {
		ID         string `json:"id"`         // 64 hex digits
		Ring       string `json:"ring"`       // keyring id
		Commitment string `json:"commitment"` // hex SHA-256 of the sealed bytes
	}
	KeyEnabled struct {
		Key string `json:"key"`
	}
	KeyDisabled struct {
		Key string `json:"key"`
	}
	KeyDescriptionChanged struct {
		Key         string `json:"key"`
		Description string `json:"description"`
	}
	KeyPolicyReplaced struct {
		Key        string            `json:"key"`
		Policy     string            `json:"policy"`
		Principals map[string]string `json:"principals,omitempty"`
	}
	KeyTagged struct {
		Key  string `json:"key"`
		Tags []Tag  `json:"tags"`
	}
	KeyUntagged struct {
		Key  string   `json:"key"`
		Keys []string `json:"keys"`
	}
	KeyDeletionScheduled struct {
		Key    string    `json:"key"`
		Window int       `json:"window"` // days
		At     time.Time `json:"at"`     // when the material is destroyed
	}
	KeyDeletionCancelled struct {
		Key string `json:"key"`
	}
	// KeyDeleted ends a key: its material is erased from the keyring once the
	// record is durable, its aliases and grants are gone.
	KeyDeleted struct {
		Key string `json:"key"`
	}
	KeyRotationEnabled struct {
		Key    string    `json:"key"`
		Period int       `json:"period"` // days
		From   time.Time `json:"from"`
	}
	KeyRotationDisabled struct {
		Key string `json:"key"`
	}
	// KeyRotated adds material that encrypts from now on; older material stays.
	KeyRotated struct {
		Key      string    `json:"key"`
		Type     string    `json:"rotation"` // AUTOMATIC or ON_DEMAND
		At       time.Time `json:"at"`
		Material Material  `json:"material"`
	}
	// KeyMaterialImported gives a key of origin EXTERNAL its material: for the first
	// time, or the same again, in which case the keyring entry is a new one. ValidTo
	// is absent for material that does not expire.
	KeyMaterialImported struct {
		Key       string    `json:"key"`
		At        time.Time `json:"at"`
		ValidTo   time.Time `json:"validTo,omitzero"`
		Material  Material  `json:"material"`
		PublicKey []byte    `json:"publicKey,omitempty"` // DER, asymmetric keys only
	}
	// KeyMaterialDeleted takes imported material from a key; it is erased from the
	// keyring once the record is durable. The key remembers which it was.
	KeyMaterialDeleted struct {
		Key      string `json:"key"`
		Material string `json:"material"` // 64 hex digits
	}
	// KeyMaterialExpired is KeyMaterialDeleted by time.
	KeyMaterialExpired struct {
		Key      string `json:"key"`
		Material string `json:"material"` // 64 hex digits
	}
	AliasCreated struct {
		Alias   string    `json:"alias"` // with the alias/ prefix
		Account string    `json:"account"`
		Key     string    `json:"key"`
		At      time.Time `json:"at"`
	}
	AliasMoved struct {
		Alias   string    `json:"alias"`
		Account string    `json:"account"`
		Key     string    `json:"key"`
		At      time.Time `json:"at"`
	}
	AliasDeleted struct {
		Alias   string `json:"alias"`
		Account string `json:"account"`
	}
	GrantCreated struct {
		Grant          string            `json:"grant"` // 64 hex digits
		Key            string            `json:"key"`
		Name           string            `json:"name,omitempty"`
		Grantee        string            `json:"grantee"`
		GranteeID      string            `json:"granteeId,omitempty"` // unique id the ARN stood for
		Retiring       string            `json:"retiring,omitempty"`
		RetiringID     string            `json:"retiringId,omitempty"`
		Operations     []string          `json:"operations"`
		ContextEquals  map[string]string `json:"contextEquals,omitempty"`
		ContextSubset  map[string]string `json:"contextSubset,omitempty"`
		IssuingAccount string            `json:"issuingAccount"`
		At             time.Time         `json:"at"`
	}
	GrantRetired struct {
		Grant string `json:"grant"`
		Key   string `json:"key"`
	}
	GrantRevoked struct {
		Grant string `json:"grant"`
		Key   string `json:"key"`
	}
)

// Tag is a resource tag.
type Tag struct {
	Key   string `json:"k"`
	Value string `json:"v"`
}
