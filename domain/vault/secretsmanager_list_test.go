package vault_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

// names reads a whole listing, page by page.
func secretNames(t *testing.T, c *vaulttest.Caller, in m) []string {
	t.Helper()
	var all []string
	for range 100 {
		out := sm(c, "ListSecrets", in).OK()
		page := out["SecretList"].([]any)
		for _, s := range page {
			all = append(all, s.(m)["Name"].(string))
		}
		if out["NextToken"] == nil {
			return all
		}
		if limit, ok := in["MaxResults"].(int); ok && len(page) != limit {
			t.Fatalf("a page of %d, not %d", len(page), limit)
		}
		in["NextToken"] = out["NextToken"]
	}
	t.Fatal("the listing does not end")
	return nil
}

func filterList(pairs ...any) []m {
	var list []m
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, m{"Key": pairs[i], "Values": pairs[i+1]})
	}
	return list
}

func TestListSecrets(t *testing.T) {
	v, admin := vaultWithAdmin(t)
	for _, s := range []struct{ name, description, tag, value string }{
		{"prod/db", "Main database", "team", "blue"},
		{"prod/api", "key of the API", "team", "red"},
		{"test/db", "main copy", "Team", "Blue"},
		{"Prod/x", "", "cost", "7"},
	} {
		v.Wait(time.Minute)
		sm(admin, "CreateSecret", m{"Name": s.name, "Description": s.description, "Tags": []m{{"Key": s.tag, "Value": s.value}}}).OK()
	}
	sm(v.UserOf(vaulttest.Other, "foreign", vaulttest.Administrator), "CreateSecret", m{"Name": "foreign"}).OK()
	v.Wait(time.Minute)
	sm(admin, "UpdateSecret", m{"SecretId": "prod/db", "Description": "Main database."}).OK()

	for name, tt := range map[string]struct {
		in   m
		want string
	}{
		"all":                 {m{}, "prod/db prod/api test/db Prod/x"},
		"newest first":        {m{"SortOrder": "desc"}, "Prod/x test/db prod/api prod/db"},
		"by name":             {m{"SortBy": "name"}, "Prod/x prod/api prod/db test/db"},
		"by name, descending": {m{"SortBy": "name", "SortOrder": "desc"}, "test/db prod/db prod/api Prod/x"},
		"by change":           {m{"SortBy": "last-changed-date"}, "prod/api test/db Prod/x prod/db"},
		"name prefix":         {m{"Filters": filterList("name", []string{"prod/"})}, "prod/db prod/api"},
		"name not":            {m{"Filters": filterList("name", []string{"!prod/"})}, "test/db Prod/x"},
		"name, alternatives":  {m{"Filters": filterList("name", []string{"prod/a", "test"})}, "prod/api test/db"},
		"name or not":         {m{"Filters": filterList("name", []string{"prod/d", "!prod/"})}, "prod/db test/db Prod/x"},
		"name and not":        {m{"Filters": filterList("name", []string{"prod/"}, "name", []string{"!prod/a"})}, "prod/db"},
		"description":         {m{"Filters": filterList("description", []string{"MAIN"})}, "prod/db test/db"},
		"tag key":             {m{"Filters": filterList("tag-key", []string{"team"})}, "prod/db prod/api"},
		"tag value":           {m{"Filters": filterList("tag-value", []string{"b"})}, "prod/db"},
		"both":                {m{"Filters": filterList("tag-key", []string{"team"}, "name", []string{"prod/a"})}, "prod/api"},
		"region":              {m{"Filters": filterList("primary-region", []string{"us-"})}, "prod/db prod/api test/db Prod/x"},
		"owner":               {m{"Filters": filterList("owning-service", []string{"rds"})}, ""},
		"not owner":           {m{"Filters": filterList("owning-service", []string{"!rds"})}, "prod/db prod/api test/db Prod/x"},
		"any word":            {m{"Filters": filterList("all", []string{"data"})}, "prod/db"},
		"every word":          {m{"Filters": filterList("all", []string{"DB blue"})}, "prod/db test/db"},
	} {
		if got := strings.Join(secretNames(t, admin, tt.in), " "); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
	sm(admin, "ListSecrets", m{"Filters": []m{{"Values": []string{"a"}}}}).Fails(fault.InvalidParameterException, "Invalid filter key")
	sm(admin, "ListSecrets", m{"Filters": []m{{"Key": "name"}}}).Fails(fault.InvalidParameterException, "Invalid filter values for key: name")
	sm(admin, "ListSecrets", m{"Filters": filterList("name", []string{"a*"})}).Fails(fault.ValidationException, "regular expression")
	sm(admin, "ListSecrets", m{"Filters": filterList("colour", []string{"a"})}).Fails(fault.ValidationException, "enum value set")
	// Pages of every size and order, also while secrets come and go.
	for _, by := range []string{"", "name", "last-changed-date"} {
		for _, order := range []string{"asc", "desc"} {
			in := m{"SortOrder": order}
			if by != "" {
				in["SortBy"] = by
			}
			whole := secretNames(t, admin, in)
			for size := 1; size <= 4; size++ {
				in := m{"SortOrder": order, "MaxResults": size}
				if by != "" {
					in["SortBy"] = by
				}
				if got := secretNames(t, admin, in); !slices.Equal(got, whole) {
					t.Errorf("by %q %s in pages of %d: %v, want %v", by, order, size, got, whole)
				}
			}
		}
	}
	first := sm(admin, "ListSecrets", m{"MaxResults": 2}).OK()
	sm(admin, "DeleteSecret", m{"SecretId": "prod/api", "ForceDeleteWithoutRecovery": true}).OK()
	if got := secretNames(t, admin, m{"NextToken": first["NextToken"]}); !slices.Equal(got, []string{"test/db", "Prod/x"}) {
		t.Errorf("after the last of a page is gone: %v", got)
	}
	sm(admin, "ListSecrets", m{"NextToken": "nonsense"}).Fails(fault.InvalidNextTokenException, "")
	sm(admin, "ListSecrets", m{"NextToken": first["NextToken"], "SortBy": "name"}).Fails(fault.InvalidNextTokenException, "")
	sm(admin, "ListSecrets", m{"SortBy": "never"}).Fails(fault.ValidationException, "sortBy")
	sm(admin, "ListSecrets", m{"MaxResults": 101}).Fails(fault.ValidationException, "maxResults")
	sm(v.User("nobody"), "ListSecrets", nil).Fails(fault.AccessDeniedException, "secretsmanager:ListSecrets on resource: * because no identity-based policy allows")
}

func TestBatchGetSecretValue(t *testing.T) {
	v, admin := vaultWithAdmin(t)
	_, key := newKey(admin, nil)
	a, _ := newSecret(admin, "a", "1", "")
	newSecret(admin, "b", "2", key)
	newSecret(admin, "c", `"3"`, "")
	sm(admin, "DeleteSecret", m{"SecretId": "c"}).OK()
	reader := v.User("reader", vaulttest.Allow("secretsmanager:BatchGetSecretValue", "secretsmanager:GetSecretValue"))
	o := sm(reader, "BatchGetSecretValue", m{"SecretIdList": []string{a, "b", "c", "d"}})
	out := o.OK()
	values, faults := out["SecretValues"].([]any), out["Errors"].([]any)
	if len(values) != 1 || values[0].(m)["SecretString"] != "1" || values[0].(m)["ARN"] != a {
		t.Errorf("values %v", values)
	}
	want := "[map[ErrorCode:AccessDeniedException Message:Access to KMS is not allowed SecretId:b] " +
		"map[ErrorCode:InvalidRequestException Message:" + marked + " SecretId:c] " +
		"map[ErrorCode:ResourceNotFoundException Message:Secrets Manager can't find the specified secret. SecretId:d]]"
	if fmt.Sprint(faults) != want {
		t.Errorf("errors\n%v\nwant\n%v", faults, want)
	}
	tells(t, o, decryptOK, readOK, decryptNo, readNo,
		"secretsmanager:GetSecretValue InvalidRequestException", "secretsmanager:GetSecretValue ResourceNotFoundException",
		"secretsmanager:BatchGetSecretValue ok")
	for _, r := range o.Records {
		if r.Request != o.Record().Request || strings.HasPrefix(r.Op, "secretsmanager:") && (r.Via != "" || r.Source != o.Record().Source) {
			t.Errorf("recorded %+v", r)
		}
	}
	for name, in := range map[string]m{
		"neither": {}, "both": {"SecretIdList": []string{"a"}, "Filters": filterList("name", []string{"a"})},
		"pages of a list": {"SecretIdList": []string{"a"}, "MaxResults": 1},
	} {
		if o := sm(reader, "BatchGetSecretValue", in); !fault.Is(o.Reply.Fault, fault.InvalidParameterException) {
			t.Errorf("%s: %v", name, o.Reply.Fault)
		}
	}
	sm(reader, "BatchGetSecretValue", m{"SecretIdList": slices.Repeat([]string{"a"}, 21)}).Fails(fault.ValidationException, "secretIdList")
	byFilter := m{"Filters": filterList("name", []string{"a", "b", "c"}), "MaxResults": 1}
	sm(reader, "BatchGetSecretValue", byFilter).Fails(fault.AccessDeniedException, "secretsmanager:ListSecrets")
	first := sm(admin, "BatchGetSecretValue", byFilter).OK()
	byFilter["NextToken"] = first["NextToken"]
	second := sm(admin, "BatchGetSecretValue", byFilter).OK()
	if got := fmt.Sprint(first["SecretValues"].([]any)[0].(m)["Name"], second["SecretValues"].([]any)[0].(m)["Name"], second["NextToken"]); got != "ab<nil>" {
		t.Errorf("pages %s", got)
	}
	sm(v.User("half", vaulttest.Allow("secretsmanager:GetSecretValue")), "BatchGetSecretValue", m{"SecretIdList": []string{"a"}}).Fails(fault.AccessDeniedException, "BatchGetSecretValue")
	only := sm(v.User("list", vaulttest.Allow("secretsmanager:BatchGetSecretValue")), "BatchGetSecretValue", m{"SecretIdList": []string{"a"}}).OK()
	if len(only["SecretValues"].([]any)) != 0 || len(only["Errors"].([]any)) != 1 {
		t.Errorf("read without GetSecretValue: %v", only)
	}
}

func TestGetRandomPassword(t *testing.T) {
	_, admin := vaultWithAdmin(t)
	password := func(in m) string {
		o := sm(admin, "GetRandomPassword", in)
		p := o.OK()["RandomPassword"].(string)
		if len(p) > 8 && strings.Contains(o.Line(), p) {
			t.Error("the password is in the record")
		}
		return p
	}
	if p := password(nil); len(p) != 32 || p == password(nil) {
		t.Errorf("password %q", p)
	}
	for range 50 {
		p := password(m{"PasswordLength": 4})
		for _, set := range []string{"abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"} {
			if !strings.ContainsAny(p, set) {
				t.Errorf("%q has none of %s", p, set)
			}
		}
	}
	long := password(m{"PasswordLength": 4096, "ExcludePunctuation": true, "ExcludeUppercase": true, "IncludeSpace": true, "ExcludeCharacters": "abc0"})
	counts := map[rune]int{}
	for _, r := range long {
		counts[r]++
	}
	if alphabet := "defghijklmnopqrstuvwxyz123456789 "; len(counts) != len(alphabet) || strings.Trim(long, alphabet) != "" {
		t.Errorf("%d characters used", len(counts))
	} else {
		for r, n := range counts { // 124 expected; five standard deviations are 55
			if n < 69 || n > 179 {
				t.Errorf("%q came %d times of 4096", r, n)
			}
		}
	}
	if p := password(m{"PasswordLength": 1, "RequireEachIncludedType": false}); len(p) != 1 {
		t.Errorf("password %q", p)
	}
	sm(admin, "GetRandomPassword", m{"PasswordLength": 3}).Fails(fault.InvalidParameterException, "too short")
	sm(admin, "GetRandomPassword", m{"PasswordLength": 4097}).Fails(fault.ValidationException, "passwordLength")
	sm(admin, "GetRandomPassword", m{"ExcludeNumbers": true, "ExcludePunctuation": true, "ExcludeUppercase": true, "ExcludeLowercase": true}).Fails(fault.InvalidRequestException, "")
}

// Of all bytes that can come, every number is made of equally many.
func TestDrawsAreUnbiased(t *testing.T) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for _, n := range []int{1, 2, 33, 62, 94, 95, 128, 200, 256} {
		entropy := bytes.NewReader(every)
		counts := make([]int, n)
		for {
			drawn, err := vault.Below(entropy, n)
			if err != nil {
				break
			}
			counts[drawn]++
		}
		for i, count := range counts {
			if count != 256/n {
				t.Errorf("of %d, %d comes from %d bytes and not from %d", n, i, count, 256/n)
			}
		}
	}
}

// The words that descriptions and "all" are searched by. A name is a text with spaces
// replaced, so that both see the same words.
func TestSearchByWords(t *testing.T) {
	_, admin := vaultWithAdmin(t)
	for _, s := range []struct{ name, description string }{
		{"1", "a secret"}, {"2", "an secret"}, {"3", "asecret"}, {"4", "thesecret"}, {"5", "one and two"}, {"6", ""},
		{"prod/AppBeta/7x", ""}, {"prod.AppBeta_8x", ""}, {"uat/COMPANY/9", ""}, {"uat/COMPANYthings", ""}, {"Thirdsecret3fa9c1", ""}, {"mixed+App-Beta=0", ""},
	} {
		sm(admin, "CreateSecret", m{"Name": s.name, "Description": s.description, "Tags": []m{{"Key": "kind", "Value": "Of" + s.name}}}).OK()
	}
	for _, tt := range []struct{ key, value, want string }{
		{"description", "a", "1 2 3 5"},
		{"description", "!a", "4 6 prod/AppBeta/7x prod.AppBeta_8x uat/COMPANY/9 uat/COMPANYthings Thirdsecret3fa9c1 mixed+App-Beta=0"},
		{"description", "a secret", "1 2"},
		{"description", "SECRET", "1 2"},
		{"description", "two one", "5"},
		{"description", "t o", "5"},
		{"description", "wo", ""},
		{"all", "Beta", "prod/AppBeta/7x prod.AppBeta_8x mixed+App-Beta=0"},
		{"all", "appbeta", ""}, // one word, and none begins so
		{"all", "AppBeta", "prod/AppBeta/7x prod.AppBeta_8x mixed+App-Beta=0"},
		{"all", "prod App", "prod/AppBeta/7x prod.AppBeta_8x"},
		{"all", "eta", ""},
		{"all", "+", ""},
		{"all", "company", "uat/COMPANY/9"},
		{"all", "things", ""},
		{"all", "Ythings", "uat/COMPANYthings"},
		{"all", "pany", ""},
		{"all", "third", "Thirdsecret3fa9c1"},
		{"all", "3fa9c1", "Thirdsecret3fa9c1"},
		{"all", "us-east-1", ""},
		{"all", "kind third", "Thirdsecret3fa9c1"}, // words may lie in different attributes
		{"name", "prod App", ""},
		{"name", "prod/App", "prod/AppBeta/7x"},
		{"name", "Prod/", ""},
		{"tag-key", "ki", "1 2 3 4 5 6 prod/AppBeta/7x prod.AppBeta_8x uat/COMPANY/9 uat/COMPANYthings Thirdsecret3fa9c1 mixed+App-Beta=0"},
		{"tag-value", "Ofprod", "prod/AppBeta/7x prod.AppBeta_8x"},
		{"tag-value", "ofprod", ""},
	} {
		if got := strings.Join(secretNames(t, admin, m{"Filters": filterList(tt.key, []string{tt.value})}), " "); got != tt.want {
			t.Errorf("%s %q: %q, want %q", tt.key, tt.value, got, tt.want)
		}
	}
}

// FuzzWords: words are what is left of a text without its spaces and signs, in order,
// and none of them is empty or falls apart into more.
func FuzzWords(f *testing.F) {
	for _, s := range []string{"", "prod/MyDB_2nd", "COMPANYthings", "aA", "Aa", "a", "A", " / ", "é/Éé", "1a2b", "\xff\xfea"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := slices.Collect(vault.Words(text))
		signs := func(r rune) bool { return strings.ContainsRune(" \t\n/_+=.@-:!", r) }
		if joined := strings.Join(got, ""); joined != strings.Join(strings.FieldsFunc(text, signs), "") {
			t.Fatalf("%q has the words %q", text, got)
		}
		for _, word := range got {
			if again := slices.Collect(vault.Words(word)); len(again) != 1 || again[0] != word {
				t.Fatalf("%q of %q has the words %q", word, text, again)
			}
		}
	})
}
