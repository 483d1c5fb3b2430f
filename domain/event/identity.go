package event

import "time"

// Events of the installation and its accounts, users, groups, roles, policies
// and access keys. User, Group and Role are unique ids (AIDA…, AGPA…, AROA…);
// Policy is the managed policy's ARN.
type (
	// VaultInitialized is the first event of every log.
	VaultInitialized struct {
		Installation string `json:"installation"` // 32 hex digits, in every ciphertext blob
		Region       string `json:"region"`
		RootKey      string `json:"rootKey"` // public id of the root key
	}
	AccountCreated struct {
		Account string    `json:"account"` // 12 digits
		Name    string    `json:"name,omitempty"`
		At      time.Time `json:"at"`
	}
	AccountAliasSet struct {
		Account string `json:"account"`
		Alias   string `json:"alias"` // instead of the one that the account had
	}
	AccountAliasRemoved struct {
		Account string `json:"account"`
	}
	UserCreated struct {
		User    string    `json:"user"`
		Account string    `json:"account"`
		Name    string    `json:"name"`
		Path    string    `json:"path"`
		Tags    []Tag     `json:"tags,omitempty"`
		At      time.Time `json:"at"`
	}
	UserRenamed struct {
		User string `json:"user"`
		Name string `json:"name"`
		Path string `json:"path"`
	}
	UserDeleted struct {
		User string `json:"user"`
	}
	GroupCreated struct {
		Group   string    `json:"group"`
		Account string    `json:"account"`
		Name    string    `json:"name"`
		Path    string    `json:"path"`
		At      time.Time `json:"at"`
	}
	GroupRenamed struct {
		Group string `json:"group"`
		Name  string `json:"name"`
		Path  string `json:"path"`
	}
	GroupDeleted struct {
		Group string `json:"group"`
	}
	UserAddedToGroup struct {
		User  string `json:"user"`
		Group string `json:"group"`
	}
	UserRemovedFromGroup struct {
		User  string `json:"user"`
		Group string `json:"group"`
	}
	RoleCreated struct {
		Role        string            `json:"role"`
		Account     string            `json:"account"`
		Name        string            `json:"name"`
		Path        string            `json:"path"`
		Description string            `json:"description,omitempty"`
		MaxSession  int               `json:"maxSession"` // seconds
		Trust       string            `json:"trust"`
		Principals  map[string]string `json:"principals,omitempty"`
		Tags        []Tag             `json:"tags,omitempty"`
		At          time.Time         `json:"at"`
	}
	RoleSettingsChanged struct {
		Role        string `json:"role"`
		Description string `json:"description"`
		MaxSession  int    `json:"maxSession"`
	}
	RoleTrustReplaced struct {
		Role       string            `json:"role"`
		Trust      string            `json:"trust"`
		Principals map[string]string `json:"principals,omitempty"`
	}
	RoleDeleted struct {
		Role string `json:"role"`
	}

	PolicyCreated struct {
		Policy      string    `json:"policy"`
		ID          string    `json:"id"` // ANPA…
		Account     string    `json:"account"`
		Name        string    `json:"name"`
		Path        string    `json:"path"`
		Description string    `json:"description,omitempty"`
		Document    string    `json:"document"` // becomes v1, the default
		Tags        []Tag     `json:"tags,omitempty"`
		At          time.Time `json:"at"`
	}
	PolicyVersionCreated struct {
		Policy   string    `json:"policy"`
		Version  string    `json:"version"` // v2, v3, …
		Document string    `json:"document"`
		Default  bool      `json:"default,omitempty"`
		At       time.Time `json:"at"`
	}
	PolicyDefaultVersionSet struct {
		Policy  string    `json:"policy"`
		Version string    `json:"version"`
		At      time.Time `json:"at"`
	}
	PolicyVersionDeleted struct {
		Policy  string `json:"policy"`
		Version string `json:"version"`
	}
	PolicyDeleted struct {
		Policy string `json:"policy"`
	}
	// PolicyAttached attaches a managed policy; Principal is a user, group or role id.
	PolicyAttached struct {
		Principal string `json:"principal"`
		Policy    string `json:"policy"`
	}
	PolicyDetached struct {
		Principal string `json:"principal"`
		Policy    string `json:"policy"`
	}
	InlinePolicyPut struct {
		Principal string `json:"principal"`
		Name      string `json:"name"`
		Document  string `json:"document"`
	}
	InlinePolicyDeleted struct {
		Principal string `json:"principal"`
		Name      string `json:"name"`
	}
	BoundarySet struct {
		Principal string `json:"principal"`
		Policy    string `json:"policy"`
	}
	BoundaryRemoved struct {
		Principal string `json:"principal"`
	}
	// PrincipalTagged tags a user, a role or (by ARN) a managed policy.
	PrincipalTagged struct {
		Principal string `json:"principal"`
		Tags      []Tag  `json:"tags"`
	}
	PrincipalUntagged struct {
		Principal string   `json:"principal"`
		Keys      []string `json:"keys"`
	}
	// AccessKeyCreated: the secret rests sealed in the keyring. User is empty for a
	// key of the account root.
	AccessKeyCreated struct {
		AccessKey  string    `json:"accessKey"`
		Account    string    `json:"account"`
		User       string    `json:"user,omitempty"`
		Ring       string    `json:"ring"`
		Commitment string    `json:"commitment"`
		At         time.Time `json:"at"`
	}
	AccessKeyActivated struct {
		AccessKey string `json:"accessKey"`
	}
	AccessKeyDeactivated struct {
		AccessKey string `json:"accessKey"`
	}
	AccessKeyDeleted struct {
		AccessKey string `json:"accessKey"`
	}
	// SessionIssued tells of temporary credentials; they are stateless, so applying
	// it changes nothing.
	SessionIssued struct {
		AccessKey      string            `json:"accessKey"` // ASIA…
		Principal      string            `json:"principal"` // role or user id
		Session        string            `json:"session,omitempty"`
		Expires        time.Time         `json:"expires"`
		Policy         string            `json:"policy,omitempty"`
		PolicyARNs     []string          `json:"policyArns,omitempty"`
		Tags           map[string]string `json:"tags,omitempty"`
		SourceIdentity string            `json:"sourceIdentity,omitempty"`
	}
)
