package vault

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/iam"
)

// cond is a condition key that the request itself brings, beyond what the core
// knows of every request. Names are lower-case.
type cond struct {
	name   string
	values []string
	multi  bool
	// context is an encryption context, tags are the tags of a request; either
	// stands for a family of keys.
	context map[string]string
	tags    []event.Tag
}

// when is a single-valued condition key of this request.
func when(name, value string) cond { return cond{name: name, values: []string{value}} }

// whenBool is a boolean condition key of this request.
func whenBool(name string, value bool) cond { return when(name, strconv.FormatBool(value)) }

// condMulti is a multi-valued condition key of this request.
func condMulti(name string, values ...string) cond {
	return cond{name: name, values: values, multi: true}
}

const (
	contextFamily    = "kms:encryptioncontext"
	requestTagFamily = "aws:requesttag"
)

// withContext gives kms:EncryptionContext:<key>, kms:EncryptionContextKeys and
// what grant constraints compare.
func withContext(context map[string]string) cond {
	return cond{name: contextFamily, context: context}
}

// withRequestTags gives aws:RequestTag/<key> and aws:TagKeys.
func withRequestTags(tags []event.Tag) cond { return cond{name: requestTagFamily, tags: tags} }

func encryptionContext(conds []cond) map[string]string {
	for i := range conds {
		if conds[i].name == contextFamily {
			return conds[i].context
		}
	}
	return nil
}

// conditions answers the condition keys of one judgement. Every answer comes from
// the state, from the verified credential or from what the edge saw itself.
type conditions struct {
	c      *call
	on     target
	owner  string // account of the resource
	policy iam.Source
	conds  []cond
}

// Lookup implements iam.Context.
func (j *conditions) Lookup(name, suffix string) (values []string, multi, ok bool) {
	for i := range j.conds {
		if v, multi, ok := j.conds[i].lookup(name, suffix); ok {
			return v, multi, true
		}
	}
	prefix, _, _ := strings.Cut(name, ":")
	switch prefix {
	case "aws":
		if name == "aws:resourcetag" {
			return j.resourceTag(suffix)
		}
		return j.global(name, suffix)
	case "kms":
		return j.kms(name)
	case "secretsmanager":
		return j.secretsmanager(name, suffix)
	case "iam":
		if name == "iam:resourcetag" {
			return j.resourceTag(suffix)
		}
	}
	return nil, false, false
}

func (d *cond) lookup(name, suffix string) (values []string, multi, ok bool) {
	switch d.name {
	case contextFamily:
		switch name {
		case contextFamily:
			return contextValue(d.context, suffix)
		case "kms:encryptioncontextkeys":
			keys := make([]string, 0, len(d.context))
			for k := range d.context {
				keys = append(keys, k)
			}
			slices.Sort(keys)
			return keys, true, len(keys) > 0
		}
	case requestTagFamily:
		switch name {
		case requestTagFamily:
			return tagValue(d.tags, suffix)
		case "aws:tagkeys":
			keys := make([]string, 0, len(d.tags))
			for _, t := range d.tags {
				keys = append(keys, t.Key)
			}
			return keys, true, len(keys) > 0
		}
	case name:
		return d.values, d.multi, true
	}
	return nil, false, false
}

// contextValue finds a pair by its exact key, then without regard to case, as
// condition key names have none.
func contextValue(context map[string]string, key string) ([]string, bool, bool) {
	if v, ok := context[key]; ok {
		return []string{v}, false, true
	}
	var found []string
	for k, v := range context {
		if strings.EqualFold(k, key) {
			found = append(found, v)
		}
	}
	slices.Sort(found)
	return found, false, len(found) == 1
}

// tagValue finds a tag by its exact key, then without regard to case.
func tagValue(tags []event.Tag, key string) ([]string, bool, bool) {
	for _, t := range tags {
		if t.Key == key {
			return []string{t.Value}, false, true
		}
	}
	for _, t := range tags {
		if strings.EqualFold(t.Key, key) {
			return []string{t.Value}, false, true
		}
	}
	return nil, false, false
}

func one(value string) ([]string, bool, bool) {
	if value == "" {
		return nil, false, false
	}
	return []string{value}, false, true
}

func yes(value bool) ([]string, bool, bool) {
	return []string{strconv.FormatBool(value)}, false, true
}

func (j *conditions) global(name, suffix string) ([]string, bool, bool) {
	c, a := j.c, j.c.actor
	forwarded := c.via != ""
	switch name {
	case "aws:principalarn":
		if a.Principal.Type == iam.RoleSession {
			return one(a.Principal.RoleARN)
		}
		return one(a.Principal.ARN)
	case "aws:principalaccount":
		return one(a.Principal.Account)
	case "aws:principaltype":
		switch a.Principal.Type {
		case iam.Root:
			return one("Account")
		case iam.RoleSession:
			return one("AssumedRole")
		case iam.FederatedUser:
			return one("FederatedUser")
		}
		return one("User")
	case "aws:principaltag":
		if v, ok := a.Tags[suffix]; ok {
			return []string{v}, false, true
		}
		for k, v := range a.Tags {
			if strings.EqualFold(k, suffix) {
				return []string{v}, false, true
			}
		}
		return nil, false, false
	case "aws:userid":
		return one(a.Principal.UserID)
	case "aws:username":
		if a.Principal.Type != iam.User {
			return nil, false, false
		}
		return one(a.UserName)
	case "aws:currenttime":
		return one(c.rec.At.Format(time.RFC3339))
	case "aws:epochtime":
		return one(strconv.FormatInt(c.rec.At.Unix(), 10))
	case "aws:sourceip":
		if forwarded { // the client's address does not reach a forwarded call
			return nil, false, false
		}
		return one(c.req.Source)
	case "aws:securetransport":
		return yes(c.req.Secure)
	case "aws:requestedregion":
		return one(c.st.Region)
	case "aws:useragent":
		return one(c.rec.Agent)
	case "aws:resourceaccount":
		return one(j.owner)
	case "aws:viaawsservice":
		return yes(forwarded)
	case "aws:calledvia", "aws:calledviafirst", "aws:calledvialast":
		if !forwarded {
			return nil, false, false
		}
		return []string{c.via + ".amazonaws.com"}, name == "aws:calledvia", true
	case "aws:tokenissuetime":
		if a.Issued.IsZero() {
			return nil, false, false
		}
		return one(a.Issued.UTC().Format(time.RFC3339))
	case "aws:multifactorauthpresent":
		if a.Issued.IsZero() { // long-term credentials: the key is absent
			return nil, false, false
		}
		return yes(a.MFA)
	case "aws:sourceidentity":
		return one(a.SourceIdentity)
	case "aws:principalisawsservice":
		return yes(false)
	}
	return nil, false, false
}

func (j *conditions) kms(name string) ([]string, bool, bool) {
	switch name {
	case "kms:calleraccount":
		return one(j.c.account)
	case "kms:viaservice":
		if j.c.via == "" {
			return nil, false, false
		}
		return one(j.c.via + "." + j.c.st.Region + ".amazonaws.com")
	}
	k := j.on.key
	if k == nil {
		return nil, false, false
	}
	switch name {
	case "kms:keyspec", "kms:customermasterkeyspec":
		return one(k.Spec)
	case "kms:keyusage", "kms:customermasterkeyusage":
		return one(k.Usage)
	case "kms:keyorigin":
		return one(k.Origin)
	case "kms:multiregion":
		return yes(k.MultiRegion)
	case "kms:multiregionkeytype":
		if k.MultiRegion {
			return one("PRIMARY")
		}
	case "kms:trailingdayswithoutkeyusage":
		return j.c.daysWithoutUse(k)
	case "kms:resourcealiases":
		aliases := j.c.st.Keys.AliasNames(k)
		return aliases, true, len(aliases) > 0
	}
	return nil, false, false
}

func (j *conditions) secretsmanager(name, suffix string) ([]string, bool, bool) {
	s := j.on.secret
	if s == nil {
		return nil, false, false
	}
	switch name {
	case "secretsmanager:secretid":
		return one(s.ARN)
	case "secretsmanager:resourcetag":
		return j.resourceTag(suffix)
	case "secretsmanager:secretprimaryregion":
		return one(j.c.st.Region)
	case "secretsmanager:resource/type":
		return one(s.Type)
	}
	return nil, false, false
}

func (j *conditions) resourceTag(key string) ([]string, bool, bool) {
	switch {
	case j.on.key != nil:
		return tagValue(j.on.key.Tags, key)
	case j.on.secret != nil:
		return tagValue(j.on.secret.Tags, key)
	case j.on.role != nil:
		return tagValue(j.on.role.Tags, key)
	}
	return tagValue(j.on.tags, key)
}
