package iam_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/domain/iam"
)

// scene draws small worlds in which statements meet requests often.
type scene struct{ *rand.Rand }

func (s scene) pick(list ...string) string { return list[s.IntN(len(list))] }

func (s scene) statement(effect string, resourceSide bool) string {
	st := `{'Effect':'` + effect + `','` + s.pick("Action", "Action", "Action", "NotAction") + `':'` +
		s.pick("*", "kms:*", "kms:Decrypt", "kms:Dec*", "kms:Encrypt") + `'`
	st += `,'` + s.pick("Resource", "Resource", "Resource", "NotResource") + `':'` + s.pick("*", key, "arn:aws:kms:*:*:key/*", secret) + `'`
	if resourceSide {
		st += `,'` + s.pick("Principal", "Principal", "NotPrincipal") + `':{'AWS':'` + s.pick("*", rootARN, aliceARN, readerARN, sessionARN, malloryARN, stranger) + `'}`
	}
	if s.IntN(3) == 0 {
		st += `,'Condition':{'` + s.pick("", "ForAnyValue:", "ForAllValues:") + s.pick("StringEquals", "StringNotLike", "StringLikeIfExists") +
			`':{'` + s.pick("aws:username", "kms:ViaService", "aws:TagKeys") + `':'` + s.pick("alice", "a*", "${aws:username}", "x") + `'}}`
	}
	return st + "}"
}

func (s scene) statements(resourceSide bool) []string {
	list := make([]string, 1+s.IntN(3))
	for i := range list {
		list[i] = s.statement(s.pick("Allow", "Allow", "Deny"), resourceSide)
	}
	return list
}

// world is a request whose documents are still lists of statements.
type world struct {
	call
	statements map[string][]string // identity, boundary, session, policy
}

func (s scene) world() world {
	w := world{statements: map[string][]string{"identity": s.statements(false), "policy": s.statements(true)}}
	w.who = []iam.Principal{root, alice, reader, mallory}[s.IntN(4)]
	w.model = []iam.Model{iam.ModelIdentity, iam.ModelResource, iam.ModelKey, iam.ModelKey}[s.IntN(4)]
	w.action = s.pick("kms:Decrypt", "kms:Encrypt")
	if s.IntN(3) == 0 {
		w.statements["boundary"] = s.statements(false)
	}
	if s.IntN(3) == 0 {
		w.statements["session"] = s.statements(false)
	}
	w.context = iam.ContextMap{}
	if s.IntN(2) == 0 {
		w.context["aws:username"] = []string{"alice"}
	}
	if s.IntN(2) == 0 {
		w.context["aws:TagKeys"] = []string{"x", "alice"}
	}
	if s.IntN(3) == 0 {
		w.grants = []iam.Grant{{ID: "g", Grantee: s.pick(aliceARN, readerARN, rootARN, malloryARN), Operations: []string{"Decrypt"}}}
	}
	return w
}

func (w world) evaluate(t *testing.T) iam.Decision {
	c := w.call
	c.identity = []string{doc(w.statements["identity"]...)}
	if st := w.statements["boundary"]; st != nil {
		c.boundary = doc(st...)
	}
	if st := w.statements["session"]; st != nil {
		c.session = []string{doc(st...)}
	}
	if w.model != iam.ModelIdentity {
		c.policy = doc(w.statements["policy"]...)
	}
	return iam.Evaluate(c.input(t))
}

// with returns the world with one statement more in one place.
func (w world) with(place, statement string) world {
	statements := map[string][]string{}
	for k, v := range w.statements {
		statements[k] = v
	}
	statements[place] = append(append([]string{}, statements[place]...), statement)
	w.statements = statements
	return w
}

func TestProperties(t *testing.T) {
	const rounds = 4000
	s := scene{rand.New(rand.NewPCG(1, 2))}
	allowed := 0
	for range rounds {
		w := s.world()
		before := w.evaluate(t)
		if before.Allowed {
			allowed++
		}
		var places []string
		for _, place := range []string{"identity", "boundary", "session", "policy"} {
			if w.statements[place] != nil {
				places = append(places, place)
			}
		}
		place := s.pick(places...)
		show := func(after iam.Decision, more string) string {
			return fmt.Sprintf("%+v\nin %s: %s\nbefore %+v\nafter %+v", w, place, more, before, after)
		}

		more := s.statement("Deny", place == "policy")
		if after := w.with(place, more).evaluate(t); after.Allowed && !before.Allowed {
			t.Fatalf("a Deny more turned denied into allowed: %s", show(after, more))
		}
		more = s.statement("Allow", place == "policy")
		after := w.with(place, more).evaluate(t)
		if before.Allowed && !after.Allowed {
			t.Fatalf("an Allow more turned allowed into denied: %s", show(after, more))
		}
		if len(after.Matched) < len(before.Matched) {
			t.Fatalf("a statement more hides a match: %s", show(after, more))
		}

		shuffled := w.with(place, more)
		list := shuffled.statements[place]
		s.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		if again := shuffled.evaluate(t); again.Allowed != after.Allowed || again.Road != after.Road || again.Open != after.Open {
			t.Fatalf("the order of statements changes the decision: %s", show(again, strings.Join(list, " ")))
		}
	}
	if allowed < rounds/20 || allowed > rounds*19/20 {
		t.Errorf("%d of %d requests allowed: the scenes are too one-sided to prove anything", allowed, rounds)
	}
}
