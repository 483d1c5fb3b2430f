package vault

import (
	"strconv"
	"time"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/key"
	"github.com/keytrail/keytrail/domain/vault/shape"
)

func init() {
	define("kms", "EnableKeyRotation", change, kmsEnableKeyRotation)
	define("kms", "DisableKeyRotation", change, kmsDisableKeyRotation)
	define("kms", "GetKeyRotationStatus", use, kmsGetKeyRotationStatus)
	define("kms", "RotateKeyOnDemand", change, kmsRotateKeyOnDemand)
	define("kms", "ListKeyRotations", use, kmsListKeyRotations)
	define("kms", "RotateKey", internal, kmsRotateKey)
}

// EnableKeyRotationInput is the request of kms:EnableKeyRotation. The period is
// 90 to 2,560 days, 365 when none is given.
type EnableKeyRotationInput struct {
	KeyID  string `json:"KeyId" aws:"required,min=1,max=2048"`
	Period int    `json:"RotationPeriodInDays" aws:"min=90,max=2560"`
}

func kmsEnableKeyRotation(c *call, in *EnableKeyRotationInput) (*struct{}, error) {
	var conds []cond
	if in.Period != 0 {
		conds = append(conds, when("kms:rotationperiodindays", strconv.Itoa(in.Period)))
	}
	k, err := c.changeKey(in.KeyID, "kms:EnableKeyRotation", conds...)
	if err != nil {
		return nil, err
	}
	period := in.Period
	if period == 0 {
		if period = k.RotationPeriod(); period == 0 {
			period = key.DefaultRotation
		}
	}
	if period != k.RotationPeriod() {
		c.emit(&event.KeyRotationEnabled{Key: k.ID, Period: period, From: c.now()})
	}
	return nil, nil
}

func kmsDisableKeyRotation(c *call, in *KeyInput) (*struct{}, error) {
	k, err := c.changeKey(in.KeyID, "kms:DisableKeyRotation")
	if err != nil {
		return nil, err
	}
	if k.RotationPeriod() != 0 {
		c.emit(&event.KeyRotationDisabled{Key: k.ID})
	}
	return nil, nil
}

// GetKeyRotationStatusOutput is the reply of kms:GetKeyRotationStatus. An
// on-demand rotation is done within its call, so none is ever seen in progress.
type GetKeyRotationStatusOutput struct {
	KeyID                string `json:"KeyId"`
	KeyRotationEnabled   bool
	RotationPeriodInDays int             `json:",omitempty"`
	NextRotationDate     shape.Timestamp `json:",omitzero"`
}

func kmsGetKeyRotationStatus(c *call, in *KeyInput) (*GetKeyRotationStatusOutput, error) {
	k, err := c.openKey(in.KeyID, otherAccount, "kms:GetKeyRotationStatus")
	if err != nil {
		return nil, err
	}
	out := &GetKeyRotationStatusOutput{KeyID: k.ARN}
	if k.RotationPeriod() != 0 && k.State != key.PendingDeletion { // a cancelled deletion brings it back
		out.KeyRotationEnabled, out.RotationPeriodInDays, out.NextRotationDate = true, k.RotationPeriod(), shape.At(k.NextRotation())
	}
	return out, nil
}

func kmsRotateKeyOnDemand(c *call, in *KeyInput) (*KeyOutput, error) {
	k, err := c.changeKey(in.KeyID, "kms:RotateKeyOnDemand")
	if err != nil {
		return nil, err
	}
	if k.OnDemandRotations() >= key.MaxOnDemandRotations {
		return nil, fault.New(fault.LimitExceededException, "The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for this key: %s", k.ARN)
	}
	if err := c.rotate(k.Key, key.RotationOnDemand); err != nil {
		return nil, err
	}
	return &KeyOutput{KeyID: k.ARN}, nil
}

func (c *call) rotate(k *key.Key, kind string) error {
	m, err := c.newMaterial(k.RawID)
	if err != nil {
		return kmsInternal(err)
	}
	c.extra("keyMaterialId", m.ID)
	c.emit(&event.KeyRotated{Key: k.ID, Type: kind, At: c.now(), Material: m})
	return nil
}

// kmsRotateKey is the rotation that falls due by time.
func kmsRotateKey(c *call, in *KeyInput) (*struct{}, error) {
	k := c.st.Keys.Get(in.KeyID)
	if k == nil {
		return nil, key.NotFound(in.KeyID)
	}
	c.resource(k.ARN)
	if next := k.NextRotation(); next.IsZero() || next.After(c.now()) || k.State != key.Enabled {
		return nil, fault.New(fault.KMSInvalidStateException, "%s is not due for rotation.", k.ARN)
	}
	return nil, c.rotate(k, key.RotationAutomatic)
}

// dueKeys lists the internal calls that time demands of keys: the deletion of
// those whose window has ended and of imported material that has expired, and
// automatic rotations. Each call, carried out,
// takes its key off the list. Its cost is that of the keys that are due.
func dueKeys(st *State, now time.Time) []Request {
	var due []Request
	st.Keys.Due(now, func(k *key.Key) bool {
		operation := "RotateKey"
		switch {
		case k.Gone(now):
			operation = "DeleteKey"
		case k.Expired(now):
			operation = "DeleteExpiredKeyMaterial"
		}
		body := append(event.AppendString([]byte(`{"KeyId":`), k.ID), '}')
		due = append(due, Request{Service: "kms", Operation: operation, Body: body, Source: "keytrail", Agent: "keytrail", Secure: true})
		return true
	})
	return due
}

// ListKeyRotationsInput is the request of kms:ListKeyRotations.
type ListKeyRotationsInput struct {
	KeyID   string `json:"KeyId" aws:"required,min=1,max=2048"`
	Include string `json:"IncludeKeyMaterial" aws:"enum=ALL_KEY_MATERIAL|ROTATIONS_ONLY"`
	Limit   int    `json:"Limit" aws:"min=1,max=1000"`
	Marker  string `json:"Marker" aws:"min=1,max=1024"`
}

// ListKeyRotationsOutput is the reply of kms:ListKeyRotations, oldest first.
type ListKeyRotationsOutput struct {
	Rotations  []RotationEntry
	NextMarker string `json:",omitempty"`
	Truncated  bool
}

// RotationEntry is one key material. The first has no rotation.
type RotationEntry struct {
	KeyID            string `json:"KeyId"`
	KeyMaterialID    string `json:"KeyMaterialId"`
	KeyMaterialState string
	RotationDate     shape.Timestamp `json:",omitzero"`
	RotationType     string          `json:",omitempty"`
}

func kmsListKeyRotations(c *call, in *ListKeyRotationsInput) (*ListKeyRotationsOutput, error) {
	k, err := c.openKey(in.KeyID, keysOnly, "kms:ListKeyRotations")
	if err != nil {
		return nil, err
	}
	p, err := serialPage(in.Limit, 100, in.Marker)
	if err != nil {
		return nil, err
	}
	materials, rotations := k.Materials(), k.Rotations()
	first := 1
	if in.Include == "ALL_KEY_MATERIAL" {
		first = 0
	}
	out := &ListKeyRotationsOutput{Rotations: []RotationEntry{}}
	for i := max(first, int(min(p.after, uint64(len(materials))))); i < len(materials); i++ {
		if len(out.Rotations) == p.limit {
			p.after = uint64(i)
			out.Truncated, out.NextMarker = true, p.marker()
			break
		}
		e := RotationEntry{KeyID: k.ID, KeyMaterialID: materials[i].ID, KeyMaterialState: "NON_CURRENT"}
		if i == len(materials)-1 {
			e.KeyMaterialState = "CURRENT"
		}
		if i > 0 {
			e.RotationDate, e.RotationType = shape.At(rotations[i-1].At), rotations[i-1].Type
		}
		out.Rotations = append(out.Rotations, e)
	}
	return out, nil
}
