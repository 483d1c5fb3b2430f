package access_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/memlog"
	"github.com/keytrail/keytrail/eventstore/storetest"
	"github.com/keytrail/keytrail/projections/access"
)

type M = vaulttest.M

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is a vault whose lines are stored in a log, and a view that follows it.
type world struct {
	*vaulttest.Vault
	t      testing.TB
	log    eventstore.Log
	writer storetest.Writer
	view   *access.View
	stored int
}

func newWorld(t testing.TB, o access.Options) *world {
	w := &world{Vault: vaulttest.New(t), t: t, log: memlog.NewStore(memlog.Options{}).Open()}
	w.view = access.Open(context.Background(), w.log, o)
	w.Accesses = func() vault.Accesses { w.follow(); return w.view.Accesses() }
	return w
}

// follow stores the lines that are new and has the view take them.
func (w *world) follow() {
	w.t.Helper()
	for chunk := range slices.Chunk(w.Lines[w.stored:], 3) {
		var text []string
		for _, line := range chunk {
			text = append(text, string(line))
		}
		w.writer.Append(w.t, w.log, w.writer.Commit(eventstore.State, text...))
	}
	w.stored = len(w.Lines)
	catchUp(w.t, w.log, w.view)
}

func catchUp(t testing.TB, log eventstore.Log, v *access.View) {
	t.Helper()
	ctx := context.Background()
	cursor, err := v.Cursor(ctx)
	check(t, err)
	check(t, log.Read(ctx, cursor+1, nil, func(c eventstore.Stored) error { return v.Apply(ctx, []eventstore.Stored{c}) }))
}

func (w *world) key(by *vaulttest.Caller, in M) string {
	w.t.Helper()
	return by.Call("kms:CreateKey", in).OK()["KeyMetadata"].(M)["KeyId"].(string)
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// seconds is a time as replies have it, to the millisecond.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1e3 }

func TestGetKeyLastUsage(t *testing.T) {
	w := newWorld(t, access.Options{})
	admin := w.User("admin", vaulttest.Administrator)
	k, other := w.key(admin, nil), w.key(admin, nil)
	last := func(k string) M {
		t.Helper()
		return admin.Call("kms:GetKeyLastUsage", M{"KeyId": k}).OK()
	}

	// Given a key that was never used, then nothing is said but since when.
	got := last(k)
	if used := got["KeyLastUsage"].(M); len(used) != 0 {
		t.Errorf("a new key has the usage %v", used)
	}
	if got["TrackingStartDate"] != got["KeyCreationDate"] || got["KeyId"] != k {
		t.Errorf("usage of a new key: %v", got)
	}

	// When it is used, then the operation, its time and its record are shown.
	is := func(k, operation string, o *vaulttest.Outcome, record *event.Record) {
		t.Helper()
		o.OK()
		used := last(k)["KeyLastUsage"].(M)
		var installation [16]byte
		for i := range installation {
			installation[i] = 0xab
		}
		want := M{"Operation": operation, "Timestamp": seconds(record.At.Truncate(time.Second)), "KmsRequestId": record.Request,
			"CloudTrailEventId": event.ID(installation, record.N)}
		if fmt.Sprint(used) != fmt.Sprint(want) {
			t.Errorf("last usage is %v, want %v", used, want)
		}
	}
	w.Wait(90 * time.Second)
	o := admin.Call("kms:Encrypt", M{"KeyId": k, "Plaintext": b64("x")})
	is(k, "Encrypt", o, o.Record())
	blob := o.OK()["CiphertextBlob"]
	w.Wait(time.Hour)
	o = admin.Call("kms:Decrypt", M{"CiphertextBlob": blob})
	is(k, "Decrypt", o, o.Record())

	// Then neither a refusal, nor a rehearsal, nor a look at it is a use.
	decrypted := o
	w.Wait(time.Hour)
	w.User("nobody").Call("kms:Decrypt", M{"CiphertextBlob": blob}).Fails(fault.AccessDeniedException, "")
	admin.Call("kms:Decrypt", M{"CiphertextBlob": blob, "DryRun": true}).Fails(fault.DryRunOperationException, "")
	admin.Call("kms:DescribeKey", M{"KeyId": k}).OK()
	is(k, "Decrypt", decrypted, decrypted.Record())

	// When ReEncrypt uses two keys, then both have been used.
	o = admin.Call("kms:ReEncrypt", M{"CiphertextBlob": blob, "DestinationKeyId": other})
	is(k, "ReEncrypt", o, o.Record())
	is(other, "ReEncrypt", o, o.Record())

	// When a service uses it for a caller, then the record is that of the use.
	admin.Call("secretsmanager:CreateSecret", M{"Name": "s", "SecretString": "v", "KmsKeyId": other}).OK()
	o = admin.Call("secretsmanager:GetSecretValue", M{"SecretId": "s"})
	is(other, "Decrypt", o, o.Records[0])

	// When other kinds of keys are used, then that is told as well.
	signer := w.key(admin, M{"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"})
	o = admin.Call("kms:Sign", M{"KeyId": signer, "Message": b64("m"), "SigningAlgorithm": "ECDSA_SHA_256"})
	is(signer, "Sign", o, o.Record())
	admin.Call("kms:GetPublicKey", M{"KeyId": signer}).OK()
	is(signer, "Sign", o, o.Record())
	mac := w.key(admin, M{"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"})
	o = admin.Call("kms:GenerateMac", M{"KeyId": mac, "Message": b64("m"), "MacAlgorithm": "HMAC_SHA_256"})
	is(mac, "GenerateMac", o, o.Record())

	// Then it is asked by key id or ARN alone, by who may, in any state.
	admin.Call("kms:CreateAlias", M{"AliasName": "alias/a", "TargetKeyId": k}).OK()
	admin.Call("kms:GetKeyLastUsage", M{"KeyId": "alias/a"}).Fails(fault.NotFoundException, "")
	w.User("idle").Call("kms:GetKeyLastUsage", M{"KeyId": k}).Fails(fault.AccessDeniedException, "")
	w.UserOf(vaulttest.Other, "stranger", vaulttest.Administrator).Call("kms:GetKeyLastUsage",
		M{"KeyId": "arn:aws:kms:us-east-1:" + vaulttest.Account + ":key/" + k}).Fails(fault.AccessDeniedException, "")
	admin.Call("kms:ScheduleKeyDeletion", M{"KeyId": k, "PendingWindowInDays": 7}).OK()
	if last(k)["KeyLastUsage"].(M)["Operation"] != "ReEncrypt" {
		t.Error("a key that waits for its deletion has lost its usage")
	}

	// When the view has no answer, then neither has the operation.
	w.Accesses = func() vault.Accesses { return vault.NoAccesses }
	admin.Call("kms:GetKeyLastUsage", M{"KeyId": k}).Fails(fault.DependencyTimeoutException, "timed out")
}

func TestLastAccessedDate(t *testing.T) {
	w := newWorld(t, access.Options{})
	admin := w.User("admin", vaulttest.Administrator)
	for _, name := range []string{"one", "two", "three"} {
		admin.Call("secretsmanager:CreateSecret", M{"Name": name, "SecretString": "v"}).OK()
	}
	described := func(name string) any {
		t.Helper()
		return admin.Call("secretsmanager:DescribeSecret", M{"SecretId": name}).OK()["LastAccessedDate"]
	}
	day := func(at time.Time) any { return seconds(at.Truncate(24 * time.Hour)) }

	// Given a secret that nobody has read, then there is no date.
	if got := described("one"); got != nil {
		t.Errorf("a secret that was never read was accessed at %v", got)
	}
	w.User("nobody").Call("secretsmanager:GetSecretValue", M{"SecretId": "one"}).Fails(fault.AccessDeniedException, "")
	if got := described("one"); got != nil {
		t.Errorf("a secret whose reader was refused was accessed at %v", got)
	}

	// When it is read, also within a batch, then it is the day and not the time.
	admin.Call("secretsmanager:GetSecretValue", M{"SecretId": "one"}).OK()
	first := w.Env.Now
	w.Days(2)
	admin.Call("secretsmanager:BatchGetSecretValue", M{"SecretIdList": []string{"two"}}).OK()
	if got := described("one"); got != day(first) {
		t.Errorf("accessed at %v, want %v", got, day(first))
	}
	if got := described("two"); got != day(w.Env.Now) {
		t.Errorf("accessed at %v, want %v", got, day(w.Env.Now))
	}

	// Then a listing shows it and sorts by it, those never read first.
	names := func(order string) (names []string) {
		t.Helper()
		token := any(nil)
		for {
			in := M{"SortBy": "last-accessed-date", "SortOrder": order, "MaxResults": 2}
			if token != nil {
				in["NextToken"] = token
			}
			out := admin.Call("secretsmanager:ListSecrets", in).OK()
			for _, s := range out["SecretList"].([]any) {
				names = append(names, s.(M)["Name"].(string))
				if (s.(M)["LastAccessedDate"] == nil) != (s.(M)["Name"] == "three") {
					t.Errorf("listed %v", s)
				}
			}
			if token = out["NextToken"]; token == nil {
				return names
			}
		}
	}
	if got := names("asc"); !slices.Equal(got, []string{"three", "one", "two"}) {
		t.Errorf("ascending: %v", got)
	}
	if got := names("desc"); !slices.Equal(got, []string{"two", "one", "three"}) {
		t.Errorf("descending: %v", got)
	}

	// When the view has no answer, then the rest is shown all the same.
	w.Accesses = func() vault.Accesses { return vault.NoAccesses }
	if got := described("one"); got != nil {
		t.Errorf("accessed at %v by a view without answer", got)
	}
}

func TestLastUsedCredentials(t *testing.T) {
	w := newWorld(t, access.Options{})
	admin := w.User("admin", vaulttest.Administrator)
	bob := w.User("bob", vaulttest.Allow("kms:CreateKey"))
	used := func(c *vaulttest.Caller) M {
		t.Helper()
		return admin.Call("iam:GetAccessKeyLastUsed", M{"AccessKeyId": c.Credential.AccessKey}).OK()
	}
	is := func(c *vaulttest.Caller, user, service, region string) {
		t.Helper()
		got := used(c)
		last := got["AccessKeyLastUsed"].(M)
		if got["UserName"] != user || last["ServiceName"] != service || last["Region"] != region {
			t.Errorf("last used %v, want %s in %s by %s", got, service, region, user)
		}
		date, want := last["LastUsedDate"], any(seconds(w.Env.Now.Truncate(time.Second)))
		if service == "N/A" {
			want = nil
		}
		if date != want {
			t.Errorf("last used at %v, want %v", date, want)
		}
	}
	is(bob, "bob", "N/A", "N/A")
	bob.Call("secretsmanager:CreateSecret", M{"Name": "s", "SecretString": "x"}).Fails(fault.AccessDeniedException, "")
	is(bob, "bob", "secretsmanager", "us-east-1")
	w.Wait(time.Minute)
	bob.Call("kms:CreateKey", nil).OK()
	is(bob, "bob", "kms", "us-east-1")
	bob.Call("iam:ListUsers", nil).Fails(fault.AccessDenied, "")
	is(bob, "bob", "iam", "us-east-1")

	// A read makes a call to KMS too, but that is not the caller's.
	admin.Call("secretsmanager:CreateSecret", M{"Name": "s", "SecretString": "x"}).OK()
	bob.Allow(vaulttest.Allow("secretsmanager:GetSecretValue"))
	bob.Call("secretsmanager:GetSecretValue", M{"SecretId": "s"}).OK()
	is(bob, "bob", "secretsmanager", "us-east-1")

	// Keys that do not exist and those of others are told from each other by nobody.
	stranger := w.UserOf(vaulttest.Other, "stranger")
	admin.Call("iam:GetAccessKeyLastUsed", M{"AccessKeyId": stranger.Credential.AccessKey}).Fails(fault.AccessDenied, "on resource: access key "+stranger.Credential.AccessKey)
	admin.Call("iam:GetAccessKeyLastUsed", M{"AccessKeyId": "AKIA9999999999999999"}).Fails(fault.AccessDenied, "on resource: access key AKIA9999999999999999")
	bob.Call("iam:GetAccessKeyLastUsed", M{"AccessKeyId": bob.Credential.AccessKey}).Fails(fault.AccessDenied, "no identity-based policy allows")

	// A role is used by its sessions.
	role := w.Role("app", vaulttest.Allow("kms:*"))
	lastUsed := func() M {
		t.Helper()
		return admin.Call("iam:GetRole", M{"RoleName": "app"}).OK()["Role"].(M)["RoleLastUsed"].(M)
	}
	if got := lastUsed(); len(got) != 0 {
		t.Errorf("a role that was never used: %v", got)
	}
	w.Wait(time.Hour)
	role.Call("kms:ListKeys", nil).OK()
	if got := lastUsed(); got["Region"] != "us-east-1" || got["LastUsedDate"] != seconds(w.Env.Now.Truncate(time.Second)) {
		t.Errorf("the role was last used %v", got)
	}
	details := admin.Call("iam:GetAccountAuthorizationDetails", M{"Filter": []string{"Role"}}).OK()["RoleDetailList"].([]any)
	if got := details[0].(M)["RoleLastUsed"].(M); got["Region"] != "us-east-1" {
		t.Errorf("the role was last used %v", got)
	}
}

// TestLastAccessedVersions: each version has a day of its own, also when it has lost its
// labels; the secret's is the last of them, also when that version is gone.
func TestLastAccessedVersions(t *testing.T) {
	w := newWorld(t, access.Options{})
	admin := w.User("admin", vaulttest.Administrator)
	token := func(n int) string { return fmt.Sprintf(`a "token" of any 32 characters \é%02d`, n) }
	arn := admin.Call("secretsmanager:CreateSecret", M{"Name": "s", "SecretString": "1", "ClientRequestToken": token(1)}).OK()["ARN"].(string)
	put := func(n int) {
		admin.Call("secretsmanager:PutSecretValue", M{"SecretId": "s", "SecretString": "x", "ClientRequestToken": token(n)}).OK()
	}
	put(2)
	put(3)
	dates := func() string {
		t.Helper()
		var text []string
		for _, v := range admin.Call("secretsmanager:ListSecretVersionIds", M{"SecretId": "s", "IncludeDeprecated": true}).OK()["Versions"].([]any) {
			date := "never"
			if at := v.(M)["LastAccessedDate"]; at != nil {
				date = time.Unix(int64(at.(float64)), 0).UTC().Format("01-02")
			}
			text = append(text, date)
		}
		return strings.Join(text, " ")
	}
	if got := dates(); got != "never never never" {
		t.Errorf("before any read: %s", got)
	}
	read := func(n int) {
		admin.Call("secretsmanager:GetSecretValue", M{"SecretId": "s", "VersionId": token(n)}).OK()
	}
	read(1)
	w.Days(1)
	read(3)
	admin.Call("secretsmanager:BatchGetSecretValue", M{"SecretIdList": []string{"s"}}).OK()
	if got := dates(); got != "11-23 never 11-24" {
		t.Errorf("after reads: %s", got)
	}
	w.Days(1)
	read(1)
	if got := dates(); got != "11-25 never 11-24" {
		t.Errorf("after reads: %s", got)
	}
	// The first version is purged, and the secret keeps the day of it.
	w.Given(&event.SecretVersionPurged{Secret: arn, Version: token(1)})
	if got := dates(); got != "never 11-24" {
		t.Errorf("after the purge: %s", got)
	}
	w.follow()
	if at, ok := w.view.Accesses().Secret(arn); !ok || at.Format("01-02") != "11-25" {
		t.Errorf("the secret was read at %v", at)
	}
	if _, ok := w.view.Accesses().SecretVersion(arn, token(1)); ok {
		t.Error("a version that is gone has a day")
	}
}

// TestForgets has entries end with what they are about.
func TestForgets(t *testing.T) {
	w := newWorld(t, access.Options{})
	admin := w.User("admin", vaulttest.Administrator)
	bob := w.User("bob", vaulttest.Administrator)
	role := w.Role("app", vaulttest.Administrator)
	k := w.key(bob, nil)
	role.Call("kms:Encrypt", M{"KeyId": k, "Plaintext": b64("x")}).OK()
	arn := admin.Call("secretsmanager:CreateSecret", M{"Name": "s", "SecretString": "v"}).OK()["ARN"].(string)
	admin.Call("secretsmanager:GetSecretValue", M{"SecretId": "s"}).OK()
	known := func() []bool {
		w.follow()
		_, a := w.view.Accesses().Key(k)
		_, b := w.view.Accesses().Secret(arn)
		_, c := w.view.Accesses().AccessKey(bob.Credential.AccessKey)
		_, d := w.view.Accesses().Role(role.ID)
		return []bool{a, b, c, d}
	}
	if got := known(); !slices.Equal(got, []bool{true, true, true, true}) {
		t.Fatalf("known before: %v", got)
	}
	w.Given(&event.InlinePolicyDeleted{Principal: role.ID, Name: inline(w, role)})
	admin.Call("iam:DeleteRole", M{"RoleName": "app"}).OK()
	admin.Call("iam:DeleteAccessKey", M{"UserName": "bob", "AccessKeyId": bob.Credential.AccessKey}).OK()
	admin.Call("secretsmanager:DeleteSecret", M{"SecretId": "s", "ForceDeleteWithoutRecovery": true}).OK()
	admin.Call("kms:ScheduleKeyDeletion", M{"KeyId": k, "PendingWindowInDays": 7}).OK()
	w.Days(8)
	w.Tick(vault.Due(w.State, w.Env.Now))
	if got := known(); !slices.Equal(got, []bool{false, false, false, false}) {
		t.Errorf("known after: %v", got)
	}
	bob.Call("kms:ListKeys", nil).Fails(fault.UnrecognizedClientException, "")
	if got := known(); got[2] {
		t.Error("a key that was deleted has been used")
	}
}

func inline(w *world, c *vaulttest.Caller) string {
	return w.State.Identities.Role(c.ID).Inline()[0].Name
}

func BenchmarkApply(b *testing.B) {
	w := newWorld(b, access.Options{})
	story(w)
	lines := w.Lines[len(w.Lines)-16:]
	ctx := context.Background()
	seq := uint64(0)
	b.ReportAllocs()
	v := access.Open(ctx, w.log, access.Options{})
	for b.Loop() {
		seq++
		check(b, v.Apply(ctx, []eventstore.Stored{{Commit: eventstore.Commit{Subject: eventstore.Use, Lines: lines}, Seq: seq}}))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(lines)), "ns/record")
}

// FuzzApply: no line, whatever it holds, ends the view, and what it learns of one
// survives a restart or is learned again.
func FuzzApply(f *testing.F) {
	w := newWorld(f, access.Options{})
	story(w)
	for _, line := range w.Lines {
		f.Add(line)
	}
	f.Add([]byte(`{"n":1,"at":"2026-11-23T18:00:00.123456Z","req":"r","op":"kms:Decrypt","who":{"type":"IAMUser","accessKey":"AKIA"},"outcome":"ok","resources":["a:key/` + "\t\n" + `"]}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		if len(line) == 0 || bytes.IndexByte(line, '\n') >= 0 {
			return
		}
		ctx := context.Background()
		log := memlog.NewStore(memlog.Options{}).Open()
		var writer storetest.Writer
		writer.Append(t, log, writer.Commit(eventstore.State, string(line)))
		o := access.Options{Snapshot: filepath.Join(t.TempDir(), "access.snapshot")}
		v := access.Open(ctx, log, o)
		catchUp(t, log, v)
		v.Close()
		again := access.Open(ctx, log, o)
		catchUp(t, log, again)
		again.Close()
		entries := func() []string { // in order, without the digest
			content, err := os.ReadFile(o.Snapshot)
			check(t, err)
			lines := strings.Split(string(content), "\n")
			slices.Sort(lines[:len(lines)-2])
			return lines[:len(lines)-2]
		}
		first := entries()
		check(t, os.Remove(o.Snapshot))
		check(t, again.Reset(ctx))
		catchUp(t, log, again)
		again.Close()
		if second := entries(); !slices.Equal(first, second) {
			t.Errorf("after a restart:\n%q\nread anew:\n%q", first, second)
		}
	})
}

// TestAccessesOutliveTheView: a call that was given what a complete view knows is not
// decided on one that is emptied to be built again.
func TestAccessesOutliveTheView(t *testing.T) {
	w := newWorld(t, access.Options{})
	admin := w.User("admin", vaulttest.Administrator)
	k := admin.Call("kms:CreateKey", nil).OK()["KeyMetadata"].(map[string]any)["KeyId"].(string)
	admin.Call("kms:Encrypt", map[string]any{"KeyId": k, "Plaintext": "YQ=="}).OK()
	w.follow()
	before := w.view.Accesses()
	if err := w.view.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, ok := before.Key(k); !ok {
		t.Error("the use is forgotten by who asked before")
	}
	if _, ok := w.view.Accesses().Key(k); ok {
		t.Error("the view is not empty")
	}
}
