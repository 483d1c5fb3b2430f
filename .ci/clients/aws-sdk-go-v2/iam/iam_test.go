// Package iam runs the IAM client of aws-sdk-go-v2.
package iam

import (
	"encoding/json"
	"net/url"
	"reflect"
	"regexp"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"keytrail.test/clients/target"
)

func client(t testing.TB) *iam.Client { return iam.NewFromConfig(target.Config(t)) }

func user(t testing.TB) *types.User {
	t.Helper()
	out, err := client(t).CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String(target.Name("user"))})
	target.Must(t, err)
	return out.User
}

func group(t testing.TB) *types.Group {
	t.Helper()
	out, err := client(t).CreateGroup(t.Context(), &iam.CreateGroupInput{GroupName: aws.String(target.Name("group"))})
	target.Must(t, err)
	return out.Group
}

func role(t testing.TB) *types.Role {
	t.Helper()
	made := target.Role(t, "")
	return &made
}

func policy(t testing.TB, document string) *types.Policy {
	t.Helper()
	out, err := client(t).CreatePolicy(t.Context(), &iam.CreatePolicyInput{PolicyName: aws.String(target.Name("policy")), PolicyDocument: &document})
	target.Must(t, err)
	return out.Policy
}

// identifier wants an id as AWS makes them: a prefix that tells the kind, and more.
func identifier(t testing.TB, id *string, prefix string) {
	t.Helper()
	if !regexp.MustCompile(`^` + prefix + `[A-Z0-9]{16,17}$`).MatchString(aws.ToString(id)) {
		t.Errorf("id %q, want %s…", aws.ToString(id), prefix)
	}
}

func recent(t testing.TB, what string, at *time.Time) {
	t.Helper()
	if at == nil || time.Since(*at).Abs() > 5*time.Minute {
		t.Errorf("%s is %v, want now", what, at)
	}
}

// documents wants a policy document that came back to be the one that was sent. IAM
// answers with documents encoded as in a URL.
func documents(t testing.TB, got *string, want string) {
	t.Helper()
	plain, err := url.PathUnescape(aws.ToString(got))
	target.Must(t, err)
	if plain == aws.ToString(got) {
		t.Errorf("the document is not encoded: %s", plain)
	}
	var a, b any
	target.Must(t, json.Unmarshal([]byte(plain), &a))
	target.Must(t, json.Unmarshal([]byte(want), &b))
	if !reflect.DeepEqual(a, b) {
		t.Errorf("document %s, want %s", plain, want)
	}
}
