// Package target is the server under test, as a client sees it: an endpoint and an
// administrator's credentials, both from the environment. It also makes what nearly
// every test begins with: callers other than the administrator, and random names.
package target

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// Config is what the SDK's default chain makes of the environment: the
// administrator, at the endpoint of the server.
func Config(t testing.TB) aws.Config {
	t.Helper()
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"} {
		if os.Getenv(name) == "" {
			t.Fatalf("%s is not set: source the admin.env of a server, or run .ci/clients/run", name)
		}
	}
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatalf("load the default configuration: %v", err)
	}
	return cfg
}

// Name is prefix and a random suffix, of letters that every service takes.
func Name(prefix string) string {
	var b [6]byte
	rand.Read(b[:])
	return prefix + "-" + hex.EncodeToString(b[:])
}

// Caller is somebody with credentials of their own.
type Caller struct {
	Name, ARN            string
	AccessKey, SecretKey string
	Config               aws.Config
}

// User makes a user with an access key and the policy, "" = no permissions.
func User(t testing.TB, policy string) Caller {
	t.Helper()
	ctx, api := t.Context(), iam.NewFromConfig(Config(t))
	c := Caller{Name: Name("user")}
	made, err := api.CreateUser(ctx, &iam.CreateUserInput{UserName: &c.Name})
	Must(t, err)
	c.ARN = aws.ToString(made.User.Arn)
	if policy != "" {
		_, err = api.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &c.Name, PolicyName: aws.String("test"), PolicyDocument: &policy})
		Must(t, err)
	}
	key, err := api.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &c.Name})
	Must(t, err)
	c.AccessKey, c.SecretKey = *key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey
	c.Config = With(Config(t), c.AccessKey, c.SecretKey, "")
	return c
}

// Role makes a role that the account's administrators may assume, with the policy,
// "" = no permissions.
func Role(t testing.TB, policy string) iamtypes.Role {
	t.Helper()
	ctx, api := t.Context(), iam.NewFromConfig(Config(t))
	name := Name("role")
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + Account(t) +
		`:root"},"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]}]}`
	made, err := api.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
	Must(t, err)
	if policy != "" {
		_, err = api.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("test"), PolicyDocument: &policy})
		Must(t, err)
	}
	return *made.Role
}

// With is the configuration with other credentials.
func With(cfg aws.Config, accessKey, secretKey, token string) aws.Config {
	cfg = cfg.Copy()
	cfg.Credentials = credentials.NewStaticCredentialsProvider(accessKey, secretKey, token)
	return cfg
}

// Account is the account of the administrator.
func Account(t testing.TB) string {
	t.Helper()
	who, err := sts.NewFromConfig(Config(t)).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	Must(t, err)
	return *who.Account
}

// Allow is a policy that allows the actions on the resource.
func Allow(resource string, actions ...string) string { return statement("Allow", resource, actions) }

// Deny is a policy that allows everything but the actions on the resource.
func Deny(resource string, actions ...string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},` +
		statement("Deny", resource, actions)[len(opening):]
}

const opening = `{"Version":"2012-10-17","Statement":[`

func statement(effect, resource string, actions []string) string {
	list := ""
	for i, a := range actions {
		if i > 0 {
			list += ","
		}
		list += `"` + a + `"`
	}
	return opening + `{"Effect":"` + effect + `","Action":[` + list + `],"Resource":"` + resource + `"}]}`
}

// Must ends the test on an error.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Supported ends the test on an error, and skips it if the error is that the server
// does not have the operation.
func Supported(t testing.TB, err error) {
	t.Helper()
	var refusal smithy.APIError
	if errors.As(err, &refusal) && refusal.ErrorCode() == "UnsupportedOperationException" {
		t.Skip(refusal.ErrorMessage())
	}
	Must(t, err)
}

// Refused returns the typed error that the SDK made of a refusal. Every refusal has
// the id of its request.
func Refused[E error](t testing.TB, err error) E {
	t.Helper()
	var refusal E
	if !errors.As(err, &refusal) {
		t.Fatalf("got %v, want a %T", err, refusal)
	}
	identified(t, err)
	return refusal
}

// RefusedAs returns the message of a refusal whose code the service's model does not
// list, so that the SDK has no type for it.
func RefusedAs(t testing.TB, err error, code string) string {
	t.Helper()
	var refusal smithy.APIError
	if !errors.As(err, &refusal) || refusal.ErrorCode() != code {
		t.Fatalf("got %v, want %s", err, code)
	}
	identified(t, err)
	return refusal.ErrorMessage()
}

func identified(t testing.TB, err error) {
	t.Helper()
	var response *awshttp.ResponseError
	if !errors.As(err, &response) || response.ServiceRequestID() == "" {
		t.Errorf("no request id came with %v", err)
	}
}

// Status is the HTTP status of a refusal.
func Status(t testing.TB, err error) int {
	t.Helper()
	var response *awshttp.ResponseError
	if !errors.As(err, &response) {
		t.Fatalf("got %v, want an answer of the server", err)
	}
	return response.HTTPStatusCode()
}

// Pager is a paginator of the SDK: Out is a page.
type Pager[Out, Options any] interface {
	HasMorePages() bool
	NextPage(context.Context, ...func(*Options)) (*Out, error)
}

// Pages goes through all pages and returns what items finds on them. No page may hold
// more than limit, and no item may come twice. At least two pages are wanted.
func Pages[Out, Options any](t testing.TB, p Pager[Out, Options], limit int, items func(*Out) []string) []string {
	t.Helper()
	var all []string
	seen := map[string]bool{}
	pages := 0
	for ; p.HasMorePages(); pages++ {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatalf("page %d: %v", pages+1, err)
		}
		found := items(page)
		if len(found) > limit {
			t.Errorf("page %d has %d items, asked for at most %d", pages+1, len(found), limit)
		}
		for _, item := range found {
			if seen[item] {
				t.Errorf("%s comes twice, again on page %d", item, pages+1)
			}
			seen[item] = true
		}
		all = append(all, found...)
		if pages > 10_000 {
			t.Fatal("pages without end")
		}
	}
	if pages < 2 {
		t.Errorf("%d page of %d items: the paginator had nothing to do", pages, len(all))
	}
	return all
}

// Holds wants every one of the items in all.
func Holds(t testing.TB, all []string, items ...string) {
	t.Helper()
	in := map[string]bool{}
	for _, item := range all {
		in[item] = true
	}
	for _, item := range items {
		if !in[item] {
			t.Errorf("%s is on none of the pages", item)
		}
	}
}
