package metrics

import (
	"cmp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keytrail/keytrail/domain/key"
	"github.com/keytrail/keytrail/domain/secret"
	"github.com/keytrail/keytrail/domain/vault"
)

// Census tells what there is: keys, secrets, grants and principals, by what
// matters to those who run the vault. It implements prometheus.Collector.
//
// It looks at the working state, which is the log's own state records replayed,
// rather than keep a second copy of it. A million secrets are too many to visit
// under one lock while calls wait, so it visits a few hundred at a time, and no
// more often than every MaxAge, however often it is scraped. What it gives for
// such a vault is therefore a count over some tenths of a second, not an instant.
type Census struct {
	read func(func(*vault.State))
	o    CensusOptions

	mu    sync.Mutex
	taken time.Time
	last  *tally
}

// CensusOptions of a Census.
type CensusOptions struct {
	Now    func() time.Time
	Named  int           // keys and secrets that have series of their own: see ages
	MaxAge time.Duration // 0 = 15 s; negative = every scrape
}

// NewCensus returns a census of the state that read gives. read is called with
// functions that take some 50 us each.
func NewCensus(read func(func(*vault.State)), o CensusOptions) *Census {
	if o.MaxAge == 0 {
		o.MaxAge = 15 * time.Second
	}
	return &Census{read: read, o: o}
}

// step is how many keys or secrets are visited under one lock.
const step = 256

// olderThan is the ages, in days, by which keys and secrets are counted.
var olderThan = [...]int{30, 90, 180, 365}

// tally is one census.
type tally struct {
	keys       map[keyClass]int
	keysOlder  [len(olderThan)]int
	rotating   int // customer keys with automatic rotation
	secrets    map[secretClass]int
	secOlder   [len(olderThan)]int
	under      map[string]int // secrets by the id of their key
	byKey      []keyShare     // of under: the keys with most secrets, and all others as one
	never      int            // secrets whose value was never replaced
	grants     int
	aliases    int
	principals map[string]int
	accounts   int
	deletions  ages // of keys, the next one first
	rotated    ages // customer keys, the longest without rotation first
	changed    ages // secrets, the longest without a new value first
	forgotten  ages // secrets scheduled for deletion, the next one first
}

type keyClass struct{ state, manager string }

type secretClass struct{ manager, state string }

// keyShare is how many secrets are under a key.
type keyShare struct {
	account, id string
	secrets     int
}

// States of secrets, in the words that KMS has for keys.
const (
	secretActive  = "Active"
	secretPending = "PendingDeletion"
)

// ages is the earliest of many dated names.
type ages struct {
	limit int
	list  []dated
	full  bool      // limit names were earlier than since
	since time.Time // valid when full
}

type dated struct {
	at            time.Time
	account, name string
}

func (a *ages) add(at time.Time, account, name string) {
	if a.limit == 0 || a.full && at.After(a.since) {
		return
	}
	if a.list = append(a.list, dated{at, account, name}); len(a.list) >= 4*a.limit+64 {
		a.cut()
	}
}

// cut leaves the earliest, in order; names decide between equals.
func (a *ages) cut() {
	slices.SortFunc(a.list, func(x, y dated) int {
		return cmp.Or(x.at.Compare(y.at), cmp.Compare(x.account, y.account), cmp.Compare(x.name, y.name))
	})
	if a.full = len(a.list) >= a.limit && a.limit > 0; a.full {
		a.list = a.list[:a.limit]
		a.since = a.list[a.limit-1].at
	}
}

func (c *Census) take() *tally {
	now := c.o.Now()
	t := &tally{
		keys: map[keyClass]int{}, secrets: map[secretClass]int{}, principals: map[string]int{}, under: map[string]int{},
		deletions: ages{limit: c.o.Named}, rotated: ages{limit: c.o.Named}, changed: ages{limit: c.o.Named},
		forgotten: ages{limit: c.o.Named},
	}
	for _, state := range []key.State{key.Enabled, key.Disabled, key.PendingDeletion} {
		t.keys[keyClass{string(state), key.ManagerCustomer}] = 0
	}
	t.keys[keyClass{string(key.Enabled), key.ManagerAWS}] = 0
	for _, manager := range []string{key.ManagerCustomer, key.ManagerAWS} {
		t.secrets[secretClass{manager, secretActive}], t.secrets[secretClass{manager, secretPending}] = 0, 0
	}
	var accounts []string
	c.read(func(st *vault.State) {
		for a := range st.Identities.Accounts() {
			accounts = append(accounts, a.ID)
			t.principals["user"] += a.Users.Len()
			t.principals["group"] += a.Groups.Len()
			t.principals["role"] += a.Roles.Len()
			t.accounts++
		}
	})
	for _, account := range accounts {
		c.visit(func(st *vault.State, serial uint64) (last uint64, more bool) {
			list := st.Keys.KeysAfter(account, serial)
			for _, k := range list[:min(step, len(list))] {
				t.key(k, now)
				last = k.Serial()
			}
			return last, len(list) > step
		})
		c.visit(func(st *vault.State, serial uint64) (last uint64, more bool) {
			list := st.Secrets.After(account, serial)
			for _, s := range list[:min(step, len(list))] {
				t.secret(s, st.Keys, now)
				last = s.Serial()
			}
			return last, len(list) > step
		})
	}
	c.share(t)
	t.deletions.cut()
	t.rotated.cut()
	t.changed.cut()
	t.forgotten.cut()
	return t
}

func (c *Census) visit(some func(st *vault.State, serial uint64) (last uint64, more bool)) {
	for serial, more := uint64(0), true; more; {
		c.read(func(st *vault.State) { serial, more = some(st, serial) })
	}
}

// share names the keys that have most secrets under them; ids decide between equals.
func (c *Census) share(t *tally) {
	ids := make([]string, 0, len(t.under))
	for id := range t.under {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b string) int {
		return cmp.Or(cmp.Compare(t.under[b], t.under[a]), cmp.Compare(a, b))
	})
	others := keyShare{id: other}
	c.read(func(st *vault.State) {
		for i, id := range ids {
			k := st.Keys.Get(id)
			if k == nil || i >= c.o.Named {
				others.secrets += t.under[id]
				continue
			}
			t.byKey = append(t.byKey, keyShare{k.Account, id, t.under[id]})
		}
	})
	t.byKey = append(t.byKey, others)
}

func (t *tally) key(k *key.Key, now time.Time) {
	if k.Gone(now) {
		return
	}
	t.keys[keyClass{string(k.State), k.Manager}]++
	t.grants += k.GrantCount()
	t.aliases += len(k.Aliases())
	if at, _ := k.DeletionAt(); !at.IsZero() {
		t.deletions.add(at, k.Account, k.ID)
		return
	}
	if k.Manager != key.ManagerCustomer {
		return
	}
	if k.RotationPeriod() > 0 {
		t.rotating++
	}
	since := k.Created
	if r := k.Rotations(); len(r) > 0 {
		since = r[len(r)-1].At
	}
	t.rotated.add(since, k.Account, k.ID)
	countOlder(&t.keysOlder, now.Sub(since))
}

func (t *tally) secret(s *secret.Secret, keys *key.Store, now time.Time) {
	if s.Gone(now) {
		return
	}
	class := secretClass{manager: "none", state: secretActive}
	if k := keys.Get(s.Key()); k != nil {
		class.manager = k.Manager
	}
	t.under[s.Key()]++
	if s.Scheduled() {
		class.state = secretPending
	}
	t.secrets[class]++
	if s.Scheduled() {
		_, ends := s.Deletion()
		t.forgotten.add(ends, s.Account, s.Name)
		return
	}
	since := s.Created()
	if v := s.Staged(secret.Current); v != nil {
		since = v.Created()
	}
	if len(s.Versions()) <= 1 {
		t.never++
	}
	t.changed.add(since, s.Account, s.Name)
	countOlder(&t.secOlder, now.Sub(since))
}

func countOlder(older *[len(olderThan)]int, age time.Duration) {
	for i, days := range olderThan {
		if age > time.Duration(days)*24*time.Hour {
			older[i]++
		}
	}
}

var (
	keysDesc = prometheus.NewDesc("keytrail_keys",
		"KMS keys by key state and manager (CUSTOMER or AWS).", []string{"state", "manager"}, nil)
	keysOlderDesc = prometheus.NewDesc("keytrail_keys_unrotated",
		"Customer managed keys whose key material is older than so many days.", []string{"older_than_days"}, nil)
	rotatingDesc = prometheus.NewDesc("keytrail_keys_rotating",
		"Customer managed keys with automatic rotation.", nil, nil)
	rotatedDesc = prometheus.NewDesc("keytrail_key_material_timestamp_seconds",
		"When the present key material was made, for the customer managed keys that have gone longest without rotation.", []string{"account", "key_id"}, nil)
	deletionDesc = prometheus.NewDesc("keytrail_key_deletion_timestamp_seconds",
		"When the key will be deleted, for the keys scheduled for deletion that are next.", []string{"account", "key_id"}, nil)
	secretsDesc = prometheus.NewDesc("keytrail_secrets",
		"Secrets by the manager of their key (CUSTOMER, AWS, or none for a key that is gone) and by state.", []string{"key_manager", "state"}, nil)
	keySecretsDesc = prometheus.NewDesc("keytrail_key_secrets",
		"Secrets under a KMS key, for the keys that have most; key_id is other for all others.", []string{"account", "key_id"}, nil)
	secretsOlderDesc = prometheus.NewDesc("keytrail_secrets_unrotated",
		"Secrets whose current value is older than so many days.", []string{"older_than_days"}, nil)
	secretsNeverDesc = prometheus.NewDesc("keytrail_secrets_never_rotated",
		"Secrets that still have their first value.", nil, nil)
	valueDesc = prometheus.NewDesc("keytrail_secret_value_timestamp_seconds",
		"When the current value was written, for the secrets that have gone longest without a new one.", []string{"account", "secret"}, nil)
	secretDeletionDesc = prometheus.NewDesc("keytrail_secret_deletion_timestamp_seconds",
		"When the recovery window ends, for the secrets scheduled for deletion that are next.", []string{"account", "secret"}, nil)
	grantsDesc     = prometheus.NewDesc("keytrail_grants", "Grants on KMS keys.", nil, nil)
	aliasesDesc    = prometheus.NewDesc("keytrail_aliases", "Aliases of KMS keys.", nil, nil)
	accountsDesc   = prometheus.NewDesc("keytrail_accounts", "Accounts.", nil, nil)
	principalsDesc = prometheus.NewDesc("keytrail_principals", "IAM users, groups and roles.", []string{"type"}, nil)
)

// Describe sends what Collect may send.
func (c *Census) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{keysDesc, keysOlderDesc, rotatingDesc, rotatedDesc, deletionDesc, secretsDesc, keySecretsDesc,
		secretsOlderDesc, secretsNeverDesc, valueDesc, secretDeletionDesc, grantsDesc, aliasesDesc, accountsDesc, principalsDesc} {
		to <- d
	}
}

// Collect sends the last census, or takes a new one when that is too old.
func (c *Census) Collect(to chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.o.Now(); c.last == nil || now.Sub(c.taken) >= c.o.MaxAge {
		c.last, c.taken = c.take(), now
	}
	t := c.last
	send := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for class, n := range t.keys {
		send(keysDesc, float64(n), class.state, class.manager)
	}
	for class, n := range t.secrets {
		send(secretsDesc, float64(n), class.manager, class.state)
	}
	for _, k := range t.byKey {
		send(keySecretsDesc, float64(k.secrets), k.account, k.id)
	}
	for i, days := range olderThan {
		send(keysOlderDesc, float64(t.keysOlder[i]), strconv.Itoa(days))
		send(secretsOlderDesc, float64(t.secOlder[i]), strconv.Itoa(days))
	}
	send(rotatingDesc, float64(t.rotating))
	send(secretsNeverDesc, float64(t.never))
	send(grantsDesc, float64(t.grants))
	send(aliasesDesc, float64(t.aliases))
	send(accountsDesc, float64(t.accounts))
	for kind, n := range t.principals {
		send(principalsDesc, float64(n), kind)
	}
	for d, a := range map[*prometheus.Desc]*ages{deletionDesc: &t.deletions, rotatedDesc: &t.rotated, valueDesc: &t.changed, secretDeletionDesc: &t.forgotten} {
		for _, x := range a.list {
			send(d, float64(x.at.UnixMilli())/1000, x.account, x.name)
		}
	}
}
