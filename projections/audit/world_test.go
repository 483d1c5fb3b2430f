package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
	"github.com/keytrail/keytrail/eventstore"
	"github.com/keytrail/keytrail/eventstore/memlog"
	"github.com/keytrail/keytrail/eventstore/storetest"
	"github.com/keytrail/keytrail/projections/audit"
)

type M = vaulttest.M

const (
	mine  = vaulttest.Account
	other = vaulttest.Other
)

var installation = [16]byte{0xab, 1, 2, 3}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world makes records as the vault leaves them, of few callers and few things, so
// that conditions meet and miss.
type world struct {
	*rand.Rand
	at      time.Time
	callers []event.Who
	records []event.Record
}

func newWorld(seed uint64) *world {
	w := &world{Rand: rand.New(rand.NewPCG(seed, 7)), at: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)}
	for _, account := range []string{mine, other} {
		for i := range 4 {
			name := fmt.Sprintf("user%d", i)
			w.callers = append(w.callers, event.Who{Type: "IAMUser", ARN: "arn:aws:iam::" + account + ":user/" + name, ID: fmt.Sprintf("AIDA%s%d", account, i),
				Account: account, AccessKey: fmt.Sprintf("AKIA%s%04d", account, i), Name: name})
		}
		for i := range 3 {
			w.callers = append(w.callers, event.Who{Type: "AssumedRole", ARN: fmt.Sprintf("arn:aws:sts::%s:assumed-role/reader/s%d", account, i),
				ID: fmt.Sprintf("AROA%s:s%d", account, i), Account: account, AccessKey: fmt.Sprintf("ASIA%s%04d", account, i), Name: "reader",
				IssuerARN: "arn:aws:iam::" + account + ":role/reader", Issued: "2026-11-23T09:59:00.5Z"})
		}
		w.callers = append(w.callers, event.Who{Type: "Root", ARN: "arn:aws:iam::" + account + ":root", ID: account, Account: account},
			event.Who{Type: "AWSService", ID: "keytrail", Account: account})
	}
	w.callers = append(w.callers, event.Who{Type: "Unknown", AccessKey: "AKIA9999999999999999"}, event.Who{Type: "AWSService", ID: "keytrail"})
	return w
}

func pick[T any](w *world, of ...T) T { return of[w.IntN(len(of))] }

func keyARN(account string, i int) string {
	return fmt.Sprintf("arn:aws:kms:us-east-1:%s:key/00000000-0000-4000-8000-%012d", account, i)
}

func secretARN(account string, i int) string {
	return fmt.Sprintf("arn:aws:secretsmanager:us-east-1:%s:secret:app/%d-AbCd%02d", account, i, i)
}

// record is the next one.
func (w *world) record() event.Record {
	w.at = w.at.Add(time.Duration(w.IntN(2000)-200) * time.Millisecond)
	account := pick(w, mine, mine, mine, other)
	r := event.Record{N: uint64(len(w.records)), At: w.at.Truncate(time.Microsecond), Who: pick(w, w.callers...),
		Request: fmt.Sprintf("%08x-0000-4000-8000-%012d", w.Uint32(), len(w.records)),
		Op:      pick(w, "kms:Decrypt", "kms:Decrypt", "secretsmanager:GetSecretValue", "kms:CreateKey", "iam:CreateUser", "keytrail:QueryAudit", "kms:Unheard", "secretsmanager:DescribeSecret"),
		Source:  pick(w, "192.0.2.1", "192.0.2.2", "2001:db8::1"), Agent: pick(w, "aws-cli/2", "say \"hi\"", "ключ"), Outcome: event.OutcomeOK,
		Params: json.RawMessage(`{"a":"b"}`)}
	switch service, _, _ := strings.Cut(r.Op, ":"); service {
	case "kms":
		r.Resources = []string{keyARN(account, w.IntN(5))}
		if w.IntN(4) == 0 {
			r.Resources = append(r.Resources, fmt.Sprintf("arn:aws:kms:us-east-1:%s:alias/a%d", account, w.IntN(3)))
		}
		if w.IntN(8) == 0 { // ReEncrypt has two, of several accounts
			r.Resources = append(r.Resources, keyARN(pick(w, mine, other), w.IntN(5)))
		}
	case "secretsmanager":
		r.Resources = []string{secretARN(account, w.IntN(5))}
	case "iam":
		r.Resources = []string{"arn:aws:iam::" + r.Who.Account + ":user/team/made"}
	}
	if n := len(w.records); n > 0 && w.IntN(6) == 0 { // one call, two records
		r.Request, r.Who, r.Via = w.records[n-1].Request, w.records[n-1].Who, "secretsmanager"
	} else if w.IntN(40) == 0 {
		r.Request = fmt.Sprintf("not-a-uuid-%d", n)
	}
	if w.IntN(3) == 0 {
		r.Outcome = pick(w, "AccessDenied", "ThrottlingException", "any")
		r.Message = "User: " + r.Who.ARN + " is not authorized"
	}
	w.records = append(w.records, r)
	return r
}

// written is a log in memory that a world is written to.
type written struct {
	*world
	t      testing.TB
	store  *memlog.Store
	log    *memlog.Log
	writer storetest.Writer
}

func newWritten(t testing.TB, seed uint64) *written {
	store := memlog.NewStore(memlog.Options{})
	return &written{world: newWorld(seed), t: t, store: store, log: store.Open()}
}

// write makes records, in commits of up to so many.
func (w *written) write(records, most int) *written {
	w.t.Helper()
	for records > 0 {
		n := min(1+w.IntN(most), records)
		records -= n
		lines := make([]string, n)
		for i := range lines {
			r := w.record()
			line, err := r.AppendLine(nil)
			check(w.t, err)
			lines[i] = string(line)
		}
		w.writer.Append(w.t, w.log, w.writer.Commit(eventstore.Use, lines...))
	}
	return w
}

// view opens the view in a file and brings it up to the end of the log.
func (w *written) view(path string) *audit.View {
	w.t.Helper()
	v, err := audit.OpenSmall(context.Background(), path, w.log)
	check(w.t, err)
	w.t.Cleanup(func() { v.Close() })
	w.follow(v)
	return v
}

func (w *written) newView() *audit.View { return w.view(filepath.Join(w.t.TempDir(), "audit.db")) }

// follow applies what the view has not seen.
func (w *written) follow(v *audit.View) {
	w.t.Helper()
	check(w.t, follow(v, w.log, math.MaxUint64))
}

var errReached = errors.New("reached")

func follow(v *audit.View, log eventstore.Log, upTo uint64) error {
	ctx := context.Background()
	cursor, err := v.Cursor(ctx)
	if err != nil {
		return err
	}
	err = log.Read(ctx, cursor+1, nil, func(c eventstore.Stored) error {
		if c.Seq > upTo {
			return errReached
		}
		return v.Apply(ctx, []eventstore.Stored{c})
	})
	if err == errReached {
		return nil
	}
	return err
}

// query is a question of an account for everything.
func query(account string, where ...vault.TrailCondition) vault.TrailQuery {
	return vault.TrailQuery{Account: account, Management: account == mine, Installation: installation, Region: "us-east-1", Where: where,
		From: math.MaxInt64, Through: math.MaxInt64, Limit: 50}
}

// ask demands an answer.
func ask(t testing.TB, v *audit.View, q vault.TrailQuery) *vault.TrailAnswer {
	t.Helper()
	a, err := v.Query(context.Background(), q)
	check(t, err)
	return a
}

// list goes through all pages and gives each record's n.
func list(t testing.TB, v *audit.View, q vault.TrailQuery) []uint64 {
	t.Helper()
	if q.Ascending {
		q.From = 0
	}
	got := []uint64{}
	for {
		a := ask(t, v, q)
		for _, r := range a.Records {
			got = append(got, r.N)
		}
		if !a.More {
			return got
		}
		if len(a.Records) == 0 {
			t.Fatalf("a page without records, and more to come: %+v", q)
		}
		q.From, q.Through = a.Next, a.Through
	}
}

// scan is the plain way: every record, held against every condition.
func (w *world) scan(q vault.TrailQuery) []uint64 {
	found := []uint64{}
	for i := range w.records {
		if r := &w.records[i]; seen(r, &q) {
			found = append(found, r.N)
		}
	}
	if !q.Ascending {
		slices.Reverse(found)
	}
	return found
}

func seen(r *event.Record, q *vault.TrailQuery) bool {
	own := r.Who.Account == q.Account || q.Management && len(vault.Concerned(r, "")) == 0
	visible := []string{} // resources
	for _, res := range r.Resources {
		if own || strings.Contains(res, ":"+q.Account+":") {
			visible = append(visible, res)
		}
	}
	if !own && len(visible) == 0 || !q.Since.IsZero() && r.At.Before(q.Since) || !q.Until.IsZero() && r.At.After(q.Until) {
		return false
	}
	for _, c := range q.Where {
		if !fits(r, c, own, visible, q.Installation) {
			return false
		}
	}
	return true
}

var readOnly = map[string]bool{"kms:Decrypt": true, "secretsmanager:GetSecretValue": true, "keytrail:QueryAudit": true, "secretsmanager:DescribeSecret": true}

func fits(r *event.Record, c vault.TrailCondition, own bool, resources []string, installation [16]byte) bool {
	service, name, _ := strings.Cut(r.Op, ":")
	role, session, _ := strings.Cut(r.Who.ID, ":")
	named := func(prefix string) bool {
		return slices.ContainsFunc(resources, func(res string) bool {
			return strings.Contains(res, prefix) && slices.Contains(namesOf(res), c.Value)
		})
	}
	switch c.Field {
	case vault.TrailEventID:
		return c.Value == audit.EventID(installation, r.N)
	case vault.TrailEventName:
		return name == c.Value
	case vault.TrailEventSource:
		return service+".amazonaws.com" == c.Value
	case vault.TrailReadOnly:
		return fmt.Sprint(readOnly[r.Op]) == c.Value
	case vault.TrailUserName:
		user := r.Who.Name
		switch r.Who.Type {
		case "AssumedRole":
			user = session
		case "Root":
			user = "root"
		case "AWSService":
			user = r.Who.ID
		}
		return own && user == c.Value
	case vault.TrailAccessKey:
		return own && r.Who.AccessKey == c.Value
	case vault.TrailPrincipal:
		return own && slices.Contains([]string{r.Who.ARN, r.Who.IssuerARN, r.Who.ID, r.Who.Name, role}, c.Value)
	case vault.TrailActorAccount:
		return r.Who.Account == c.Value
	case vault.TrailResourceType:
		prefix := map[string]string{"AWS::KMS::Key": ":key/", "AWS::KMS::Alias": ":alias/", "AWS::SecretsManager::Secret": ":secret:", "AWS::IAM::User": ":user/"}[c.Value]
		return prefix != "" && slices.ContainsFunc(resources, func(res string) bool { return strings.Contains(res, prefix) })
	case vault.TrailResourceName:
		return named("")
	case vault.TrailKey:
		return named(":kms:")
	case vault.TrailSecret:
		return named(":secretsmanager:")
	case vault.TrailErrorCode:
		return r.Outcome != event.OutcomeOK && (r.Outcome == c.Value || c.Value == vault.AnyError)
	case vault.TrailRequestID:
		return r.Request == c.Value
	case vault.TrailSourceAddress:
		return r.Source == c.Value
	}
	return false
}

// namesOf is what the resource is asked for by.
func namesOf(res string) []string {
	part := strings.SplitN(res, ":", 6)[5]
	names := []string{res, part[strings.LastIndexAny(part, "/:")+1:]}
	if rest, ok := strings.CutPrefix(part, "secret:"); ok {
		return []string{res, rest, rest[:len(rest)-7], res[:len(res)-7]}
	}
	if strings.HasPrefix(part, "alias/") {
		names = []string{res, part}
	}
	return names
}

// condition asks for something that a record of the world has, or, now and then,
// for what none has.
func (w *world) condition() vault.TrailCondition {
	r := &w.records[w.IntN(len(w.records))]
	service, name, _ := strings.Cut(r.Op, ":")
	role, session, _ := strings.Cut(r.Who.ID, ":")
	res := "arn:aws:kms:us-east-1:" + mine + ":key/none"
	if len(r.Resources) > 0 {
		res = pick(w, r.Resources...)
	}
	all := []vault.TrailCondition{
		{Field: vault.TrailEventID, Value: audit.EventID(installation, r.N)}, {Field: vault.TrailEventName, Value: name},
		{Field: vault.TrailEventSource, Value: service + ".amazonaws.com"}, {Field: vault.TrailReadOnly, Value: pick(w, "true", "false")},
		{Field: vault.TrailUserName, Value: pick(w, r.Who.Name, session, "root", "keytrail")}, {Field: vault.TrailAccessKey, Value: r.Who.AccessKey},
		{Field: vault.TrailPrincipal, Value: pick(w, r.Who.ARN, r.Who.IssuerARN, r.Who.ID, role, r.Who.Name)},
		{Field: vault.TrailActorAccount, Value: r.Who.Account},
		{Field: vault.TrailResourceType, Value: pick(w, "AWS::KMS::Key", "AWS::KMS::Alias", "AWS::SecretsManager::Secret", "AWS::IAM::User", "AWS::S3::Bucket")},
		{Field: vault.TrailResourceName, Value: pick(w, namesOf(res)...)}, {Field: vault.TrailKey, Value: pick(w, namesOf(res)...)},
		{Field: vault.TrailSecret, Value: pick(w, namesOf(res)...)}, {Field: vault.TrailErrorCode, Value: pick(w, r.Outcome, vault.AnyError)},
		{Field: vault.TrailRequestID, Value: r.Request}, {Field: vault.TrailSourceAddress, Value: r.Source},
	}
	c := pick(w, all...)
	if c.Value == "" || w.IntN(20) == 0 {
		c.Value = pick(w, "none", "AccessDenie", "ok", "00000000-0000-4000-8000-000000000000", "00000000-0000-8000-8000-000000000000")
	}
	return c
}

func vaultQueryAll(account string) vault.TrailQuery {
	q := query(account)
	q.Limit = 1000
	return q
}

func due(v *vaulttest.Vault) []vault.Request { return vault.Due(v.State, v.Env.Now) }
