package natsapi

import (
	"strings"
	"testing"
)

const key = "AKIAIOSFODNN7EXAMPLE"

func TestParseSubject(t *testing.T) {
	for subject, want := range map[string]address{
		"keytrail.api." + key + ".kms.Decrypt":    {accessKey: key, service: "kms", operation: "Decrypt"},
		"keytrail.api." + key + ".17.kms.Decrypt": {accessKey: key, connection: 17, service: "kms", operation: "Decrypt"},
		"keytrail.api." + key + ".audit.Query":    {accessKey: key, service: "audit", operation: "Query"},
		"keytrail.api." + key + ".5.audit.Query":  {accessKey: key, connection: 5, service: "audit", operation: "Query"},
		"keytrail.api." + key + ".audit.Others":   {accessKey: key, service: "audit", operation: "Others"},
		"keytrail.api." + key + ".17.Decrypt":     {accessKey: key, service: "17", operation: "Decrypt"},
	} {
		if got, ok := parseSubject(subject); !ok || got != want {
			t.Errorf("%s: %+v, %v", subject, got, ok)
		}
	}
	for asked, want := range map[address][2]string{
		{service: "audit", operation: "Query"}:         {"keytrail", "QueryAudit"},
		{service: "audit", operation: "Others"}:        {"audit", "Others"},
		{service: "keytrail", operation: "QueryAudit"}: {"keytrail", "QueryAudit"},
	} {
		if service, operation := asked.called(); service != want[0] || operation != want[1] {
			t.Errorf("%+v calls %s:%s", asked, service, operation)
		}
	}
	for _, subject := range []string{
		"", "keytrail.api.", "keytrail.api." + key, "keytrail.api." + key + ".kms", "keytrail.api." + key + ".kms.",
		"keytrail.api." + key + "..Decrypt", "keytrail.api..kms.Decrypt", "keytrail.api.*.kms.Decrypt",
		"keytrail.api." + key + ".0.kms.Decrypt", "keytrail.api." + key + ".-1.kms.Decrypt", "keytrail.api." + key + ".x.kms.Decrypt",
		"keytrail.api." + key + ".1.kms.Decrypt.x", "keytrail.live." + key + ".kms.Decrypt", "api." + key + ".kms.Decrypt",
		"keytrail.api." + strings.ToLower(key) + ".kms.Decrypt",
	} {
		if got, ok := parseSubject(subject); ok {
			t.Errorf("%q was taken for %+v", subject, got)
		}
	}
}

func FuzzParseSubject(f *testing.F) {
	for _, s := range []string{
		"keytrail.api." + key + ".kms.Decrypt", "keytrail.api." + key + ".17.kms.Decrypt", "keytrail.api." + key + ".17.kms.", "keytrail.api.>",
		"keytrail.api." + key + ".audit.Query",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, ok := parseSubject(s)
		if !ok {
			return
		}
		parts := strings.Split(s, ".")
		n := len(parts)
		if parts[2] != a.accessKey || parts[n-2] != a.service || parts[n-1] != a.operation || (n == 6) != (a.connection != 0) {
			t.Fatalf("%q is not %+v", s, a)
		}
	})
}

func FuzzOwnInbox(f *testing.F) {
	for _, s := range []string{
		"_INBOX." + key + ".x", "_INBOX." + key + ".x.y", "_INBOX." + key + ".", "_INBOX." + key, "_INBOX." + key + "X.y",
		"_INBOX." + key + ".*", "_INBOX." + key + ".>", "_INBOX." + key + ".x..y", "_INBOX." + key + ".x y", "_INBOX.>", "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		parts := strings.Split(s, ".")
		want := len(parts) > 2 && parts[0] == "_INBOX" && parts[1] == key
		for _, p := range parts {
			want = want && p != "" && !strings.ContainsFunc(p, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '*' || r == '>' })
		}
		if got := ownInbox(s, key); got != want {
			t.Fatalf("%q: %v", s, got)
		}
	})
}

func TestLiveSubjectIsLiteral(t *testing.T) {
	for in, want := range map[string]string{"": "-", "kms": "kms", "a.b": "a_b", "*": "_", ">": "_", "a b\r\nPUB x": "a_b__PUB_x"} {
		if got := token(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
