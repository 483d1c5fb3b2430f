package vault

import (
	"fmt"
	"io"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/key"
)

func init() { define("kms", "CreateKey", change, kmsCreateKey) }

// Tag is a tag of KMS on the wire. The bounds are KMS's.
type Tag struct {
	TagKey   string `json:"TagKey" aws:"required,min=1,max=128"`
	TagValue string `json:"TagValue" aws:"required,max=256"`
}

// CreateKeyInput is the request of kms:CreateKey.
type CreateKeyInput struct {
	Policy           *string `json:"Policy" aws:"min=1,max=131072"`
	Description      string  `json:"Description" aws:"max=8192"`
	KeyUsage         string  `json:"KeyUsage" aws:"enum=SIGN_VERIFY|ENCRYPT_DECRYPT|GENERATE_VERIFY_MAC|KEY_AGREEMENT|ENCAPSULATE_DECAPSULATE"`
	OldSpec          string  `json:"CustomerMasterKeySpec" aws:"enum=RSA_2048|RSA_3072|RSA_4096|ECC_NIST_P256|ECC_NIST_P384|ECC_NIST_P521|ECC_SECG_P256K1|SYMMETRIC_DEFAULT|HMAC_224|HMAC_256|HMAC_384|HMAC_512|SM2"`
	KeySpec          string  `json:"KeySpec" aws:"enum=RSA_2048|RSA_3072|RSA_4096|ECC_NIST_P256|ECC_NIST_P384|ECC_NIST_P521|ECC_SECG_P256K1|ECC_NIST_EDWARDS25519|SYMMETRIC_DEFAULT|HMAC_224|HMAC_256|HMAC_384|HMAC_512|SM2|ML_DSA_44|ML_DSA_65|ML_DSA_87|ML_KEM_512|ML_KEM_768|ML_KEM_1024"`
	Origin           string  `json:"Origin" aws:"enum=AWS_KMS|EXTERNAL|AWS_CLOUDHSM|EXTERNAL_KEY_STORE"`
	CustomKeyStoreID string  `json:"CustomKeyStoreId" aws:"min=1,max=64"`
	Bypass           *bool   `json:"BypassPolicyLockoutSafetyCheck"`
	Tags             []Tag   `json:"Tags"`
	MultiRegion      *bool   `json:"MultiRegion"`
	XksKeyID         string  `json:"XksKeyId" aws:"min=1,max=128"`
}

// CreateKeyOutput is the reply of kms:CreateKey.
type CreateKeyOutput struct{ KeyMetadata *KeyMetadata }

func (o *CreateKeyOutput) responseElements() any {
	return map[string]any{"keyMetadata": o.KeyMetadata.recorded()}
}

func kmsCreateKey(c *call, in *CreateKeyInput) (*CreateKeyOutput, error) {
	e, err := c.describeNewKey(in)
	if err != nil {
		return nil, err
	}
	bypass := in.Bypass != nil && *in.Bypass
	conds := []cond{
		when("kms:keyspec", e.Spec), when("kms:customermasterkeyspec", e.Spec),
		when("kms:keyusage", e.Usage), when("kms:customermasterkeyusage", e.Usage),
		when("kms:keyorigin", e.Origin), whenBool("kms:multiregion", e.MultiRegion),
		whenBool("kms:bypasspolicylockoutsafetycheck", bypass), withRequestTags(e.Tags),
	}
	if err := c.authorize("kms:CreateKey", plain("*"), conds...); err != nil {
		return nil, err
	}
	var raw [16]byte
	if e.Key, raw, err = newKeyID(c.env.Entropy, e.MultiRegion); err != nil {
		return nil, kmsInternal(err)
	}
	keyARN := arn.Key(c.st.Region, c.account, e.Key).String()
	if len(e.Tags) > 0 {
		if err := c.authorize("kms:TagResource", plain(keyARN), conds...); err != nil {
			return nil, err
		}
	}
	if in.Policy == nil {
		e.Policy = defaultKeyPolicy(c.account)
	} else {
		p, err := c.readKeyPolicy(*in.Policy)
		if err != nil {
			return nil, err
		}
		draft := &key.Key{
			ID: e.Key, ARN: keyARN, Account: c.account, Spec: e.Spec, Usage: e.Usage, Origin: e.Origin,
			MultiRegion: e.MultiRegion, Tags: e.Tags, State: key.Enabled,
		}
		if err := c.checkLockout(draft, p, bypass); err != nil {
			return nil, err
		}
		e.Policy, e.Principals = p.text, p.principals
	}
	if c.st.Keys.CustomerKeys(c.account) >= key.MaxKeysPerAccount {
		return nil, fault.New(fault.LimitExceededException, "The account has %d KMS keys, the most it can have.", key.MaxKeysPerAccount)
	}
	k, err := c.makeKey(e, raw)
	if err != nil {
		return nil, err
	}
	return &CreateKeyOutput{KeyMetadata: c.metadata(k)}, nil
}

// describeNewKey validates what kind of key is asked for. The event lacks its id,
// policy and material.
func (c *call) describeNewKey(in *CreateKeyInput) (*event.KeyCreated, error) {
	spec, err := newKeySpec(in)
	if err != nil {
		return nil, err
	}
	usage := in.KeyUsage
	if usage == "" {
		if spec != key.SymmetricDefault {
			return nil, fault.New(fault.ValidationException, "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.")
		}
		usage = key.EncryptDecrypt
	}
	if !key.Fits(spec, usage) {
		return nil, fault.New(fault.ValidationException, "KeyUsage %s is not compatible with KeySpec %s", usage, spec)
	}
	origin := in.Origin
	if origin == "" {
		origin = key.OriginKMS
	}
	switch {
	case origin != key.OriginKMS && origin != key.OriginExternal:
		return nil, fault.New(fault.UnsupportedOperationException, "Origin %s is not supported.", origin)
	case origin == key.OriginExternal && usage == key.Encapsulation:
		return nil, fault.New(fault.UnsupportedOperationException, "Origin EXTERNAL is not supported with key spec %s.", spec)
	case in.CustomKeyStoreID != "", in.XksKeyID != "":
		return nil, noCustomKeyStores()
	}
	tags, err := newTags(in.Tags)
	if err != nil {
		return nil, err
	}
	return &event.KeyCreated{
		Account: c.account, Manager: key.ManagerCustomer, Spec: spec, Usage: usage, Origin: origin,
		MultiRegion: in.MultiRegion != nil && *in.MultiRegion, Description: in.Description, Tags: tags, Created: c.now(),
	}, nil
}

func newKeySpec(in *CreateKeyInput) (string, error) {
	spec := in.KeySpec
	switch {
	case spec != "" && in.OldSpec != "":
		return "", fault.New(fault.ValidationException, "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.")
	case spec == "" && in.OldSpec != "":
		spec = in.OldSpec
	case spec == "":
		spec = key.SymmetricDefault
	}
	if !key.Known(spec) {
		return "", fault.New(fault.UnsupportedOperationException, "KeySpec %s is not supported.", spec)
	}
	return spec, nil
}

// newKeyID draws a random (version 4) UUID as a key id. Multi-Region keys differ
// by the form alone: the UUID is what their blobs carry.
func newKeyID(entropy io.Reader, multiRegion bool) (id string, raw [16]byte, err error) {
	if _, err := io.ReadFull(entropy, raw[:]); err != nil {
		return "", raw, fmt.Errorf("draw a key id: %w", err)
	}
	raw[6], raw[8] = raw[6]&0x0f|0x40, raw[8]&0x3f|0x80
	if multiRegion {
		return key.FormatMultiRegionID(raw), raw, nil
	}
	return key.FormatID(raw), raw, nil
}

// makeKey gives the new key its material, unless that is to be imported, and puts
// it into the state.
func (c *call) makeKey(e *event.KeyCreated, raw [16]byte) (*key.Key, error) {
	switch {
	case e.Origin == key.OriginExternal:
	case e.Spec == key.SymmetricDefault:
		m, err := c.newMaterial(raw)
		if err != nil {
			return nil, kmsInternal(err)
		}
		e.Material = &m
	default:
		if err := c.newPrivateKey(e, raw); err != nil {
			return nil, kmsInternal(err)
		}
	}
	c.emit(e)
	k := c.st.Keys.Get(e.Key)
	if k == nil {
		return nil, kmsInternal(fmt.Errorf("key %s is not in the state after its creation", e.Key))
	}
	c.resource(k.ARN)
	return k, nil
}

// createManagedKey makes the AWS managed key of the calling service in the
// caller's account, with its alias (alias/aws/…) and yearly rotation, as a
// kms:CreateKey of its own in the log. No authorization of the caller is asked:
// the service does it, and the policy says who may use the key through it.
func createManagedKey(c *call, alias, description, policy string) (*key.Key, error) {
	var made *key.Key
	_, err := forward(c, "kms", "CreateKey", &CreateKeyInput{Policy: &policy, Description: description},
		func(c *call, in *CreateKeyInput) (*CreateKeyOutput, error) {
			p, err := c.readKeyPolicy(policy)
			if err != nil {
				return nil, err
			}
			e := &event.KeyCreated{
				Account: c.account, Manager: key.ManagerAWS, Spec: key.SymmetricDefault, Usage: key.EncryptDecrypt,
				Origin: key.OriginKMS, Description: description, Policy: p.text, Principals: p.principals, Created: c.now(),
			}
			var raw [16]byte
			if e.Key, raw, err = newKeyID(c.env.Entropy, false); err != nil {
				return nil, kmsInternal(err)
			}
			if made, err = c.makeKey(e, raw); err != nil {
				return nil, err
			}
			c.emit(&event.AliasCreated{Alias: alias, Account: c.account, Key: made.ID, At: c.now()})
			c.emit(&event.KeyRotationEnabled{Key: made.ID, Period: key.DefaultRotation, From: c.now()})
			return &CreateKeyOutput{KeyMetadata: c.metadata(made)}, nil
		})
	return made, err
}
