package vault

import (
	"slices"
	"strings"

	"github.com/keytrail/keytrail/domain/arn"
	"github.com/keytrail/keytrail/domain/iam"
	"github.com/keytrail/keytrail/domain/identity"
)

// candidate is one whom a who-can is asked about.
type candidate struct {
	account string // "*" = any other account
	id      string // unique id of a user or role, the account id of the root, "" = everybody in the account
	session string // one session of the role; "" = any
}

func (x *candidate) key() string { return x.account + "/" + x.id + "/" + x.session }

// shown is how the answer names it: a role where any session of it is meant.
func (x *candidate) shown(a *identity.Actor) string {
	switch {
	case x.account == anyAccount:
		return anyAccount
	case x.id == "":
		return arn.Root(x.account).String()
	case a.Principal.RoleARN != "" && x.session == "":
		return a.Principal.RoleARN
	}
	return a.Principal.ARN
}

const anyAccount = "*"

// candidates lists everybody in the caller's account, and whom else the policies
// and grants of its resources name: what other accounts hold inside stays theirs.
func (c *call) candidates(steps []step) []candidate {
	var list []candidate
	seen := map[candidate]bool{}
	add := func(x candidate) {
		if !seen[x] {
			seen[x] = true
			list = append(list, x)
		}
	}
	if a := c.home(); a != nil {
		add(candidate{account: a.ID, id: a.ID})
		for u := range a.Users.After("") {
			add(candidate{account: a.ID, id: u.ID})
		}
		for r := range a.Roles.After("") {
			add(candidate{account: a.ID, id: r.ID})
		}
	}
	for _, s := range steps {
		for i := range s {
			on := &s[i].on
			if on.account != c.account || on.policy.Policy == nil || on.key != nil && !crossAccount[strings.ToLower(s[i].action)] {
				continue
			}
			for _, name := range on.policy.Policy.Principals() {
				c.addNamed(name, add)
			}
			for _, account := range accountsIn(on.policy.Policy.Document()) {
				c.addNamed(account, add)
			}
			if on.policy.Policy.NamesEverybody() {
				add(candidate{account: anyAccount})
			}
			if on.key != nil {
				for _, g := range on.key.GrantsAfter(0) {
					c.addNamed(g.Grantee, add)
				}
			}
		}
	}
	return list
}

// addNamed adds the principal of a policy's or grant's name, unless it is one of
// the caller's account that is there already.
func (c *call) addNamed(name string, add func(candidate)) {
	account := name
	if a, err := arn.Parse(name); err == nil {
		if a.Resource != "root" {
			c.addPrincipal(name, a, add)
			return
		}
		account = a.Account
	}
	switch {
	case arn.IsAccount(account):
		if account != c.account && c.st.Identities.Account(account) != nil {
			add(candidate{account: account})
		}
	case c.st.Identities.User(account) != nil:
		add(candidate{account: c.st.Identities.User(account).Account, id: account})
	case c.st.Identities.Role(account) != nil:
		add(candidate{account: c.st.Identities.Role(account).Account, id: account})
	}
}

func (c *call) addPrincipal(name string, a arn.ARN, add func(candidate)) {
	ids, _ := c.st.Identities.UniqueIDs([]string{name})
	id := ids[name]
	if id == "" {
		return
	}
	session := ""
	if typ, rest := a.Split(); typ == "assumed-role" {
		_, session, _ = strings.Cut(rest, "/")
	}
	add(candidate{account: a.Account, id: id, session: session})
}

// accountsIn lists the account ids that a document mentions, also in conditions:
// everybody may be named, and those of some accounts meant.
func accountsIn(document string) []string {
	var list []string
	for i := 0; i < len(document); {
		n := 0
		for i+n < len(document) && '0' <= document[i+n] && document[i+n] <= '9' {
			n++
		}
		if n == 12 && !slices.Contains(list, document[i:i+n]) {
			list = append(list, document[i:i+n])
		}
		i += n + 1
	}
	return list
}

// everything is what somebody's own account may allow them.
var everything = func() []iam.Source {
	p, err := iam.Parse(iam.IdentityPolicy, []byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`))
	if err != nil {
		panic("vault: " + err.Error())
	}
	return []iam.Source{{ID: "own-account", Policy: p}}
}()

// candidateActor is the candidate as it would call; false if it is not there.
func (c *call) candidateActor(x candidate) (*identity.Actor, bool) {
	if x.id != "" {
		session := x.session
		if session == "" {
			session = "who-can"
		}
		actor, err := c.st.actorOf(x.account, x.id, session, c.now())
		return actor, err == nil
	}
	account := x.account
	if account == anyAccount { // one that nobody has
		account = "-"
	}
	return &identity.Actor{Identity: everything, Principal: iam.Principal{Type: iam.User, ARN: arn.Root(account).String(), Account: account}}, true
}
