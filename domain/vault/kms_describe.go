package vault

import (
	"time"

	"github.com/keytrail/keytrail/domain/key"
	"github.com/keytrail/keytrail/domain/vault/shape"
)

func init() {
	define("kms", "DescribeKey", use, kmsDescribeKey)
	define("kms", "ListKeys", use, kmsListKeys)
}

// KeyMetadata describes a key, in AWS's shape.
type KeyMetadata struct {
	AWSAccountID          string                    `json:"AWSAccountId"`
	KeyID                 string                    `json:"KeyId"`
	Arn                   string                    `json:"Arn"`
	CreationDate          shape.Timestamp           `json:"CreationDate"`
	Enabled               bool                      `json:"Enabled"`
	Description           string                    `json:"Description"`
	KeyUsage              string                    `json:"KeyUsage"`
	KeyState              string                    `json:"KeyState"`
	DeletionDate          shape.Timestamp           `json:"DeletionDate,omitzero"`
	ValidTo               shape.Timestamp           `json:"ValidTo,omitzero"`
	Origin                string                    `json:"Origin"`
	ExpirationModel       string                    `json:"ExpirationModel,omitempty"`
	KeyManager            string                    `json:"KeyManager"`
	CustomerMasterKeySpec string                    `json:"CustomerMasterKeySpec"`
	KeySpec               string                    `json:"KeySpec"`
	EncryptionAlgorithms  []string                  `json:"EncryptionAlgorithms,omitempty"`
	SigningAlgorithms     []string                  `json:"SigningAlgorithms,omitempty"`
	MacAlgorithms         []string                  `json:"MacAlgorithms,omitempty"`
	AgreementAlgorithms   []string                  `json:"KeyAgreementAlgorithms,omitempty"`
	KEMAlgorithms         []string                  `json:"EncapsulationAlgorithms,omitempty"`
	MultiRegion           bool                      `json:"MultiRegion"`
	MultiRegionConfig     *MultiRegionConfiguration `json:"MultiRegionConfiguration,omitempty"`
	CurrentKeyMaterialID  string                    `json:"CurrentKeyMaterialId,omitempty"`
}

// MultiRegionConfiguration describes a multi-Region key. The vault makes primary
// keys only, without replicas.
type MultiRegionConfiguration struct {
	MultiRegionKeyType string
	PrimaryKey         MultiRegionKey
	ReplicaKeys        []MultiRegionKey
}

// MultiRegionKey names a primary or replica key.
type MultiRegionKey struct{ Arn, Region string }

func (c *call) metadata(k *key.Key) *KeyMetadata {
	at, _ := k.DeletionAt()
	state := k.StateAt(c.now())
	m := &KeyMetadata{
		AWSAccountID: k.Account, KeyID: k.ID, Arn: k.ARN, CreationDate: shape.At(k.Created),
		Enabled: state == key.Enabled, Description: k.Description, KeyUsage: k.Usage, KeyState: string(state),
		Origin: k.Origin, KeyManager: k.Manager, CustomerMasterKeySpec: k.Spec, KeySpec: k.Spec, MultiRegion: k.MultiRegion,
	}
	if !at.IsZero() {
		m.DeletionDate = shape.At(at)
	}
	switch k.Usage {
	case key.EncryptDecrypt:
		m.EncryptionAlgorithms = k.Algorithms()
	case key.SignVerify:
		m.SigningAlgorithms = k.Algorithms()
	case key.GenerateVerifyMac:
		m.MacAlgorithms = k.Algorithms()
	case key.KeyAgreement:
		m.AgreementAlgorithms = k.Algorithms()
	case key.Encapsulation:
		m.KEMAlgorithms = k.Algorithms()
	}
	if current := k.Current(); current.ID != "" && !k.Expired(c.now()) {
		if k.Spec == key.SymmetricDefault {
			m.CurrentKeyMaterialID = current.ID
		}
		if k.Origin == key.OriginExternal {
			m.ExpirationModel = doesNotExpire
			if to := k.ValidTo(); !to.IsZero() {
				m.ExpirationModel, m.ValidTo = expires, shape.At(to)
			}
		}
	}
	if k.MultiRegion {
		m.MultiRegionConfig = &MultiRegionConfiguration{
			MultiRegionKeyType: "PRIMARY", PrimaryKey: MultiRegionKey{Arn: k.ARN, Region: c.st.Region}, ReplicaKeys: []MultiRegionKey{},
		}
	}
	return m
}

// recordedDate is how CloudTrail writes a time inside requestParameters and
// responseElements.
func recordedDate(t time.Time) string { return t.UTC().Format("Jan 2, 2006, 3:04:05 PM") }

// recorded is the metadata as responseElements has it.
func (m *KeyMetadata) recorded() map[string]any {
	r := map[string]any{
		"aWSAccountId": m.AWSAccountID, "keyId": m.KeyID, "arn": m.Arn, "creationDate": recordedDate(m.CreationDate.Time),
		"enabled": m.Enabled, "description": m.Description, "keyUsage": m.KeyUsage, "keyState": m.KeyState,
		"origin": m.Origin, "keyManager": m.KeyManager, "customerMasterKeySpec": m.CustomerMasterKeySpec,
		"keySpec": m.KeySpec, "multiRegion": m.MultiRegion,
	}
	for name, list := range map[string][]string{
		"encryptionAlgorithms": m.EncryptionAlgorithms, "signingAlgorithms": m.SigningAlgorithms, "macAlgorithms": m.MacAlgorithms,
		"keyAgreementAlgorithms": m.AgreementAlgorithms, "encapsulationAlgorithms": m.KEMAlgorithms,
	} {
		if list != nil {
			r[name] = list
		}
	}
	if m.ExpirationModel != "" {
		r["expirationModel"] = m.ExpirationModel
	}
	if !m.ValidTo.IsZero() {
		r["validTo"] = recordedDate(m.ValidTo.Time)
	}
	if m.CurrentKeyMaterialID != "" {
		r["currentKeyMaterialId"] = m.CurrentKeyMaterialID
	}
	return r
}

// DescribeKeyInput is the request of kms:DescribeKey.
type DescribeKeyInput struct {
	KeyID       string   `json:"KeyId" aws:"required,min=1,max=2048"`
	GrantTokens []string `json:"GrantTokens" aws:"max=10,each.min=1,each.max=8192" audit:"-"`
}

// DescribeKeyOutput is the reply of kms:DescribeKey.
type DescribeKeyOutput struct{ KeyMetadata *KeyMetadata }

func kmsDescribeKey(c *call, in *DescribeKeyInput) (*DescribeKeyOutput, error) {
	if err := grantTokens(in.GrantTokens); err != nil {
		return nil, err
	}
	if err := c.makeDescribed(in.KeyID); err != nil {
		return nil, err
	}
	k, err := c.openKey(in.KeyID, aliasesToo|otherAccount, "kms:DescribeKey")
	if err != nil {
		return nil, err
	}
	return &DescribeKeyOutput{KeyMetadata: c.metadata(k.Key)}, nil
}

// ListKeysInput is the request of kms:ListKeys.
type ListKeysInput struct {
	Limit  int    `json:"Limit" aws:"min=1,max=1000"`
	Marker string `json:"Marker" aws:"min=1,max=1024"`
}

// ListKeysOutput is the reply of kms:ListKeys, in order of creation.
type ListKeysOutput struct {
	Keys       []KeyListEntry
	NextMarker string `json:",omitempty"`
	Truncated  bool
}

// KeyListEntry is one key of a listing.
type KeyListEntry struct {
	KeyID  string `json:"KeyId"`
	KeyArn string `json:"KeyArn"`
}

func kmsListKeys(c *call, in *ListKeysInput) (*ListKeysOutput, error) {
	if err := c.authorize("kms:ListKeys", plain("*")); err != nil {
		return nil, err
	}
	p, err := serialPage(in.Limit, 100, in.Marker)
	if err != nil {
		return nil, err
	}
	out := &ListKeysOutput{Keys: []KeyListEntry{}}
	for _, k := range c.st.Keys.KeysAfter(c.account, p.after) {
		if k.Gone(c.now()) {
			continue
		}
		if len(out.Keys) == p.limit {
			out.Truncated, out.NextMarker = true, p.marker()
			break
		}
		out.Keys = append(out.Keys, KeyListEntry{KeyID: k.ID, KeyArn: k.ARN})
		p.after = k.Serial()
	}
	return out, nil
}
