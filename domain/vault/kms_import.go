package vault

import (
	"crypto"
	"time"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/key"
	"github.com/keytrail/keytrail/domain/vault/shape"
)

func init() {
	define("kms", "GetParametersForImport", use, kmsGetParametersForImport)
	define("kms", "ImportKeyMaterial", change, kmsImportKeyMaterial)
	define("kms", "DeleteImportedKeyMaterial", change, kmsDeleteImportedKeyMaterial)
	define("kms", "DeleteExpiredKeyMaterial", internal, kmsDeleteExpiredKeyMaterial)
}

// Expiration models of imported key material.
const (
	expires       = "KEY_MATERIAL_EXPIRES"
	doesNotExpire = "KEY_MATERIAL_DOES_NOT_EXPIRE"
)

const importedBytes = 32 // of symmetric key material

// wrappingHashes has the wrapping algorithms that the vault unwraps, with the hash
// of their OAEP.
var wrappingHashes = map[string]crypto.Hash{
	"RSAES_OAEP_SHA_1": crypto.SHA1, "RSAES_OAEP_SHA_256": crypto.SHA256,
	"RSA_AES_KEY_WRAP_SHA_1": crypto.SHA1, "RSA_AES_KEY_WRAP_SHA_256": crypto.SHA256,
}

// GetParametersForImportInput is the request of kms:GetParametersForImport.
type GetParametersForImportInput struct {
	KeyID             string `json:"KeyId" aws:"required,min=1,max=2048"`
	WrappingAlgorithm string `json:"WrappingAlgorithm" aws:"required,enum=RSAES_PKCS1_V1_5|RSAES_OAEP_SHA_1|RSAES_OAEP_SHA_256|RSA_AES_KEY_WRAP_SHA_1|RSA_AES_KEY_WRAP_SHA_256|SM2PKE"`
	WrappingKeySpec   string `json:"WrappingKeySpec" aws:"required,enum=RSA_2048|RSA_3072|RSA_4096|SM2"`
}

// GetParametersForImportOutput is the reply of kms:GetParametersForImport:
// PublicKey, DER SubjectPublicKeyInfo, wraps the material, and ImportToken comes
// back with it. Both are good for 24 hours.
type GetParametersForImportOutput struct {
	KeyID       string `json:"KeyId"`
	ImportToken []byte
	PublicKey   []byte
	ValidTo     shape.Timestamp `json:"ParametersValidTo"`
}

func kmsGetParametersForImport(c *call, in *GetParametersForImportInput) (*GetParametersForImportOutput, error) {
	k, err := c.changeKey(in.KeyID, "kms:GetParametersForImport",
		when("kms:wrappingalgorithm", in.WrappingAlgorithm), when("kms:wrappingkeyspec", in.WrappingKeySpec))
	if err != nil {
		return nil, err
	}
	switch {
	case wrappingHashes[in.WrappingAlgorithm] == 0:
		return nil, fault.New(fault.UnsupportedOperationException, "WrappingAlgorithm %s is not supported.", in.WrappingAlgorithm)
	case rsaBits[in.WrappingKeySpec] == 0:
		return nil, fault.New(fault.UnsupportedOperationException, "WrappingKeySpec %s is not supported.", in.WrappingKeySpec)
	}
	private, public, err := c.req.Prepared.take(c.env.Entropy, in.WrappingKeySpec)
	if err != nil {
		return nil, kmsInternal(err)
	}
	defer clear(private)
	t := &importToken{expires: c.now().Add(importTokenLife), algorithm: in.WrappingAlgorithm, private: private}
	token, err := c.sealImportToken(k.Key, t)
	if err != nil {
		return nil, kmsInternal(err)
	}
	return &GetParametersForImportOutput{KeyID: k.ARN, ImportToken: token, PublicKey: public, ValidTo: shape.At(t.expires)}, nil
}

// ImportKeyMaterialInput is the request of kms:ImportKeyMaterial. The description
// is in the record alone.
type ImportKeyMaterialInput struct {
	KeyID           string          `json:"KeyId" aws:"required,min=1,max=2048"`
	ImportToken     []byte          `json:"ImportToken" aws:"required,min=1,max=6144" audit:"-"`
	Encrypted       []byte          `json:"EncryptedKeyMaterial" aws:"required,min=1,max=6144" audit:"-"`
	ValidTo         shape.Timestamp `json:"ValidTo"`
	ExpirationModel string          `json:"ExpirationModel" aws:"enum=KEY_MATERIAL_EXPIRES|KEY_MATERIAL_DOES_NOT_EXPIRE"`
	ImportType      string          `json:"ImportType" aws:"enum=NEW_KEY_MATERIAL|EXISTING_KEY_MATERIAL"`
	Description     string          `json:"KeyMaterialDescription" aws:"max=256,pattern=[a-zA-Z0-9:/_\\s.-]*"`
	MaterialID      string          `json:"KeyMaterialId" aws:"pattern=[a-f0-9]{64}"`
}

// ImportedKeyMaterialOutput is the reply of kms:ImportKeyMaterial and
// kms:DeleteImportedKeyMaterial.
type ImportedKeyMaterialOutput struct {
	KeyID      string `json:"KeyId"`
	MaterialID string `json:"KeyMaterialId,omitempty"`
}

func (o *ImportedKeyMaterialOutput) responseElements() any {
	r := map[string]string{"keyId": o.KeyID}
	if o.MaterialID != "" {
		r["keyMaterialId"] = o.MaterialID
	}
	return r
}

// kmsImportKeyMaterial gives a key its material. A key has one material in its
// life: what it names in the state is the material id, which holds the next import
// to the same material.
func kmsImportKeyMaterial(c *call, in *ImportKeyMaterialInput) (*ImportedKeyMaterialOutput, error) {
	if in.ExpirationModel == "" {
		in.ExpirationModel = expires
	}
	conds := []cond{when("kms:expirationmodel", in.ExpirationModel)}
	if !in.ValidTo.IsZero() {
		conds = append(conds, when("kms:validto", in.ValidTo.UTC().Format(time.RFC3339)))
	}
	k, err := c.changeKey(in.KeyID, "kms:ImportKeyMaterial", conds...)
	if err != nil {
		return nil, err
	}
	if err := c.importValidity(in); err != nil {
		return nil, err
	}
	if in.ImportType == "NEW_KEY_MATERIAL" && k.FixedMaterial() != "" {
		return nil, fault.New(fault.UnsupportedOperationException, "%s has imported key material already: further key material for rotation is not supported.", k.ARN)
	}
	m, err := c.unwrapMaterial(k.Key, in)
	if err != nil {
		return nil, err
	}
	if !sameMaterial(k.Key, m.id, in) {
		m.wipe()
		return nil, fault.New(fault.IncorrectKeyMaterialException, "The key material is not the one that was imported into %s before.", k.ARN)
	}
	kept, err := c.keepImported(m, k.Key)
	if err != nil {
		return nil, kmsInternal(err)
	}
	if old := k.Current(); old.Ring != "" {
		c.erase(old.Ring)
	}
	c.extra("keyMaterialId", kept.ID)
	c.emit(&event.KeyMaterialImported{Key: k.ID, At: c.now(), ValidTo: in.ValidTo.Time, Material: kept, PublicKey: m.public})
	return &ImportedKeyMaterialOutput{KeyID: k.ARN, MaterialID: kept.ID}, nil
}

func (c *call) importValidity(in *ImportKeyMaterialInput) error {
	to := in.ValidTo.Time
	switch {
	case in.ExpirationModel == doesNotExpire && !to.IsZero():
		return fault.New(fault.ValidationException, "ValidTo must not be specified with ExpirationModel %s.", doesNotExpire)
	case in.ExpirationModel == doesNotExpire:
		return nil
	case to.IsZero():
		return fault.New(fault.ValidationException, "A validTo date must be set if the ExpirationModel is %s", expires)
	case !to.After(c.now()):
		return fault.New(fault.ValidationException, "ValidTo must be in the future.")
	case to.After(c.now().AddDate(0, 0, key.MaxMaterialValidity)):
		return fault.New(fault.ValidationException, "ValidTo must be within %d days.", key.MaxMaterialValidity)
	}
	return nil
}

// sameMaterial holds an import to the material that the key had before, and to
// what the caller says it is.
func sameMaterial(k *key.Key, id string, in *ImportKeyMaterialInput) bool {
	fixed := k.FixedMaterial()
	return (fixed == "" || fixed == id) && (in.MaterialID == "" || in.MaterialID == id) &&
		(fixed != "" || in.ImportType != "EXISTING_KEY_MATERIAL")
}

// unwrapMaterial gives the material that was wrapped, which is for the caller to keep
// or to wipe.
func (c *call) unwrapMaterial(k *key.Key, in *ImportKeyMaterialInput) (*importedKey, error) {
	token, err := c.openImportToken(k, in.ImportToken)
	if err != nil {
		return nil, err
	}
	defer token.wipe()
	raw, err := token.unwrap(in.Encrypted)
	if err != nil {
		return nil, invalidCiphertext(err)
	}
	defer clear(raw)
	return readImported(k, raw)
}

// DeleteImportedKeyMaterialInput is the request of kms:DeleteImportedKeyMaterial.
type DeleteImportedKeyMaterialInput struct {
	KeyID      string `json:"KeyId" aws:"required,min=1,max=2048"`
	MaterialID string `json:"KeyMaterialId" aws:"pattern=[a-f0-9]{64}"`
}

func kmsDeleteImportedKeyMaterial(c *call, in *DeleteImportedKeyMaterialInput) (*ImportedKeyMaterialOutput, error) {
	k, err := c.changeKey(in.KeyID, "kms:DeleteImportedKeyMaterial")
	if err != nil {
		return nil, err
	}
	if in.MaterialID != "" && in.MaterialID != k.FixedMaterial() {
		return nil, fault.New(fault.NotFoundException, "Key material %s of %s does not exist.", in.MaterialID, k.ARN)
	}
	out := &ImportedKeyMaterialOutput{KeyID: k.ARN, MaterialID: k.FixedMaterial()}
	if m := k.Current(); m.ID != "" {
		c.extra("keyMaterialId", m.ID)
		c.erase(m.Ring)
		c.emit(&event.KeyMaterialDeleted{Key: k.ID, Material: m.ID})
	}
	return out, nil
}

// kmsDeleteExpiredKeyMaterial is the expiry that falls due by time. Crash points
// are those of kmsDeleteKey.
func kmsDeleteExpiredKeyMaterial(c *call, in *KeyInput) (*struct{}, error) {
	k := c.st.Keys.Get(in.KeyID)
	if k == nil {
		return nil, key.NotFound(in.KeyID)
	}
	c.resource(k.ARN)
	if !k.Expired(c.now()) {
		return nil, fault.New(fault.KMSInvalidStateException, "%s has no key material that has expired.", k.ARN)
	}
	m := k.Current()
	c.extra("keyMaterialId", m.ID)
	c.erase(m.Ring)
	c.emit(&event.KeyMaterialExpired{Key: k.ID, Material: m.ID})
	return nil, nil
}
