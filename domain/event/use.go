package event

// Events of uses. They change no state; projections count them. Key is the key's
// ARN and Material its 64 hex digits, Secret the secret's ARN.
type (
	Encrypted struct {
		Key      string `json:"key"`
		Material string `json:"material,omitempty"`
	}
	Decrypted struct {
		Key      string `json:"key"`
		Material string `json:"material,omitempty"`
	}
	DataKeyGenerated struct {
		Key      string `json:"key"`
		Material string `json:"material,omitempty"`
	}
	// DataKeyPairGenerated is a data key pair of the spec (RSA_2048 …), its private
	// key sealed under the key.
	DataKeyPairGenerated struct {
		Key      string `json:"key"`
		Material string `json:"material,omitempty"`
		Spec     string `json:"spec"`
	}
	SecretValueRead struct {
		Secret  string `json:"secret"`
		Version string `json:"version"`
	}
)
