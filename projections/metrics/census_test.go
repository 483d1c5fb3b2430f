package metrics_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
	"github.com/keytrail/keytrail/projections/metrics"
)

func census(v *vaulttest.Vault, named int) *metrics.Census {
	return metrics.NewCensus(func(fn func(*vault.State)) { fn(v.State) },
		metrics.CensusOptions{Now: func() time.Time { return v.Env.Now }, Named: named, MaxAge: -1})
}

func TestCensus(t *testing.T) {
	v := story(t)
	admin := v.User("second", vaulttest.Administrator)
	v.Role("worker")
	admin.Call("secretsmanager:CreateSecret", M{"Name": "plain/gone", "SecretString": canary}).OK()
	admin.Call("secretsmanager:DeleteSecret", M{"SecretId": "plain/gone"}).OK()
	began := v.Env.Now
	v.Days(3)
	admin.Call("secretsmanager:PutSecretValue", M{"SecretId": "plain/two", "SecretString": canary}).OK()
	c := census(v, 10)
	got := scrape(t, c)
	for name, want := range map[string]float64{
		`keytrail_keys{manager="CUSTOMER",state="Enabled"}`:           1,
		`keytrail_keys{manager="CUSTOMER",state="PendingDeletion"}`:   1,
		`keytrail_keys{manager="AWS",state="Enabled"}`:                1,
		`keytrail_secrets{key_manager="CUSTOMER",state="Active"}`:     1,
		`keytrail_secrets{key_manager="AWS",state="Active"}`:          1,
		`keytrail_secrets{key_manager="AWS",state="PendingDeletion"}`: 1,
		`keytrail_key_secrets{account="",key_id="other"}`:             0,
		`keytrail_secrets_never_rotated`:                              1,
		`keytrail_secrets_unrotated{older_than_days="30"}`:            0,
		`keytrail_keys_unrotated{older_than_days="30"}`:               0,
		`keytrail_grants`:                  0,
		`keytrail_aliases`:                 1,
		`keytrail_accounts`:                2,
		`keytrail_principals{type="user"}`: 3,
		`keytrail_principals{type="role"}`: 1,
		`keytrail_secret_deletion_timestamp_seconds{account="111122223333",secret="plain/gone"}`: seconds(began.AddDate(0, 0, 30)),
		`keytrail_secret_value_timestamp_seconds{account="111122223333",secret="plain/one"}`:     seconds(began),
		`keytrail_secret_value_timestamp_seconds{account="111122223333",secret="plain/two"}`:     seconds(v.Env.Now),
	} {
		if value, ok := got[name]; !ok || value != want {
			t.Errorf("%s is %v (there: %v), want %v", name, value, ok, want)
		}
	}
	deletions := 0
	for name, at := range got {
		if strings.Contains(name, canary) {
			t.Errorf("what is secret is in %s", name)
		}
		if strings.HasPrefix(name, "keytrail_key_deletion_timestamp_seconds{") {
			deletions++
			if at != seconds(began.AddDate(0, 0, 7)) {
				t.Errorf("the key is deleted at %v", at)
			}
		}
	}
	by := secretsByKey(got)
	if len(by) != 3 || by["other"] != 0 || by[v.State.Secrets.After(vaulttest.Account, 0)[0].Key()] != 1 {
		t.Errorf("secrets by key are %v", by)
	}
	if by := secretsByKey(scrape(t, census(v, 1))); len(by) != 2 || by["other"] != 1 {
		t.Errorf("with one named key, secrets by key are %v", by)
	}
	if deletions != 1 {
		t.Errorf("%d keys are next to be deleted, want 1", deletions)
	}

	v.Days(28) // plain/one is 31 days old now, plain/two 28
	got = scrape(t, c)
	if n := got[`keytrail_secrets_unrotated{older_than_days="30"}`]; n != 1 {
		t.Errorf("%v secrets are older than 30 days, want 1", n)
	}
	if n := got[`keytrail_keys_unrotated{older_than_days="30"}`]; n != 1 {
		t.Errorf("%v keys are older than 30 days, want 1", n)
	}
	if got[`keytrail_keys{manager="CUSTOMER",state="PendingDeletion"}`] != 0 {
		t.Error("a key whose window has ended is counted")
	}
}

func secretsByKey(samples map[string]float64) map[string]float64 {
	by := map[string]float64{}
	for name, n := range samples {
		if _, id, ok := strings.Cut(name, `,key_id="`); ok && strings.HasPrefix(name, "keytrail_key_secrets{") {
			by[strings.TrimSuffix(id, `"}`)] = n
		}
	}
	return by
}

func seconds(at time.Time) float64 { return float64(at.UnixMilli()) / 1000 }

// many makes a state of so many secrets, one made each second, oldest first.
func many(t testing.TB, secrets int) *vaulttest.Vault {
	v := vaulttest.New(t)
	v.User("admin", vaulttest.Administrator).Call("secretsmanager:CreateSecret", M{"Name": "first", "SecretString": "x"}).OK()
	key := v.State.Secrets.After(vaulttest.Account, 0)[0].Key()
	for i := range secrets - 1 {
		arn := fmt.Sprintf("arn:aws:secretsmanager:us-east-1:%s:secret:many/%07d-AbCdEf", vaulttest.Account, i)
		at := v.Env.Now.Add(time.Duration(i+1) * time.Second)
		version := fmt.Sprintf("%032d", i)
		check(t, v.State.Apply([]event.Event{
			&event.SecretCreated{Secret: arn, Account: vaulttest.Account, Name: fmt.Sprintf("many/%07d", i), Key: key, Created: at},
			&event.SecretVersionCreated{Secret: arn, Version: version, Ciphertext: []byte("sealed"), Created: at,
				Wrapping: event.Wrapping{Key: key, Ring: version, Commitment: "00"}},
			&event.SecretStageMoved{Secret: arn, Stage: "AWSCURRENT", To: version, At: at},
		}))
	}
	return v
}

func TestCensusOfMany(t *testing.T) {
	const secrets, named = 2000, 10
	v := many(t, secrets)
	visits := 0
	c := metrics.NewCensus(func(fn func(*vault.State)) { visits++; fn(v.State) },
		metrics.CensusOptions{Now: func() time.Time { return v.Env.Now }, Named: named})
	v.Days(60)
	got := scrape(t, c)
	if n := got[`keytrail_secrets{key_manager="AWS",state="Active"}`]; n != secrets {
		t.Errorf("%v secrets, want %d", n, secrets)
	}
	if n := got[`keytrail_secrets_unrotated{older_than_days="30"}`]; n != secrets {
		t.Errorf("%v secrets are older than 30 days, want %d", n, secrets)
	}
	var oldest []string
	for name := range got {
		if strings.HasPrefix(name, "keytrail_secret_value_timestamp_seconds{") {
			oldest = append(oldest, name)
			if !strings.Contains(name, `"first"`) && !strings.Contains(name, "many/000000") {
				t.Errorf("%s is not among the oldest", name)
			}
		}
	}
	if len(oldest) != named {
		t.Errorf("%d secrets have series of their own, want %d", len(oldest), named)
	}
	if visits < secrets/256 {
		t.Errorf("the state was locked %d times only", visits)
	}
	before := visits
	v.Wait(10 * time.Second)
	scrape(t, c)
	if visits != before {
		t.Error("a scrape ten seconds later took a census of its own")
	}
	v.Wait(10 * time.Second)
	scrape(t, c)
	if visits == before {
		t.Error("a scrape twenty seconds later took no census")
	}
}

// BenchmarkCensus visits 100,000 secrets, or as many as CENSUS says.
func BenchmarkCensus(b *testing.B) {
	secrets := 100_000
	if s := os.Getenv("CENSUS"); s != "" {
		fmt.Sscan(s, &secrets)
	}
	v := many(b, secrets)
	var longest time.Duration
	c := metrics.NewCensus(func(fn func(*vault.State)) {
		began := time.Now()
		fn(v.State)
		longest = max(longest, time.Since(began))
	}, metrics.CensusOptions{Now: func() time.Time { return v.Env.Now }, Named: 100, MaxAge: -1})
	for b.Loop() {
		scrape(b, c)
	}
	b.ReportMetric(float64(longest.Microseconds()), "us/longest-lock")
}
