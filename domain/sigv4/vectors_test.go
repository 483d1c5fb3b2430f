package sigv4

import (
	"crypto/sha256"
	"strings"
	"testing"
	"time"
)

// The example credentials of AWS's documentation and of its published suite of
// signatures (aws-sig-v4-test-suite).
const (
	exampleAccessKey = "AKIDEXAMPLE"
	exampleSecret    = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

var exampleTime = time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)

func header(pairs ...string) map[string][]string {
	h := map[string][]string{}
	for i := 0; i < len(pairs); i += 2 {
		h[pairs[i]] = append(h[pairs[i]], pairs[i+1])
	}
	return h
}

const letters = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// vectors are requests of the published suite and the signatures it gives them.
var vectors = []struct {
	name, method, path, query string
	header                    map[string][]string
	body, signature           string
}{
	{"get-header-key-duplicate", "GET", "/", "", header("My-Header1", "value2", "My-Header1", "value2", "My-Header1", "value1"), "", "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
	{"get-header-value-multiline", "GET", "/", "", header("My-Header1", "value1,value2,value3"), "", "ba17b383a53190154eb5fa66a1b836cc297cc0a3d70a5d00705980573d8ff790"},
	{"get-header-value-order", "GET", "/", "", header("My-Header1", "value4", "My-Header1", "value1", "My-Header1", "value3", "My-Header1", "value2"), "", "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
	{"get-header-value-trim", "GET", "/", "", header("My-Header1", " value1", "My-Header2", ` "a   b   c"`), "", "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
	{"get-unreserved", "GET", "/" + letters, "", nil, "", "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
	{"get-utf8", "GET", "/ሴ", "", nil, "", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
	{"get-vanilla", "GET", "/", "", nil, "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
	{"get-slash", "GET", "//", "", nil, "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
	{"get-slash-dot-slash", "GET", "/./", "", nil, "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
	{"get-relative-relative", "GET", "/example1/example2/../..", "", nil, "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
	{"get-vanilla-empty-query-key", "GET", "/", "Param1=value1", nil, "", "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
	{"get-vanilla-query-order-key-case", "GET", "/", "Param2=value2&Param1=value1", nil, "", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
	{"get-vanilla-query-unreserved", "GET", "/", letters + "=" + letters, nil, "", "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
	{"get-vanilla-utf8-query", "GET", "/", "ሴ=bar", nil, "", "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
	{"get-vanilla-utf8-query, escaped", "GET", "/", "%e1%88%b4=bar", nil, "", "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
	{"post-header-key-sort", "POST", "/", "", header("My-Header1", "value1"), "", "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
	{"post-header-value-case", "POST", "/", "", header("My-Header1", "VALUE1"), "", "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"},
	{"post-vanilla", "POST", "/", "", nil, "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
	{"post-vanilla-query", "POST", "/", "Param1=value1", nil, "", "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"},
	{"post-vanilla-query-nonunreserved", "POST", "/", "@#$%^=&+=/,?><`\";:\\|][{}", nil, "", "66c82657c86e26fb25238d0e69f011edc4c6df5ae71119d7cb98ed9b87393c1e"},
	{"post-vanilla-query-space", "POST", "/", "p=", nil, "", "e71688addb58a26418614085fb730ba3faa623b461c17f48f2fbdb9361b94a9b"},
	{"post-x-www-form-urlencoded", "POST", "/", "", header("Content-Type", "application/x-www-form-urlencoded"), "Param1=value1", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
	{"post-x-www-form-urlencoded-parameters", "POST", "/", "", header("Content-Type", "application/x-www-form-urlencoded; charset=utf8"), "Param1=value1", "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe"},
}

// signedNames are the header names of h, with host, as SignedHeaders has them.
func signedNames(h map[string][]string) string {
	names := []string{"host"}
	for name := range h {
		if name != "Authorization" {
			names = append(names, strings.ToLower(name))
		}
	}
	return strings.Join(sorted(names), ";")
}

func TestPublishedVectors(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			h := map[string][]string{"X-Amz-Date": {"20150830T123600Z"}}
			for name, values := range v.header {
				h[name] = values
			}
			h["Authorization"] = []string{algorithm + " Credential=" + exampleAccessKey + "/20150830/us-east-1/service/aws4_request, SignedHeaders=" + signedNames(h) + ", Signature=" + v.signature}
			r := &Request{Method: v.method, Path: v.path, Query: v.query, Host: "example.amazonaws.com", Header: h}
			s, err := Parse(r)
			if err != nil {
				t.Fatal(err)
			}
			if s.AccessKey != exampleAccessKey || s.Token != "" || !s.Time.Equal(exampleTime) || s.Presigned {
				t.Errorf("read %+v", s)
			}
			if err := s.CheckTime(exampleTime); err != nil {
				t.Error(err)
			}
			if err := s.CheckScope("service", "us-east-1"); err != nil {
				t.Error(err)
			}
			key := DeriveKey([]byte(exampleSecret), s.Scope)
			if err := s.Verify(r, sha256.Sum256([]byte(v.body)), &key); err != nil {
				t.Errorf("%v; canonical request:\n%s", err, s.appendCanonical(nil, r, sha256.Sum256([]byte(v.body))))
			}
			if err := s.Verify(r, sha256.Sum256([]byte(v.body+"x")), &key); err == nil {
				t.Error("verifies with another body")
			}
			r.Method = "PUT"
			if err := s.Verify(r, sha256.Sum256([]byte(v.body)), &key); err == nil {
				t.Error("verifies with another method")
			}
		})
	}
}
