package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/fault"
)

func sorted(names []string) []string {
	slices.Sort(names)
	return names
}

// sign puts the right signature in the place of the zeros.
func sign(t *testing.T, r *Request, secret, body string) {
	t.Helper()
	s, err := Parse(r)
	if err != nil {
		t.Fatalf("sign: %v", err)
	}
	key := DeriveKey([]byte(secret), s.Scope)
	mac := s.mac256(r, sha256.Sum256([]byte(body)), &key)
	signature := hex.EncodeToString(mac[:])
	if s.Presigned {
		r.Query = strings.Replace(r.Query, zeros, signature, 1)
		return
	}
	r.Header["Authorization"][0] = strings.Replace(r.Header["Authorization"][0], zeros, signature, 1)
}

var zeros = strings.Repeat("0", 64)

// inHeader is a request like that of an SDK, with a signature still to be made.
func inHeader(extra ...string) *Request {
	h := header(append([]string{"X-Amz-Date", "20150830T123600Z", "Content-Type", "application/x-amz-json-1.1", "X-Amz-Target", "TrentService.Decrypt"}, extra...)...)
	h["Authorization"] = []string{algorithm + " Credential=AKIAIOSFODNN7EXAMPLE/20150830/us-east-1/kms/aws4_request, SignedHeaders=" + signedNames(h) + ", Signature=" + zeros}
	return &Request{Method: "POST", Path: "/", Host: "127.0.0.1:4566", Header: h}
}

func inQuery(extra string) *Request {
	return &Request{Method: "GET", Path: "/", Host: "127.0.0.1:4566", Header: map[string][]string{}, Query: "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256" +
		"&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20150830%2Fus-east-1%2Fsts%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders=host" + extra + "&X-Amz-Signature=" + zeros}
}

func verify(r *Request, secret, body string) error {
	s, err := Parse(r)
	if err != nil {
		return err
	}
	key := DeriveKey([]byte(secret), s.Scope)
	return s.Verify(r, sha256.Sum256([]byte(body)), &key)
}

func TestVerify(t *testing.T) {
	const body = `{"CiphertextBlob":"AQID"}`
	for name, change := range map[string]func(r *Request, body *string){
		"nothing":         func(*Request, *string) {},
		"body":            func(_ *Request, b *string) { *b += " " },
		"method":          func(r *Request, _ *string) { r.Method = "PUT" },
		"path":            func(r *Request, _ *string) { r.Path = "/x" },
		"query":           func(r *Request, _ *string) { r.Query = "a=b" },
		"host":            func(r *Request, _ *string) { r.Host = "127.0.0.1:4567" },
		"signed header":   func(r *Request, _ *string) { r.Header["X-Amz-Target"][0] = "TrentService.Encrypt" },
		"header gone":     func(r *Request, _ *string) { delete(r.Header, "Content-Type") },
		"header twice":    func(r *Request, _ *string) { r.Header["Content-Type"] = append(r.Header["Content-Type"], "x") },
		"unsigned header": func(r *Request, _ *string) { r.Header["User-Agent"] = []string{"x"} },
		"time":            func(r *Request, _ *string) { r.Header["X-Amz-Date"][0] = "20150830T123601Z" },
		"scope": func(r *Request, _ *string) {
			r.Header["Authorization"][0] = strings.Replace(r.Header["Authorization"][0], "/kms/", "/sts/", 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, sent := inHeader(), body
			sign(t, r, exampleSecret, body)
			change(r, &sent)
			err := verify(r, exampleSecret, sent)
			if want := name == "nothing" || name == "unsigned header"; (err == nil) != want {
				t.Errorf("got %v", err)
			}
			if err != nil && !fault.Is(err, fault.InvalidSignatureException) {
				t.Errorf("got %v, want InvalidSignatureException", err)
			}
		})
	}
	r := inHeader()
	sign(t, r, exampleSecret, body)
	if err := verify(r, exampleSecret[:39]+"Z", body); !fault.Is(err, fault.InvalidSignatureException) {
		t.Errorf("another secret: %v", err)
	}
}

func TestPresigned(t *testing.T) {
	r := inQuery("&X-Amz-Expires=60&X-Amz-Security-Token=a%2Bb%3D")
	sign(t, r, exampleSecret, "")
	if err := verify(r, exampleSecret, ""); err != nil {
		t.Fatal(err)
	}
	s, err := Parse(r)
	if err != nil || s.Token != "a+b=" || !s.Presigned {
		t.Errorf("read %+v, %v", s, err)
	}
	r.Query = strings.Replace(r.Query, "GetCallerIdentity", "GetSessionToken", 1)
	if err := verify(r, exampleSecret, ""); err == nil {
		t.Error("verifies for another action")
	}
}

func TestPayloadThatIsNotSigned(t *testing.T) {
	for _, form := range []string{"UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"} {
		r := inHeader("X-Amz-Content-Sha256", form)
		s, err := Parse(r)
		if err != nil {
			t.Fatal(err)
		}
		// A signer of that form puts the words in the place of the hash.
		key := DeriveKey([]byte(exampleSecret), s.Scope)
		canonical := s.appendCanonical(nil, r, [32]byte{})
		canonical = append(canonical[:len(canonical)-64], form...)
		hash := sha256.Sum256(canonical)
		mac := hmac.New(sha256.New, key.bytes[:])
		fmt.Fprintf(mac, "%s\n%s\n%s\n%x", algorithm, s.stamp, s.appendScope(nil), hash)
		r.Header["Authorization"][0] = strings.Replace(r.Header["Authorization"][0], zeros, hex.EncodeToString(mac.Sum(nil)), 1)
		if err := verify(r, exampleSecret, "body"); !fault.Is(err, fault.InvalidSignatureException) {
			t.Errorf("%s: got %v", form, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	authorization := func(change func(string) string) func(*Request) {
		return func(r *Request) { r.Header["Authorization"][0] = change(r.Header["Authorization"][0]) }
	}
	replace := func(old, new string) func(*Request) {
		return authorization(func(s string) string { return strings.Replace(s, old, new, 1) })
	}
	for _, c := range []struct {
		name   string
		change func(*Request)
		code   fault.Code
		text   string
	}{
		{"none", func(r *Request) { delete(r.Header, "Authorization") }, fault.MissingAuthenticationToken, "Missing Authentication Token"},
		{"basic", authorization(func(string) string { return "Basic cGFzc3dvcmQ=" }), fault.IncompleteSignature, "Unsupported AWS 'algorithm': only 'AWS4-HMAC-SHA256' is supported."},
		{"sigv4a", replace("AWS4-HMAC", "AWS4-ECDSA-P256"), fault.IncompleteSignature, "Unsupported"},
		{"empty", authorization(func(string) string { return algorithm + " " }), fault.IncompleteSignature, "not known"},
		{"no signature", authorization(func(s string) string { return s[:strings.LastIndex(s, ",")] }), fault.IncompleteSignature, "Authorization header requires 'Signature' parameter."},
		{"no date", func(r *Request) { delete(r.Header, "X-Amz-Date"); replace(";x-amz-date", "")(r) }, fault.IncompleteSignature, "existence of either a 'X-Amz-Date' or a 'Date' header"},
		{"bad date", func(r *Request) { r.Header["X-Amz-Date"][0] = "2015-08-30" }, fault.IncompleteSignature, "ISO-8601"},
		{"two dates", func(r *Request) { r.Header["X-Amz-Date"] = append(r.Header["X-Amz-Date"], "x") }, fault.IncompleteSignature, "ISO-8601"},
		{"credential short", replace("/aws4_request", ""), fault.IncompleteSignature, "5 slash-delimited elements"},
		{"credential long", replace("AKIA", "AKIA/"), fault.IncompleteSignature, "5 slash-delimited elements"},
		{"access key empty", replace("AKIAIOSFODNN7EXAMPLE", ""), fault.IncompleteSignature, "element that is empty"},
		{"access key with a line end", replace("AKIA", "AKIA\n"), fault.IncompleteSignature, "element that is empty"},
		{"terminator", replace("aws4_request", "aws5_request"), fault.InvalidSignatureException, "valid terminator: 'aws4_request'"},
		{"signature short", replace(zeros, zeros[:63]), fault.IncompleteSignature, "64 hexadecimal digits"},
		{"signature not hex", replace(zeros, zeros[:63]+"g"), fault.IncompleteSignature, "64 hexadecimal digits"},
		{"host not signed", replace("host;", ""), fault.InvalidSignatureException, "'Host' or ':authority' must be a 'SignedHeader'"},
		{"target not signed", replace(";x-amz-target", ""), fault.InvalidSignatureException, "not signed: x-amz-target"},
		{"date not signed", replace(";x-amz-date", ""), fault.InvalidSignatureException, "not signed: x-amz-date"},
		{"unsorted", replace("content-type;host", "host;content-type"), fault.IncompleteSignature, "SignedHeaders"},
		{"upper case", replace("host;", "Host;"), fault.IncompleteSignature, "SignedHeaders"},
		{"invented header", func(r *Request) { r.Header["X-Amz-Via-Service"] = []string{"secretsmanager"} }, fault.InvalidSignatureException, "not signed: x-amz-via-service"},
		{"twice", func(r *Request) { r.Header["Authorization"] = append(r.Header["Authorization"], "x") }, fault.IncompleteSignature, "more than once"},
		{"header and query", func(r *Request) { r.Query = inQuery("").Query }, fault.IncompleteSignature, "more than once"},
		{"two tokens", func(r *Request) { r.Header["X-Amz-Security-Token"] = []string{"a", "b"} }, fault.IncompleteSignature, "several security tokens"},
		{"parameter twice", replace("Signature=", "Signature=0,Signature="), fault.IncompleteSignature, "twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := inHeader()
			c.change(r)
			_, err := Parse(r)
			f := fault.Of(err)
			if f == nil || f.Code != c.code || !strings.Contains(f.Message, c.text) {
				t.Errorf("got %v, want %s with %q", err, c.code, c.text)
			}
			if f != nil && strings.Contains(f.Message, "cGFzc3dvcmQ") {
				t.Error("echoes the header")
			}
		})
	}
	for _, extra := range []string{"&X-Amz-Expires=0", "&X-Amz-Expires=604801", "&X-Amz-Expires=1e3", "&X-Amz-Date=20150830T123601Z"} {
		if _, err := Parse(inQuery(extra)); !fault.Is(err, fault.IncompleteSignature) {
			t.Errorf("query with %s: %v", extra, err)
		}
	}
}

func TestTimeAndScope(t *testing.T) {
	s, err := Parse(inHeader())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		late time.Duration
		text string
	}{
		{0, ""}, {MaxSkew, ""}, {-MaxSkew, ""},
		{MaxSkew + time.Second, "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T124101Z - 5 min.)"},
		{-MaxSkew - time.Second, "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z (20150830T123059Z + 5 min.)"},
	} {
		err := s.CheckTime(exampleTime.Add(c.late))
		if (err == nil) != (c.text == "") || err != nil && fault.Of(err).Message != c.text {
			t.Errorf("%v late: %v, want %q", c.late, err, c.text)
		}
	}
	p, err := Parse(inQuery("&X-Amz-Expires=60"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.CheckTime(exampleTime.Add(60 * time.Second)); err != nil {
		t.Error(err)
	}
	if err := p.CheckTime(exampleTime.Add(61 * time.Second)); err == nil {
		t.Error("a presigned request outlives its seconds")
	}
	s.Date = "20150831"
	if err := s.CheckTime(exampleTime); err == nil || !strings.Contains(err.Error(), "'20150831' != '20150830'") {
		t.Errorf("day of the scope: %v", err)
	}
	if err := s.CheckScope("secretsmanager", "us-east-1"); err == nil || !strings.Contains(err.Error(), "correct service: 'secretsmanager'") {
		t.Errorf("service: %v", err)
	}
	if err := s.CheckScope("kms", "eu-west-1", "eu-west-2"); err == nil || !strings.Contains(err.Error(), "valid region, not 'us-east-1'") {
		t.Errorf("Region: %v", err)
	}
}

func TestSigner(t *testing.T) {
	for _, token := range []string{"", "token+/="} {
		signer := NewSigner(exampleAccessKey, exampleSecret, token, "us-east-1", "kms")
		for day := range 2 {
			now := exampleTime.AddDate(0, 0, day)
			r := &Request{Method: "POST", Path: "/", Host: "h:1", Header: header("X-Amz-Target", "TrentService.Decrypt", "Content-Type", "x", "User-Agent", "u")}
			signer.Sign(r, sha256.Sum256([]byte("{}")), now)
			if err := verify(r, exampleSecret, "{}"); err != nil {
				t.Errorf("token %q, day %d: %v", token, day, err)
			}
			s, err := Parse(r)
			if err != nil || s.CheckTime(now) != nil || s.Token != token || s.signs("user-agent") {
				t.Errorf("token %q: read %+v, %v", token, s, err)
			}
		}
	}
}

func TestKeysAreBoundedAndDropped(t *testing.T) {
	const size = 8
	keys := NewKeys[int](size)
	use := func(i int) Use {
		return Use{AccessKey: fmt.Sprint("AKIA", i), Scope: Scope{"20150830", "us-east-1", "kms"}}
	}
	for i := range 100 {
		keys.Put(use(i), Key{bytes: [32]byte{byte(i)}}, i)
		if n := keys.Len(); n > 2*size {
			t.Fatalf("%d entries", n)
		}
		if _, what, ok := keys.Get(use(0)); !ok || what != 0 { // in use all along, so never dropped
			t.Fatalf("after %d: the key in use is gone", i)
		}
	}
	if key, what, ok := keys.Get(use(99)); !ok || what != 99 || key.bytes[0] != 99 {
		t.Error("the newest key is gone")
	}
	if _, _, ok := keys.Get(use(1)); ok {
		t.Error("the oldest key is still there")
	}
	keys.Drop("AKIA99")
	if _, _, ok := keys.Get(use(99)); ok {
		t.Error("a dropped key is still there")
	}
	if s := fmt.Sprintf("%v %+v %x %s", Key{}, Key{}, Key{}, &Key{}); strings.Trim(s, "[secret] ") != "" {
		t.Errorf("a key prints as %s", s)
	}
}

func FuzzParse(f *testing.F) {
	r := inHeader()
	f.Add(r.Header["Authorization"][0], "20150830T123600Z", "", "/")
	f.Add("", "", inQuery("&X-Amz-Expires=60").Query, "/a/../b/%2e/")
	f.Add("AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request,SignedHeaders=,Signature=", "Mon, 02 Jan 2006 15:04:05 GMT", "%&=%zz&X-Amz-Algorithm", "//..//")
	f.Fuzz(func(t *testing.T, authorization, date, query, path string) {
		r := &Request{Method: "POST", Path: path, Query: query, Host: "h", Header: map[string][]string{"X-Amz-Date": {date}}}
		if authorization != "" {
			r.Header["Authorization"] = []string{authorization}
		}
		s, err := Parse(r)
		if err != nil {
			if f := fault.Of(err); f.Code == fault.InternalFailure {
				t.Errorf("not a fault: %v", err)
			}
			return
		}
		if !s.Presigned && !s.signs("x-amz-date") {
			t.Error("the date is not signed")
		}
		_ = s.CheckTime(exampleTime)
		key := DeriveKey([]byte(exampleSecret), s.Scope)
		if s.Verify(r, sha256.Sum256(nil), &key) == nil && authorization == "" {
			t.Error("a signature out of nothing")
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	r := inHeader()
	s, err := Parse(r)
	if err != nil {
		b.Fatal(err)
	}
	key, body := DeriveKey([]byte(exampleSecret), s.Scope), sha256.Sum256(nil)
	b.ReportAllocs()
	for b.Loop() {
		s, _ = Parse(r)
		_ = s.Verify(r, body, &key)
	}
}
