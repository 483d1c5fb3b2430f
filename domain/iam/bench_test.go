package iam_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/keytrail/keytrail/domain/iam"
)

// requestContext is a Context as production has it: fields behind a switch.
type requestContext struct{ callerAccount, viaService, username []string }

func (c *requestContext) Lookup(name, _ string) ([]string, bool, bool) {
	switch name {
	case "kms:calleraccount":
		return c.callerAccount, false, true
	case "kms:viaservice":
		return c.viaService, false, true
	case "aws:username":
		return c.username, false, true
	}
	return nil, false, false
}

func BenchmarkEvaluate(b *testing.B) {
	longPolicy := []string{delegation}
	for range 40 {
		longPolicy = append(longPolicy, allow("kms:Encrypt", "*", to("arn:aws:iam::111122223333:role/service-1", "arn:aws:iam::111122223333:role/service-2")))
	}
	longPolicy = append(longPolicy, allow("kms:Decrypt", "*", to(readerARN)))
	for _, c := range []struct {
		name string
		call call
	}{
		{"delegation", call{who: alice, policy: defaultPolicy, identity: []string{decryptKey}}},
		{"delegation-four-policies", call{who: reader, policy: doc(delegation, allow("kms:Describe*", "*", to(readerARN))),
			identity: []string{doc(allow("secretsmanager:GetSecretValue", secret), allow("kms:Decrypt", "arn:aws:kms:*:111122223333:key/*")), nothing, doc(deny("iam:*", "*")), administrator}}},
		{"key-policy", call{who: reader, policy: doc(delegation, allow("kms:Decrypt", "*", to(readerARN), when(`'StringEquals':{'kms:ViaService':'secretsmanager.us-east-1.amazonaws.com'}`)))}},
		{"managed-key", call{who: alice, policy: secretsManagerKey}},
		{"grant", call{who: reader, policy: defaultPolicy, pairs: map[string]string{"SecretARN": secret, "SecretVersionId": "1"},
			grants: []iam.Grant{{ID: "g", Grantee: readerARN, Operations: []string{"Decrypt"}, ContextSubset: map[string]string{"SecretARN": secret}}}}},
		{"variable", call{who: alice, policy: defaultPolicy, identity: []string{doc(allow("kms:*", "arn:aws:kms:*:*:key/*", when(`'StringLike':{'aws:username':'${aws:username}*'}`)))}}},
		{"long-key-policy", call{who: reader, policy: doc(longPolicy...)}},
		{"denied", call{who: alice, policy: defaultPolicy}},
	} {
		b.Run(c.name, func(b *testing.B) {
			c.call.model = iam.ModelKey
			in := c.call.input(b)
			in.Context = &requestContext{[]string{account}, []string{"secretsmanager.us-east-1.amazonaws.com"}, []string{"alice"}}
			if d := iam.Evaluate(in); d.Allowed == (c.name == "denied") {
				b.Fatalf("%+v", d)
			}
			b.ReportAllocs()
			for b.Loop() {
				iam.Evaluate(in)
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	for name, document := range map[string]string{"default-key-policy": defaultPolicy, "managed-key": secretsManagerKey} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := iam.Parse(iam.KeyPolicy, []byte(document)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPolicyMemory reports the bytes that one compiled policy keeps, its
// document included.
func BenchmarkPolicyMemory(b *testing.B) {
	for name, document := range map[string]string{
		"default-key-policy": defaultPolicy, "managed-key": secretsManagerKey,
		"read-one-secret": doc(allow("secretsmanager:GetSecretValue", secret), allow("kms:Decrypt", key)),
	} {
		kind := iam.IdentityPolicy
		if strings.Contains(document, "Principal") {
			kind = iam.KeyPolicy
		}
		b.Run(name, func(b *testing.B) {
			const count = 2000
			for b.Loop() {
				kept := make([]*iam.Policy, count)
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				for i := range kept {
					kept[i], _ = iam.Parse(kind, []byte(document))
				}
				runtime.GC()
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/count, "B/policy")
				b.ReportMetric(float64(len(document)), "B/document")
				runtime.KeepAlive(kept)
			}
		})
	}
}
