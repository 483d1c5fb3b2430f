package identity

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/event"
	"github.com/keytrail/keytrail/domain/fault"
)

const allowAll = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`

func sources(a *Actor) string {
	var ids []string
	for _, s := range a.Identity {
		ids = append(ids, s.ID)
	}
	return strings.Join(ids, " ")
}

// TestResolveFollowsEveryChange: the actor is cached, and whatever it depends on
// makes a new one.
func TestResolveFollowsEveryChange(t *testing.T) {
	policy := "arn:aws:iam::" + account + ":policy/p"
	s := given(t, userCreated("AIDA1", "alice"), keyCreated("AKIA1", "AIDA1"),
		&event.GroupCreated{Group: "AGPA1", Account: account, Name: "g", Path: "/", At: epoch})
	c := Credential{AccessKey: "AKIA1"}
	resolve := func() *Actor {
		t.Helper()
		a, err := s.Resolve(c, epoch)
		if err != nil {
			t.Fatal(err)
		}
		again, err := s.Resolve(c, epoch)
		if err != nil || again != a {
			t.Fatalf("resolved anew without a change: %v", err)
		}
		return a
	}
	for _, step := range []struct {
		e       event.Event
		sources string
		also    func(*Actor) bool
	}{
		{&event.InlinePolicyPut{Principal: "AIDA1", Name: "i", Document: allowAll}, "inline/i", nil},
		{&event.PolicyCreated{Policy: policy, ID: "ANPA1", Account: account, Name: "p", Path: "/", Document: allowAll, At: epoch}, "inline/i", nil},
		{&event.PolicyAttached{Principal: "AGPA1", Policy: policy}, "inline/i", nil},
		{&event.UserAddedToGroup{User: "AIDA1", Group: "AGPA1"}, "inline/i group/g/policy/p", nil},
		{&event.PolicyVersionCreated{Policy: policy, Version: "v2", Document: strings.Replace(allowAll, "Allow", "Deny", 1), At: epoch}, "inline/i group/g/policy/p",
			func(a *Actor) bool { return a.Identity[1].Policy.Document() == allowAll }},
		{&event.PolicyDefaultVersionSet{Policy: policy, Version: "v2", At: epoch}, "inline/i group/g/policy/p",
			func(a *Actor) bool { return a.Identity[1].Policy.Document() != allowAll }},
		{&event.GroupRenamed{Group: "AGPA1", Name: "h", Path: "/"}, "inline/i group/h/policy/p", nil},
		{&event.InlinePolicyPut{Principal: "AGPA1", Name: "j", Document: allowAll}, "inline/i group/h/inline/j group/h/policy/p", nil},
		{&event.PolicyDetached{Principal: "AGPA1", Policy: policy}, "inline/i group/h/inline/j", nil},
		{&event.BoundarySet{Principal: "AIDA1", Policy: policy}, "inline/i group/h/inline/j", func(a *Actor) bool { return a.Boundary.ID == "boundary-policy/p" }},
		{&event.BoundaryRemoved{Principal: "AIDA1"}, "inline/i group/h/inline/j", func(a *Actor) bool { return a.Boundary == nil }},
		{&event.PrincipalTagged{Principal: "AIDA1", Tags: []event.Tag{{Key: "k", Value: "v"}}}, "inline/i group/h/inline/j", func(a *Actor) bool { return a.Tags["k"] == "v" }},
		{&event.PrincipalUntagged{Principal: "AIDA1", Keys: []string{"K"}}, "inline/i group/h/inline/j", func(a *Actor) bool { return a.Tags == nil }},
		{&event.UserRemovedFromGroup{User: "AIDA1", Group: "AGPA1"}, "inline/i", nil},
		{&event.InlinePolicyDeleted{Principal: "AIDA1", Name: "i"}, "", nil},
		{&event.UserRenamed{User: "AIDA1", Name: "alicia", Path: "/x/"}, "", func(a *Actor) bool {
			return a.Principal.ARN == "arn:aws:iam::"+account+":user/x/alicia" && a.Principal.UniqueID == "AIDA1" && a.Who.Name == "alicia"
		}},
	} {
		before := resolve()
		apply(t, s, step.e)
		a := resolve()
		if a == before {
			t.Errorf("%s: the actor is the old one", step.e.EventType())
		}
		if sources(a) != step.sources {
			t.Errorf("%s: sources %q, want %q", step.e.EventType(), sources(a), step.sources)
		}
		if step.also != nil && !step.also(a) {
			t.Errorf("%s: %+v", step.e.EventType(), a)
		}
	}
	before := resolve()
	apply(t, s, &event.SessionIssued{AccessKey: "ASIA1", Principal: "AIDA1", Expires: epoch})
	if resolve() != before {
		t.Error("a session that is issued makes every actor anew")
	}
	apply(t, s, &event.AccessKeyDeactivated{AccessKey: "AKIA1"})
	refused(t, s, c, fault.UnrecognizedClientException)
	apply(t, s, &event.AccessKeyActivated{AccessKey: "AKIA1"})
	resolve()
	apply(t, s, &event.AccessKeyDeleted{AccessKey: "AKIA1"})
	refused(t, s, c, fault.UnrecognizedClientException)
}

func refused(t *testing.T, s *Store, c Credential, code fault.Code) {
	t.Helper()
	if a, err := s.Resolve(c, epoch); !fault.Is(err, code) {
		t.Fatalf("resolved %+v, %v; want %s", a, err, code)
	}
}

func roleSession(principal string) *Session {
	return &Session{AccessKey: "ASIA1", Account: account, Principal: principal, Name: "s", Issued: epoch.Add(-time.Hour), Expires: epoch.Add(time.Hour)}
}

func TestResolveSession(t *testing.T) {
	s := given(t, roleCreated("AROA1", "r"), userCreated("AIDA1", "u"),
		&event.PrincipalTagged{Principal: "AROA1", Tags: []event.Tag{{Key: "a", Value: "role"}, {Key: "B", Value: "role"}}})
	session := roleSession("AROA1")
	session.Tags = []event.Tag{{Key: "b", Value: "session"}}
	c := Credential{"ASIA1", session}
	a, err := s.Resolve(c, epoch)
	if err != nil {
		t.Fatal(err)
	}
	if p := a.Principal; p.ARN != "arn:aws:sts::"+account+":assumed-role/r/s" || p.UserID != "AROA1:s" || p.UniqueID != "AROA1" || p.RoleARN != "arn:aws:iam::"+account+":role/r" {
		t.Errorf("principal %+v", p)
	}
	if got := fmt.Sprint(a.Tags); got != "map[a:role b:session]" {
		t.Errorf("tags %s", got)
	}
	if again, _ := s.Resolve(c, epoch); again != a {
		t.Error("resolved anew without a change")
	}
	if _, err := s.Resolve(c, epoch.Add(time.Hour)); !fault.Is(err, fault.ExpiredTokenException) {
		t.Errorf("an expired session gives %v", err)
	}
	refused(t, s, Credential{"ASIA2", session}, fault.UnrecognizedClientException)

	apply(t, s, &event.RoleDeleted{Role: "AROA1"})
	refused(t, s, c, fault.UnrecognizedClientException)
	apply(t, s, roleCreated("AROA2", "r"))
	refused(t, s, c, fault.UnrecognizedClientException)

	user := roleSession("AIDA1")
	user.Name = ""
	if a, err := s.Resolve(Credential{"ASIA1", user}, epoch); err != nil || a.UserName != "u" || a.Issued.IsZero() {
		t.Errorf("a user's session: %+v, %v", a, err)
	}
	user.Account = "444455556666"
	refused(t, s, Credential{"ASIA1", &Session{AccessKey: "ASIA1", Account: "444455556666", Principal: "AIDA1", Expires: epoch.Add(1)}}, fault.UnrecognizedClientException)
}

// TestSessionPoliciesOnlyNarrow: a session to which policies were passed stays
// limited when none of them is left.
func TestSessionPoliciesOnlyNarrow(t *testing.T) {
	s := given(t, roleCreated("AROA1", "r"))
	session := roleSession("AROA1")
	session.PolicyARNs = []string{"arn:aws:iam::" + account + ":policy/gone"}
	a, err := s.Resolve(Credential{"ASIA1", session}, epoch)
	if err != nil || !a.HasSession || len(a.Session) != 0 {
		t.Errorf("%+v, %v", a, err)
	}
	broken := roleSession("AROA1")
	broken.Policy = "{"
	refused(t, s, Credential{"ASIA1", broken}, fault.UnrecognizedClientException)
}

// TestResolveConcurrently is for the race detector: readers fill caches.
func TestResolveConcurrently(t *testing.T) {
	s := given(t, userCreated("AIDA1", "alice"), keyCreated("AKIA1", "AIDA1"), roleCreated("AROA1", "r"))
	session := roleSession("AROA1")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if _, err := s.Resolve(Credential{AccessKey: "AKIA1"}, epoch); err != nil {
					t.Error(err)
				}
				if _, err := s.Resolve(Credential{"ASIA1", session}, epoch); err != nil {
					t.Error(err)
				}
				for range s.Account(account).Users.After("") {
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkResolve(b *testing.B) {
	s := given(b, userCreated("AIDA1", "alice"), keyCreated("AKIA1", "AIDA1"), roleCreated("AROA1", "r"),
		&event.InlinePolicyPut{Principal: "AIDA1", Name: "i", Document: allowAll},
		&event.PolicyAttached{Principal: "AROA1", Policy: "arn:aws:iam::aws:policy/ReadOnlyAccess"})
	for name, c := range map[string]Credential{"user": {AccessKey: "AKIA1"}, "session": {"ASIA1", roleSession("AROA1")}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Resolve(c, epoch); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("after a change", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s.revision++
			if _, err := s.Resolve(Credential{AccessKey: "AKIA1"}, epoch); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkMemory reports bytes of heap for each principal.
func BenchmarkMemory(b *testing.B) {
	const n = 50_000
	for name, make := range map[string]func(i int) []event.Event{
		"user with a key and an attached policy": func(i int) []event.Event {
			user := fmt.Sprintf("AIDA%017d", i)
			return []event.Event{userCreated(user, fmt.Sprintf("service-account-%d", i)), keyCreated(fmt.Sprintf("AKIA%016d", i), user),
				&event.PolicyAttached{Principal: user, Policy: "arn:aws:iam::aws:policy/ReadOnlyAccess"}}
		},
		"role with a shared trust policy": func(i int) []event.Event {
			return []event.Event{roleCreated(fmt.Sprintf("AROA%017d", i), fmt.Sprintf("service-role-%d", i))}
		},
		"role with an inline policy of its own": func(i int) []event.Event {
			role := fmt.Sprintf("AROA%017d", i)
			return []event.Event{roleCreated(role, fmt.Sprintf("service-role-%d", i)), &event.InlinePolicyPut{Principal: role, Name: "read", Document: fmt.Sprintf(
				`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"arn:aws:secretsmanager:us-east-1:111122223333:secret:app-%d-*"}}`, i)}}
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				s := given(b)
				for i := range n {
					apply(b, s, make(i)...)
				}
				runtime.GC()
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/principal")
				runtime.KeepAlive(s)
			}
		})
	}
}
