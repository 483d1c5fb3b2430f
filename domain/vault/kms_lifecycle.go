package vault

import (
	"strconv"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/key"
	"github.com/keytrail/keytrail/domain/vault/shape"
)

func init() {
	define("kms", "EnableKey", change, kmsEnableKey)
	define("kms", "DisableKey", change, kmsDisableKey)
	define("kms", "ScheduleKeyDeletion", change, kmsScheduleKeyDeletion)
	define("kms", "CancelKeyDeletion", change, kmsCancelKeyDeletion)
	define("kms", "UpdateKeyDescription", change, kmsUpdateKeyDescription)
	define("kms", "DeleteKey", internal, kmsDeleteKey)
}

// KeyInput is the request of the operations that take a key and nothing else.
type KeyInput struct {
	KeyID string `json:"KeyId" aws:"required,min=1,max=2048"`
}

// KeyOutput is the reply of operations that only say which key it was, by ARN.
type KeyOutput struct {
	KeyID string `json:"KeyId"`
}

func (o *KeyOutput) responseElements() any { return map[string]string{"keyId": o.KeyID} }

func kmsEnableKey(c *call, in *KeyInput) (*struct{}, error) {
	k, err := c.changeKey(in.KeyID, "kms:EnableKey")
	if err != nil {
		return nil, err
	}
	if k.State != key.Enabled {
		c.emit(&event.KeyEnabled{Key: k.ID})
	}
	return nil, nil
}

func kmsDisableKey(c *call, in *KeyInput) (*struct{}, error) {
	k, err := c.changeKey(in.KeyID, "kms:DisableKey")
	if err != nil {
		return nil, err
	}
	if err := c.useIsKnown(); err != nil {
		return nil, err
	}
	if k.State != key.Disabled {
		c.emit(&event.KeyDisabled{Key: k.ID})
	}
	return nil, nil
}

// ScheduleKeyDeletionInput is the request of kms:ScheduleKeyDeletion. The window
// is 7 to 30 days; AWS's shape is wider than its rule.
type ScheduleKeyDeletionInput struct {
	KeyID  string `json:"KeyId" aws:"required,min=1,max=2048"`
	Window int    `json:"PendingWindowInDays" aws:"min=1,max=365"`
}

// ScheduleKeyDeletionOutput is the reply of kms:ScheduleKeyDeletion.
type ScheduleKeyDeletionOutput struct {
	KeyID               string `json:"KeyId"`
	DeletionDate        shape.Timestamp
	KeyState            string
	PendingWindowInDays int
}

func (o *ScheduleKeyDeletionOutput) responseElements() any {
	return map[string]any{
		"keyId": o.KeyID, "deletionDate": recordedDate(o.DeletionDate.Time), "keyState": o.KeyState, "pendingWindowInDays": o.PendingWindowInDays,
	}
}

func kmsScheduleKeyDeletion(c *call, in *ScheduleKeyDeletionInput) (*ScheduleKeyDeletionOutput, error) {
	window := in.Window
	switch {
	case window == 0:
		window = key.MaxDeletionWindow
	case window < key.MinDeletionWindow || window > key.MaxDeletionWindow:
		return nil, fault.New(fault.ValidationException, "PendingWindowInDays must be between %d and %d.", key.MinDeletionWindow, key.MaxDeletionWindow)
	}
	k, err := c.changeKey(in.KeyID, "kms:ScheduleKeyDeletion", when("kms:schedulekeydeletionpendingwindowindays", strconv.Itoa(window)))
	if err != nil {
		return nil, err
	}
	if err := c.useIsKnown(); err != nil {
		return nil, err
	}
	at := c.now().AddDate(0, 0, window)
	c.emit(&event.KeyDeletionScheduled{Key: k.ID, Window: window, At: at})
	return &ScheduleKeyDeletionOutput{
		KeyID: k.ARN, DeletionDate: shape.At(at), KeyState: string(key.PendingDeletion), PendingWindowInDays: window,
	}, nil
}

func kmsCancelKeyDeletion(c *call, in *KeyInput) (*KeyOutput, error) {
	k, err := c.changeKey(in.KeyID, "kms:CancelKeyDeletion")
	if err != nil {
		return nil, err
	}
	c.emit(&event.KeyDeletionCancelled{Key: k.ID})
	return &KeyOutput{KeyID: k.ARN}, nil
}

// UpdateKeyDescriptionInput is the request of kms:UpdateKeyDescription.
type UpdateKeyDescriptionInput struct {
	KeyID       string  `json:"KeyId" aws:"required,min=1,max=2048"`
	Description *string `json:"Description" aws:"required,max=8192"`
}

func kmsUpdateKeyDescription(c *call, in *UpdateKeyDescriptionInput) (*struct{}, error) {
	k, err := c.changeKey(in.KeyID, "kms:UpdateKeyDescription")
	if err != nil {
		return nil, err
	}
	if k.Description != *in.Description {
		c.emit(&event.KeyDescriptionChanged{Key: k.ID, Description: *in.Description})
	}
	return nil, nil
}

// kmsDeleteKey ends a key whose deletion window is over. Crash points: the
// materials are erased after the record is on disk, and again at the next start
// as the state then refers to them no more.
func kmsDeleteKey(c *call, in *KeyInput) (*struct{}, error) {
	k := c.st.Keys.Get(in.KeyID)
	if k == nil {
		return nil, key.NotFound(in.KeyID)
	}
	c.resource(k.ARN)
	if !k.Gone(c.now()) {
		return nil, fault.New(fault.KMSInvalidStateException, "%s is not due for deletion.", k.ARN)
	}
	rings := make([]string, 0, 1+len(k.Rotations()))
	for _, m := range k.Materials() {
		rings = append(rings, m.Ring)
	}
	c.emit(&event.KeyDeleted{Key: k.ID})
	for _, ring := range rings {
		c.erase(ring)
	}
	return nil, nil
}
