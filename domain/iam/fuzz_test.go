package iam_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/keytrail/keytrail/domain/iam"
)

// seeds are the documents in testdata/policies.
func seeds(f *testing.F) [][]byte {
	paths, err := filepath.Glob("testdata/policies/*.json")
	if err != nil || len(paths) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	var list [][]byte
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		list = append(list, b)
	}
	return list
}

const kinds = uint8(iam.BoundaryPolicy) + 1

// FuzzParse: no document makes Parse, or what reads its result, panic; every
// refusal has a text; what is accepted is kept byte for byte, and restored as the
// same policy.
func FuzzParse(f *testing.F) {
	for _, s := range seeds(f) {
		for k := range kinds {
			f.Add(k, s)
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, document []byte) {
		p, err := iam.Parse(iam.Kind(kind%kinds), document)
		restored, lost := iam.Restore(iam.Kind(kind%kinds), document)
		if err == nil && (lost != nil || !reflect.DeepEqual(p, restored)) {
			t.Errorf("accepted, and restored as %+v: %v", restored, lost)
		}
		if err != nil {
			var malformed *iam.MalformedError
			if !errors.As(err, &malformed) || malformed.Text == "" {
				t.Fatalf("refused with %#v", err)
			}
			return
		}
		if p.Document() != string(document) {
			t.Error("the document was changed")
		}
		p.Lint()
		p.IsPublic()
		iam.ContextKeys(p)
		ids := map[string]string{}
		for _, name := range p.Principals() {
			ids[name] = "AIDABOUND00000000001"
		}
		p.Bind(ids)
	})
}

// FuzzEvaluate: whatever a document and a request say, Evaluate answers, gives
// the same answer twice, allows nothing that something denies, and has a reason
// for each refusal.
func FuzzEvaluate(f *testing.F) {
	for i, s := range seeds(f) {
		f.Add(uint8(i), s, "kms:Decrypt", key, "alice")
		f.Add(uint8(i)+kinds, s, "secretsmanager:GetSecretValue", secret, "x*")
	}
	people := []iam.Principal{alice, reader, root, mallory}
	f.Fuzz(func(t *testing.T, choice uint8, document []byte, action, resource, value string) {
		kind := iam.Kind(choice % kinds)
		p, err := iam.Restore(kind, document) // more than Parse takes
		if err != nil {
			return
		}
		src := iam.Source{ID: "p", Policy: p}
		in := &iam.Input{
			Principal: people[int(choice)%len(people)], Action: action, Resource: resource, ResourceAccount: account,
			Context:           iam.ContextMap{"aws:username": {value}, "aws:SourceIp": {value}, "aws:TagKeys": {value, "env"}, "aws:CurrentTime": {value}},
			EncryptionContext: map[string]string{value: value},
			Grants:            []iam.Grant{{ID: "g", Grantee: value, Operations: []string{value}, ContextSubset: map[string]string{value: action}}},
		}
		switch kind {
		case iam.IdentityPolicy:
			in.Identity = []iam.Source{src}
		case iam.BoundaryPolicy:
			in.Boundary, in.Identity = &src, []iam.Source{src}
		case iam.SessionPolicy:
			in.Session, in.HasSession, in.Identity = []iam.Source{src}, true, []iam.Source{src}
		case iam.KeyPolicy:
			in.ResourcePolicy, in.Model = &src, iam.ModelKey
		case iam.ResourcePolicy:
			in.ResourcePolicy, in.Model = &src, iam.ModelResource
		case iam.TrustPolicy:
			in.ResourcePolicy, in.Model = &src, iam.ModelTrust
		}
		d := iam.Evaluate(in)
		if again := iam.Evaluate(in); again.Road != d.Road || again.Open != d.Open || len(again.Matched) != len(d.Matched) {
			t.Errorf("two answers: %+v and %+v", d, again)
		}
		for _, m := range d.Matched {
			if m.Effect == iam.Deny && d.Allowed {
				t.Errorf("allowed in spite of %v", m)
			}
		}
		if (d.Reason(action) == "") != d.Allowed {
			t.Errorf("reason %q, allowed %v", d.Reason(action), d.Allowed)
		}
		if d.Road == iam.DeniedImplicit && len(d.Missing) == 0 {
			t.Error("an implicit denial lacks nothing")
		}
		for _, m := range d.Missing {
			m.Remedy(in)
		}
	})
}
