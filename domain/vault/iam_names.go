package vault

import (
	"encoding/base64"
	"errors"
	"iter"
	"strings"
	"unicode"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/iam"
	"github.com/keytrail/keytrail/domain/identity"
)

// defineIAM is define for IAM operations, which a user's temporary credentials
// cannot call: those of GetSessionToken, without multi-factor authentication.
func defineIAM[In, Out any](name string, k kind, handle func(*call, *In) (*Out, error)) {
	define("iam", name, k, func(c *call, in *In) (*Out, error) {
		if a := c.actor; a.Principal.Type != iam.RoleSession && !a.Issued.IsZero() && !a.MFA {
			return nil, fault.New(fault.InvalidClientTokenID, "The security token included in the request is invalid")
		}
		return handle(c, in)
	})
}

// home is the caller's account: the only one that IAM operations reach.
func (c *call) home() *identity.Account { return c.st.Identities.Account(c.account) }

// onUser judges an action on the user that a request names, and gives the user.
// The judgement comes first: whoever may not ask does not learn who exists.
func (c *call) onUser(action, name string, conds ...cond) (*identity.User, error) {
	u, ok := c.home().Users.Find(name)
	on := plain(arn.User(c.account, "/", name).String())
	if ok {
		on = plainTagged(u.ARN, u.Tags)
	}
	if err := c.judge(action, on, conds); err != nil {
		return nil, err
	}
	if !ok {
		return nil, noSuch("user", name)
	}
	return u, nil
}

// onGroup is onUser for groups.
func (c *call) onGroup(action, name string, conds ...cond) (*identity.Group, error) {
	g, ok := c.home().Groups.Find(name)
	on := plain(arn.Group(c.account, "/", name).String())
	if ok {
		on = plain(g.ARN)
	}
	if err := c.judge(action, on, conds); err != nil {
		return nil, err
	}
	if !ok {
		return nil, noSuch("group", name)
	}
	return g, nil
}

// onIAMRole is onUser for roles: as things that identity policies guard, not as
// something to assume.
func (c *call) onIAMRole(action, name string, conds ...cond) (*identity.Role, error) {
	r, ok := c.home().Roles.Find(name)
	on := plain(arn.Role(c.account, "/", name).String())
	if ok {
		on = plainTagged(r.ARN, r.Tags)
	}
	if err := c.judge(action, on, conds); err != nil {
		return nil, err
	}
	if !ok {
		return nil, noSuch("role", name)
	}
	return r, nil
}

// onPolicy is onUser for a managed policy, the account's own or one of AWS.
func (c *call) onPolicy(action, name string, conds ...cond) (*identity.ManagedPolicy, error) {
	parsed, err := policyARN(name)
	if err != nil {
		return nil, err
	}
	m := c.policy(parsed)
	on := plain(name)
	if m != nil {
		on = plainTagged(name, m.Tags)
	}
	if err := c.judge(action, on, conds); err != nil {
		return nil, err
	}
	if m == nil {
		return nil, fault.New(fault.NoSuchEntity, "Policy %s was not found.", name)
	}
	return m, nil
}

// onOwnPolicy is onPolicy for a change, which AWS's policies do not take.
func (c *call) onOwnPolicy(action, name string, conds ...cond) (*identity.ManagedPolicy, error) {
	m, err := c.onPolicy(action, name, conds...)
	if err == nil && m.AWS() {
		return nil, fault.New(fault.AccessDenied, "Policy %s is an AWS managed policy and cannot be changed.", name)
	}
	return m, err
}

// policy finds a managed policy that the caller's account may use.
func (c *call) policy(a arn.ARN) *identity.ManagedPolicy {
	if m := c.st.Identities.Policy(a.String()); m != nil && (m.AWS() || m.Account == c.account) {
		return m
	}
	return nil
}

// policyARN reads the ARN of a managed policy: what is none at all is another fault
// than one of something else.
func policyARN(name string) (arn.ARN, error) {
	a, err := arn.Parse(name)
	switch {
	case err != nil:
		return a, fault.New(fault.ValidationError, "ARN %s is not valid.", name)
	case a.Service != "iam" || a.Region != "" || !strings.HasPrefix(a.Resource, "policy/"):
		return a, fault.New(fault.InvalidInput, "ARN %s is not valid.", name)
	}
	return a, nil
}

func (c *call) judge(action string, on target, conds []cond) error {
	c.resource(on.arn)
	return c.authorize(action, on, conds...)
}

// callerName is the user that an operation without UserName is about: the caller
// itself. ok is false for the account's root.
func (c *call) callerName(given string) (name string, ok bool, err error) {
	switch {
	case given != "":
		return given, true, nil
	case c.actor.Principal.Type == iam.User:
		return c.actor.UserName, true, nil
	case c.actor.Principal.Type == iam.Root:
		return "", false, nil
	}
	return "", false, fault.New(fault.ValidationError, "Must specify userName when calling with non-User credentials")
}

func noSuch(noun, name string) error {
	return fault.New(fault.NoSuchEntity, "The %s with name %s cannot be found.", noun, name)
}

func alreadyExists(noun, name string) error {
	return fault.New(fault.EntityAlreadyExists, "%s with name %s already exists.", noun, name)
}

func overQuota(name string, quota int) error {
	return fault.New(fault.LimitExceeded, "Cannot exceed quota for %s: %d", name, quota)
}

func deleteConflict(what string) error {
	return fault.New(fault.DeleteConflict, "Cannot delete entity, must %s first.", what)
}

// uniqueID draws an id that nothing has.
func (c *call) uniqueID(prefix string) (string, error) {
	for {
		id, err := identity.NewID(prefix, c.env.Entropy)
		if err != nil || !c.st.Identities.Taken(id) {
			return id, err
		}
	}
}

// readPolicy compiles a document that is not bound to anyone, and gives AWS's
// refusal of one that is malformed.
func readPolicy(kind iam.Kind, document string) (*iam.Policy, error) {
	p, err := iam.Parse(kind, []byte(document))
	if err != nil {
		return nil, malformedIAM(err)
	}
	return p, nil
}

func malformedIAM(err error) error {
	var m *iam.MalformedError
	if errors.As(err, &m) {
		return fault.New(fault.MalformedPolicyDocument, "%s", m.Text)
	}
	return err
}

// readTrust compiles a trust policy and finds the unique ids of whom it names.
func (c *call) readTrust(document string) (principals map[string]string, err error) {
	p, err := readPolicy(iam.TrustPolicy, document)
	if err != nil {
		return nil, err
	}
	if policySize(document) > identity.MaxTrustDocument {
		return nil, overQuota("ACLSizePerRole", identity.MaxTrustDocument)
	}
	ids, unknown := c.st.Identities.UniqueIDs(p.Principals())
	if len(unknown) > 0 {
		return nil, malformedIAM(iam.InvalidPrincipal(iam.TrustPolicy, "AWS", unknown[0]))
	}
	return ids, nil
}

// policySize counts characters as IAM's quotas do: without white space.
func policySize(document string) int {
	n := 0
	for _, r := range document {
		if !unicode.IsSpace(r) {
			n++
		}
	}
	return n
}

// iamTag is a tag as IAM writes it.
type iamTag struct {
	Key   string `json:"Key" aws:"required,min=1,max=128,pattern=[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+"`
	Value string `json:"Value" aws:"required,max=256,pattern=[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*"`
}

// newIAMTags checks tags that a request brings: no key comes twice, and those of AWS
// are not for callers.
func newIAMTags(in []iamTag, keys identity.TagKey) ([]event.Tag, error) {
	if len(in) > identity.MaxTags {
		return nil, fault.New(fault.LimitExceeded, "The number of tags has reached the maximum limit.")
	}
	tags := make([]event.Tag, 0, len(in))
	seen := make(map[string]bool, len(in))
	for _, t := range in {
		key := keys(t.Key)
		if strings.HasPrefix(strings.ToLower(t.Key), "aws:") {
			return nil, fault.New(fault.InvalidInput, "Tag keys that begin with aws: are reserved.")
		}
		if seen[key] {
			if !keys.Same("a", "A") {
				return nil, fault.New(fault.InvalidInput, "Duplicate tag keys found.")
			}
			return nil, fault.New(fault.InvalidInput, "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		seen[key] = true
		tags = append(tags, event.Tag{Key: t.Key, Value: t.Value})
	}
	return tags, nil
}

func iamTags(tags []event.Tag) []iamTag {
	out := make([]iamTag, len(tags))
	for i, t := range tags {
		out[i] = iamTag{t.Key, t.Value}
	}
	return out
}

// iamMore is how the listings of IAM say that there is more.
type iamMore struct {
	IsTruncated bool
	Marker      string `json:",omitempty"`
}

const iamPageSize = 100

// iamPage takes one page, of at most limit entries, of a listing in order of
// key. The marker is the key of the last entry shown, so it stays good when that
// entry is deleted meanwhile; from starts behind a key.
func iamPage[E, V any](marker string, limit int, from func(after string) iter.Seq[E], key func(E) string, view func(E) V) ([]V, iamMore, error) {
	after, err := base64.RawURLEncoding.DecodeString(marker)
	if err != nil {
		return nil, iamMore{}, fault.New(fault.ValidationError, "Invalid Marker.")
	}
	if limit == 0 {
		limit = iamPageSize
	}
	list, last := []V{}, ""
	for e := range from(string(after)) {
		if len(list) == limit {
			return list, iamMore{IsTruncated: true, Marker: base64.RawURLEncoding.EncodeToString([]byte(last))}, nil
		}
		list, last = append(list, view(e)), key(e)
	}
	return list, iamMore{}, nil
}

// behind starts a list that is sorted by key behind a key.
func behind[E any](list []E, key func(E) string) func(after string) iter.Seq[E] {
	return func(after string) iter.Seq[E] {
		return func(yield func(E) bool) {
			for _, e := range list {
				if (after == "" || key(e) > after) && !yield(e) {
					return
				}
			}
		}
	}
}

// where leaves out the entries that do not fit.
func where[E any](from func(after string) iter.Seq[E], fits func(E) bool) func(after string) iter.Seq[E] {
	return func(after string) iter.Seq[E] {
		return func(yield func(E) bool) {
			for e := range from(after) {
				if fits(e) && !yield(e) {
					return
				}
			}
		}
	}
}
