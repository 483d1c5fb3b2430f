package vault

import (
	"cmp"
	"slices"
	"time"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/iam"
	"github.com/keytrail/keytrail/domain/identity"
	"github.com/keytrail/keytrail/domain/vault/shape"
)

func init() {
	define("sts", "GetCallerIdentity", use, stsGetCallerIdentity)
	define("sts", "GetSessionToken", use, stsGetSessionToken)
	define("sts", "GetAccessKeyInfo", use, stsGetAccessKeyInfo)
	define("sts", "DecodeAuthorizationMessage", use, stsDecodeAuthorizationMessage)
}

type callerIdentityOutput struct {
	UserID  string `json:"UserId"`
	Account string
	ARN     string `json:"Arn"`
}

// stsGetCallerIdentity is not authorized: AWS answers whoever has credentials,
// even against an explicit denial.
func stsGetCallerIdentity(c *call, _ *struct{}) (*callerIdentityOutput, error) {
	p := &c.actor.Principal
	return &callerIdentityOutput{UserID: p.UserID, Account: p.Account, ARN: p.ARN}, nil
}

// credentials are temporary credentials on their way out, the only time that
// their secret and token are seen.
type credentials struct {
	session *identity.Session
	token   string
}

// appendJSON appends the Credentials member. encoding/json would leave the
// secret in buffers that it keeps.
func (k *credentials) appendJSON(dst []byte) []byte {
	dst = slices.Grow(dst, 256+len(k.token))
	dst = event.AppendString(append(dst, `"Credentials":{"AccessKeyId":`...), k.session.AccessKey)
	dst = append(append(append(dst, `,"SecretAccessKey":"`...), k.session.Secret.Expose()...), `","SessionToken":"`...)
	dst = append(append(dst, k.token...), `","Expiration":`...)
	return append(shape.At(k.session.Expires).AppendJSON(dst), '}')
}

// element is the part of the credentials that the record may hold.
func (k *credentials) element() map[string]any {
	return map[string]any{"accessKeyId": k.session.AccessKey, "expiration": trailTime(shape.At(k.session.Expires))}
}

func (k *credentials) wipe() { k.session.Zero() }

// issue makes temporary credentials for a session whose principal, name,
// policies and tags are set. Nothing of it is kept but what the record tells.
func (c *call) issue(s *identity.Session, seconds int) (credentials, error) {
	id, err := c.uniqueID(identity.SessionPrefix)
	if err != nil {
		return credentials{}, err
	}
	secret, err := identity.NewSecretKey(c.env.Entropy)
	if err != nil {
		return credentials{}, err
	}
	s.AccessKey, s.Secret = id, secret
	s.Issued, s.Expires = c.now(), c.now().Add(time.Duration(seconds)*time.Second)
	token, err := identity.SealSession(c.env.Root, c.env.Entropy, s)
	if err != nil {
		s.Zero()
		return credentials{}, err
	}
	tags := make(map[string]string, len(s.Tags))
	for _, t := range s.Tags {
		tags[t.Key] = t.Value
	}
	c.used(&event.SessionIssued{
		AccessKey: s.AccessKey, Principal: s.Principal, Session: s.Name, Expires: s.Expires,
		Policy: s.Policy, PolicyARNs: s.PolicyARNs, Tags: tags, SourceIdentity: s.SourceIdentity,
	})
	return credentials{s, token}, nil
}

type sessionTokenInput struct {
	DurationSeconds int    `json:"DurationSeconds" aws:"min=900,max=129600"`
	SerialNumber    string `json:"SerialNumber" aws:"min=9,max=256"`
	TokenCode       string `json:"TokenCode" aws:"min=6,max=6,pattern=[\\d]*" audit:"-"`
}

type sessionTokenOutput struct{ credentials }

// AppendJSON appends the reply.
func (o *sessionTokenOutput) AppendJSON(dst []byte) []byte {
	return append(o.appendJSON(append(dst, '{')), '}')
}

func (o *sessionTokenOutput) responseElements() any {
	return map[string]any{"credentials": o.element()}
}

func notWithSession(operation string) error {
	return fault.New(fault.AccessDenied, "Cannot call %s with session credentials", operation)
}

// noMFA refuses a device of multi-factor authentication, since nobody has one. To pass
// over it would make a session that its caller takes for a stronger one.
func noMFA(serial, code string) error {
	switch {
	case serial == "" && code == "":
		return nil
	case serial == "" || code == "":
		return fault.New(fault.AccessDenied, "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.")
	}
	return fault.New(fault.AccessDenied, "MultiFactorAuthentication failed with invalid MFA one time pass code.")
}

const (
	defaultSessionToken = 43200 // seconds
	rootSessionToken    = 3600  // the root's default and most
)

// stsGetSessionToken needs no permission, as on AWS, but an explicit denial
// counts.
func stsGetSessionToken(c *call, in *sessionTokenInput) (*sessionTokenOutput, error) {
	a := c.actor
	if a.Principal.Type == iam.RoleSession || !a.Issued.IsZero() {
		return nil, notWithSession("GetSessionToken")
	}
	if err := noMFA(in.SerialNumber, in.TokenCode); err != nil {
		return nil, err
	}
	const action = "sts:GetSessionToken"
	if d := c.try(action, plain("*")); d.Road == iam.DeniedExplicit {
		c.record(action, "*", &d)
		return nil, c.denied(action, "*", &d)
	}
	made, err := c.issue(&identity.Session{Account: c.account, Principal: a.Principal.UniqueID}, c.userSessionSeconds(in.DurationSeconds))
	if err != nil {
		return nil, err
	}
	return &sessionTokenOutput{made}, nil
}

// userSessionSeconds is how long a session of a user or the root lasts.
func (c *call) userSessionSeconds(asked int) int {
	seconds := cmp.Or(asked, defaultSessionToken)
	if c.actor.Principal.Type == iam.Root {
		seconds = min(seconds, rootSessionToken)
	}
	return seconds
}

type accessKeyInfoInput struct {
	AccessKeyID string `json:"AccessKeyId" aws:"required,min=16,max=128,pattern=[\\w]*"`
}

type accessKeyInfoOutput struct {
	Account string
}

// stsGetAccessKeyInfo knows long-term access keys and the caller's own. Other
// temporary ones are stateless, and their ids are random through and through.
func stsGetAccessKeyInfo(c *call, in *accessKeyInfoInput) (*accessKeyInfoOutput, error) {
	if a := c.actor; a.Principal.Type != iam.RoleSession && !a.Issued.IsZero() {
		return nil, notWithSession("GetAccessKeyInfo")
	}
	if err := c.authorize("sts:GetAccessKeyInfo", plain("*")); err != nil {
		return nil, err
	}
	if in.AccessKeyID == c.actor.Who.AccessKey {
		return &accessKeyInfoOutput{c.account}, nil
	}
	if k := c.st.Identities.AccessKey(in.AccessKeyID); k != nil {
		return &accessKeyInfoOutput{k.Account}, nil
	}
	return nil, fault.New(fault.ValidationError, "The access key id %s is not known.", in.AccessKeyID)
}

type decodeMessageInput struct {
	EncodedMessage string `json:"EncodedMessage" aws:"required,min=1,max=10240" audit:"-"`
}

// stsDecodeAuthorizationMessage knows no message: Keytrail's refusals say in clear
// what they lack, and none carries an encoded one.
func stsDecodeAuthorizationMessage(c *call, _ *decodeMessageInput) (*struct{}, error) {
	if a := c.actor; a.Principal.Type != iam.RoleSession && !a.Issued.IsZero() {
		return nil, notWithSession("DecodeAuthorizationMessage")
	}
	if err := c.authorize("sts:DecodeAuthorizationMessage", plain("*")); err != nil {
		return nil, err
	}
	return nil, fault.New(fault.InvalidAuthorization, "Message is not valid")
}
