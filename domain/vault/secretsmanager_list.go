package vault

import (
	"cmp"
	"encoding/base64"
	"slices"
	"time"

	"github.com/keytrail/keytrail/domain/secret"
	"github.com/keytrail/keytrail/domain/vault/shape"
)

func init() { define("secretsmanager", "ListSecrets", use, listSecrets) }

// ListSecretsInput is the request of secretsmanager:ListSecrets.
type ListSecretsInput struct {
	IncludePlannedDeletion bool           `json:"IncludePlannedDeletion"`
	MaxResults             int            `json:"MaxResults" aws:"min=1,max=100"`
	NextToken              string         `json:"NextToken" aws:"min=1,max=4096"`
	Filters                []SecretFilter `json:"Filters" aws:"max=10"`
	SortOrder              string         `json:"SortOrder" aws:"enum=asc|desc"`
	SortBy                 string         `json:"SortBy" aws:"enum=created-date|last-accessed-date|last-changed-date|name"`
}

// ListSecretsOutput is the reply of secretsmanager:ListSecrets.
type ListSecretsOutput struct {
	SecretList []SecretListEntry
	NextToken  string `json:",omitempty"`
}

// SecretListEntry is a secret as ListSecrets shows it.
type SecretListEntry struct {
	ARN                    string
	Name                   string
	Type                   string              `json:",omitempty"`
	Description            string              `json:",omitempty"`
	KmsKeyID               string              `json:"KmsKeyId,omitempty"`
	LastChangedDate        shape.Timestamp     `json:",omitzero"`
	LastAccessedDate       shape.Timestamp     `json:",omitzero"` // the day
	DeletedDate            shape.Timestamp     `json:",omitzero"`
	Tags                   []SecretTag         `json:",omitzero"`
	SecretVersionsToStages map[string][]string `json:",omitempty"`
	CreatedDate            shape.Timestamp     `json:",omitzero"`
}

func listSecrets(c *call, in *ListSecretsInput) (*ListSecretsOutput, error) {
	if err := c.authorize("secretsmanager:ListSecrets", plain("*")); err != nil {
		return nil, err
	}
	limit := in.MaxResults
	if limit == 0 {
		limit = 100
	}
	filters, err := readFilters(in.Filters)
	if err != nil {
		return nil, err
	}
	found, next, err := c.listSecrets(&listing{
		filters: filters, limit: limit, token: in.NextToken, deleted: in.IncludePlannedDeletion,
		sortBy: in.SortBy, descending: in.SortOrder == "desc",
	})
	if err != nil {
		return nil, err
	}
	out := &ListSecretsOutput{SecretList: make([]SecretListEntry, len(found)), NextToken: next}
	for i, s := range found {
		out.SecretList[i] = SecretListEntry{
			ARN: s.ARN, Name: s.Name, Type: s.Type, Description: s.Description(), KmsKeyID: s.KmsKeyID(),
			LastChangedDate: stamp(s.Changed()), LastAccessedDate: c.lastRead(s.ARN), DeletedDate: stamp(calledAt(s)), CreatedDate: stamp(s.Created()),
			Tags: shownTags(s.Tags), SecretVersionsToStages: labelled(s),
		}
	}
	return out, nil
}

// listing is one page of the caller's secrets.
type listing struct {
	filters    []filter
	limit      int
	token      string
	deleted    bool // those marked for deletion as well
	sortBy     string
	descending bool
}

// listSecrets gives a page and the token of the next one, "" after the last. In order
// of creation a page costs what lies between its ends; in any other order it costs a
// look at every secret of the account.
func (c *call) listSecrets(l *listing) ([]*secret.Secret, string, error) {
	match := func(s *secret.Secret) bool {
		if s.Scheduled() && (!l.deleted || s.Gone(c.now())) {
			return false
		}
		for i := range l.filters {
			if !l.filters[i].fits(s, c.st.Region) {
				return false
			}
		}
		return true
	}
	switch l.sortBy {
	case "", "created-date":
		return c.listByCreation(l, match)
	case "name":
		return c.listSorted(l, match, func(s *secret.Secret) string { return s.Name })
	case "last-changed-date":
		return c.listSorted(l, match, func(s *secret.Secret) string { return dated(s.Changed(), s) })
	case "last-accessed-date": // those that were never read come first
		return c.listSorted(l, match, func(s *secret.Secret) string { return dated(c.lastRead(s.ARN).Time, s) })
	}
	return nil, "", invalid("SortBy %s is not known.", l.sortBy)
}

// dated is a sort key: the time, and among equal ones the name.
func dated(t time.Time, s *secret.Secret) string { return t.Format("20060102150405.000000") + s.Name }

func (c *call) listByCreation(l *listing, match func(*secret.Secret) bool) ([]*secret.Secret, string, error) {
	serial, err := parseListToken(l.token)
	if err != nil {
		return nil, "", err
	}
	candidates := c.st.Secrets.After(c.account, serial)
	if l.descending && serial != 0 {
		candidates = c.st.Secrets.Before(c.account, serial)
	}
	page := make([]*secret.Secret, 0, min(l.limit, len(candidates)))
	for i := range candidates {
		s := candidates[i]
		if l.descending {
			s = candidates[len(candidates)-1-i]
		}
		if !match(s) {
			continue
		}
		if len(page) == l.limit {
			return page, listToken(page[l.limit-1].Serial()), nil
		}
		page = append(page, s)
	}
	return page, "", nil
}

// listSorted keeps the first of the page's length that come after the token, which
// is the sort key of the secret shown last. Sort keys are unique.
func (c *call) listSorted(l *listing, match func(*secret.Secret) bool, keyOf func(*secret.Secret) string) ([]*secret.Secret, string, error) {
	type entry struct {
		key    string
		secret *secret.Secret
	}
	after := ""
	if l.token != "" {
		raw, err := base64.RawURLEncoding.DecodeString(l.token)
		if err != nil || len(raw) < 2 || raw[0] != 'k' {
			return nil, "", invalidNextToken()
		}
		after = string(raw[1:])
	}
	order := func(a, b string) int {
		if l.descending {
			return cmp.Compare(b, a)
		}
		return cmp.Compare(a, b)
	}
	best := make([]entry, 0, l.limit+1)
	more := false
	for _, s := range c.st.Secrets.After(c.account, 0) {
		if !match(s) {
			continue
		}
		key := keyOf(s)
		if l.token != "" && order(key, after) <= 0 {
			continue
		}
		i, _ := slices.BinarySearchFunc(best, key, func(e entry, key string) int { return order(e.key, key) })
		if i == l.limit {
			more = true
			continue
		}
		best = slices.Insert(best, i, entry{key, s})
		if len(best) > l.limit {
			best, more = best[:l.limit], true
		}
	}
	page := make([]*secret.Secret, len(best))
	for i := range best {
		page[i] = best[i].secret
	}
	if !more {
		return page, "", nil
	}
	return page, base64.RawURLEncoding.EncodeToString([]byte("k" + best[l.limit-1].key)), nil
}
