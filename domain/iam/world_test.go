package iam_test

import (
	"strings"
	"testing"

	"github.com/keytrail/keytrail/domain/iam"
)

// The world of the tests: one account with a key and a secret, its root user,
// the user alice, a session of the role Reader; and mallory in another account.
const (
	account  = "111122223333"
	stranger = "999988887777"
	key      = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	alias    = "arn:aws:kms:us-east-1:111122223333:alias/app"
	secret   = "arn:aws:secretsmanager:us-east-1:111122223333:secret:app/db-AbCdEf"

	rootARN    = "arn:aws:iam::111122223333:root"
	aliceARN   = "arn:aws:iam::111122223333:user/eng/alice"
	readerARN  = "arn:aws:iam::111122223333:role/Reader"
	sessionARN = "arn:aws:sts::111122223333:assumed-role/Reader/build-7"
	malloryARN = "arn:aws:iam::999988887777:user/mallory"
)

var (
	root    = iam.Principal{Type: iam.Root, ARN: rootARN, Account: account, UniqueID: account, UserID: account}
	alice   = iam.Principal{Type: iam.User, ARN: aliceARN, Account: account, UniqueID: "AIDAALICE00000000001", UserID: "AIDAALICE00000000001"}
	reader  = iam.Principal{Type: iam.RoleSession, ARN: sessionARN, Account: account, RoleARN: readerARN, UniqueID: "AROAREADER0000000001", UserID: "AROAREADER0000000001:build-7"}
	mallory = iam.Principal{Type: iam.User, ARN: malloryARN, Account: stranger, UniqueID: "AIDAMALLORY000000001", UserID: "AIDAMALLORY000000001"}
)

// doc makes a document of statements, written with single quotes.
func doc(statements ...string) string {
	return strings.ReplaceAll(`{'Version':'2012-10-17','Statement':[`+strings.Join(statements, ",")+`]}`, "'", `"`)
}

func allow(action, resource string, rest ...string) string {
	return statement("Allow", action, resource, rest)
}
func deny(action, resource string, rest ...string) string {
	return statement("Deny", action, resource, rest)
}

func statement(effect, action, resource string, rest []string) string {
	s := `{'Effect':'` + effect + `','Action':'` + action + `','Resource':'` + resource + `'`
	for _, r := range rest {
		s += "," + r
	}
	return s + "}"
}

// to is a Principal element naming AWS principals; when is a Condition.
func to(names ...string) string {
	return `'Principal':{'AWS':['` + strings.Join(names, "','") + `']}`
}
func notTo(names ...string) string  { return `'Not` + to(names...)[1:] }
func when(conditions string) string { return `'Condition':{` + conditions + `}` }

// delegation is the statement of the default key policy.
var delegation = allow("kms:*", "*", to(rootARN))

func parse(t testing.TB, kind iam.Kind, document string) *iam.Policy {
	t.Helper()
	p, err := iam.Parse(kind, []byte(document))
	if err != nil {
		t.Fatalf("%v\n%s", err, document)
	}
	return p
}

// call is one row of a table: who does what, under which policies, and the answer.
type call struct {
	rule     string
	who      iam.Principal
	action   string // default kms:Decrypt
	resource string // default key
	model    iam.Model
	context  iam.ContextMap
	identity []string
	boundary string
	session  []string // not nil: session policies are in force
	policy   string   // of the resource
	grants   []iam.Grant
	pairs    map[string]string // encryption context

	road   iam.Road // the expected answer
	reason string   // the expected end of a denial's message, when given
}

func (c call) input(t testing.TB) *iam.Input {
	in := &iam.Input{
		Principal: c.who, Action: c.action, Resource: c.resource, ResourceAccount: account, Model: c.model,
		Context: c.context, Grants: c.grants, EncryptionContext: c.pairs, HasSession: c.session != nil,
	}
	if in.Action == "" {
		in.Action = "kms:Decrypt"
	}
	if in.Resource == "" {
		in.Resource = key
	}
	for _, d := range c.identity {
		in.Identity = append(in.Identity, iam.Source{ID: "identity", Policy: parse(t, iam.IdentityPolicy, d)})
	}
	for _, d := range c.session {
		in.Session = append(in.Session, iam.Source{ID: "session", Policy: parse(t, iam.SessionPolicy, d)})
	}
	if c.boundary != "" {
		in.Boundary = &iam.Source{ID: "boundary", Policy: parse(t, iam.BoundaryPolicy, c.boundary)}
	}
	if c.policy != "" {
		kind := map[iam.Model]iam.Kind{iam.ModelKey: iam.KeyPolicy, iam.ModelResource: iam.ResourcePolicy, iam.ModelTrust: iam.TrustPolicy}[c.model]
		in.ResourcePolicy = &iam.Source{ID: "policy", Policy: parse(t, kind, c.policy)}
	}
	return in
}

func decide(t *testing.T, calls []call) {
	t.Helper()
	for _, c := range calls {
		t.Run(c.rule, func(t *testing.T) {
			in := c.input(t)
			d := iam.Evaluate(in)
			if d.Road != c.road {
				t.Fatalf("road %v, want %v\nmatched %v\nmissing %v", d.Road, c.road, d.Matched, d.Missing)
			}
			if want := c.road > iam.DeniedExplicit; d.Allowed != want {
				t.Fatalf("allowed %v on road %v", d.Allowed, d.Road)
			}
			if c.reason != "" && d.Reason(in.Action) != c.reason {
				t.Errorf("reason %q, want %q", d.Reason(in.Action), c.reason)
			}
			if d.Road == iam.DeniedImplicit && len(d.Missing) == 0 {
				t.Error("an implicit denial names nothing that is missing")
			}
		})
	}
}
