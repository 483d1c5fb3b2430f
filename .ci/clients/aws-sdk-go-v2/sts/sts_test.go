// Package sts runs the STS client of aws-sdk-go-v2, and the credential providers
// built on it.
package sts

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"keytrail.test/clients/target"
)

func client(t testing.TB) *sts.Client { return sts.NewFromConfig(target.Config(t)) }

// as is the configuration with the credentials of a session.
func as(t testing.TB, c *types.Credentials) aws.Config {
	t.Helper()
	if c == nil || !strings.HasPrefix(*c.AccessKeyId, "ASIA") || *c.SessionToken == "" {
		t.Fatalf("credentials %+v", c)
	}
	return target.With(target.Config(t), *c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
}

func TestAssumeRole(t *testing.T) {
	ctx, role, session := t.Context(), target.Role(t, target.Allow("*", "kms:ListKeys", "kms:ListAliases")), target.Name("session")
	out, err := client(t).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: role.Arn, RoleSessionName: &session, DurationSeconds: aws.Int32(900)})
	target.Must(t, err)
	if left := time.Until(*out.Credentials.Expiration); left < 14*time.Minute || left > 15*time.Minute+5*time.Second {
		t.Errorf("the session ends in %v, want 15 minutes", left)
	}
	arn := "arn:aws:sts::" + target.Account(t) + ":assumed-role/" + *role.RoleName + "/" + session
	if *out.AssumedRoleUser.Arn != arn || *out.AssumedRoleUser.AssumedRoleId != *role.RoleId+":"+session {
		t.Errorf("it is %s, %s", *out.AssumedRoleUser.Arn, *out.AssumedRoleUser.AssumedRoleId)
	}
	cfg := as(t, out.Credentials)
	who, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	target.Must(t, err)
	if *who.Arn != arn || *who.UserId != *role.RoleId+":"+session {
		t.Errorf("the caller is %s, %s", *who.Arn, *who.UserId)
	}
	keys := kms.NewFromConfig(cfg)
	_, err = keys.ListKeys(ctx, &kms.ListKeysInput{})
	target.Must(t, err)
	_, err = keys.CreateKey(ctx, &kms.CreateKeyInput{})
	if text := target.RefusedAs(t, err, "AccessDeniedException"); !strings.Contains(text, "User: "+arn+" is not authorized to perform: kms:CreateKey") {
		t.Error(text)
	}

	// The token is part of the credentials: without it, or with another's, they are nobody's.
	other, err := client(t).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: role.Arn, RoleSessionName: &session})
	target.Must(t, err)
	for _, token := range []string{"", *other.Credentials.SessionToken, *out.Credentials.SessionToken + "x"} {
		_, err = sts.NewFromConfig(target.With(cfg, *out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, token)).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		target.RefusedAs(t, err, "InvalidClientTokenId")
	}
}

func TestSessionPolicy(t *testing.T) {
	ctx, role := t.Context(), target.Role(t, target.Allow("*", "kms:ListKeys", "kms:ListAliases"))
	policy := target.Allow("*", "kms:ListAliases", "kms:CreateKey")
	out, err := client(t).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: role.Arn, RoleSessionName: aws.String("narrow"), Policy: &policy})
	target.Must(t, err)
	keys := kms.NewFromConfig(as(t, out.Credentials))
	_, err = keys.ListAliases(ctx, &kms.ListAliasesInput{})
	target.Must(t, err)
	_, err = keys.ListKeys(ctx, &kms.ListKeysInput{})
	if text := target.RefusedAs(t, err, "AccessDeniedException"); !strings.Contains(text, "no session policy allows the kms:ListKeys action") {
		t.Error(text)
	}
	_, err = keys.CreateKey(ctx, &kms.CreateKeyInput{})
	target.RefusedAs(t, err, "AccessDeniedException")

	_, err = client(t).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: role.Arn, RoleSessionName: aws.String("narrow"), Policy: aws.String(`{"Version":`)})
	target.Refused[*types.MalformedPolicyDocumentException](t, err)
}

func TestAssumeRoleRefused(t *testing.T) {
	ctx, role, nobody := t.Context(), target.Role(t, ""), target.User(t, "")
	_, err := sts.NewFromConfig(nobody.Config).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: role.Arn, RoleSessionName: aws.String("s1")})
	if text := target.RefusedAs(t, err, "AccessDenied"); text != "User: "+nobody.ARN+" is not authorized to perform: sts:AssumeRole on resource: "+*role.Arn {
		t.Error(text)
	}
	if code := target.Status(t, err); code != 403 {
		t.Errorf("status %d, want 403", code)
	}
	// A role that does not exist is refused in the same words as one that one may not assume.
	none := strings.Replace(*role.Arn, "role/", "role/no", 1)
	_, err = client(t).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &none, RoleSessionName: aws.String("s1")})
	if text := target.RefusedAs(t, err, "AccessDenied"); !strings.HasSuffix(text, "is not authorized to perform: sts:AssumeRole on resource: "+none) {
		t.Error(text)
	}
	for what, in := range map[string]*sts.AssumeRoleInput{
		"a space in the name of the session": {RoleArn: role.Arn, RoleSessionName: aws.String("a b")},
		"a name of one letter":               {RoleArn: role.Arn, RoleSessionName: aws.String("a")},
		"a minute":                           {RoleArn: role.Arn, RoleSessionName: aws.String("s1"), DurationSeconds: aws.Int32(60)},
		"longer than the role allows":        {RoleArn: role.Arn, RoleSessionName: aws.String("s1"), DurationSeconds: aws.Int32(7200)},
		"no ARN":                             {RoleArn: aws.String("arn:aws:iam::1:user/somebody"), RoleSessionName: aws.String("s1")},
	} {
		_, err := client(t).AssumeRole(ctx, in)
		if err == nil {
			t.Errorf("%s: not refused", what)
			continue
		}
		if text := target.RefusedAs(t, err, "ValidationError"); text == "" {
			t.Errorf("%s: a refusal without words", what)
		}
	}
}

// The provider that every program with a role_arn in its profile uses, and a role
// that asks for an external id.
func TestAssumeRoleProvider(t *testing.T) {
	ctx, api, name := t.Context(), iam.NewFromConfig(target.Config(t)), target.Name("external")
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + target.Account(t) +
		`:root"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"the-agreed:one"}}}]}`
	role, err := api.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
	target.Must(t, err)
	for _, id := range []string{"the-agreed:one", "another", ""} {
		cfg := target.Config(t)
		cfg.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(client(t), *role.Role.Arn, func(o *stscreds.AssumeRoleOptions) {
			if id != "" {
				o.ExternalID = &id
			}
		}))
		who, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if id == "the-agreed:one" {
			target.Must(t, err)
			if !strings.HasPrefix(*who.Arn, "arn:aws:sts::"+target.Account(t)+":assumed-role/"+name+"/") {
				t.Errorf("the caller is %s", *who.Arn)
			}
			continue
		}
		target.RefusedAs(t, err, "AccessDenied")
	}
}

// From one role into the next: an hour at most, the tags that are passed on come along.
func TestChain(t *testing.T) {
	ctx := t.Context()
	first := target.Role(t, target.Allow("*", "sts:AssumeRole", "sts:TagSession"))
	second := target.Role(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:ListKeys","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"red"}}}]}`)
	out, err := client(t).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: first.Arn, RoleSessionName: aws.String("one"), TransitiveTagKeys: []string{"team"},
		Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("red")}, {Key: aws.String("stays"), Value: aws.String("here")}}})
	target.Must(t, err)
	chained := sts.NewFromConfig(as(t, out.Credentials))
	_, err = chained.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: second.Arn, RoleSessionName: aws.String("two"), DurationSeconds: aws.Int32(3601)})
	target.RefusedAs(t, err, "ValidationError")
	next, err := chained.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: second.Arn, RoleSessionName: aws.String("two")})
	target.Must(t, err)
	_, err = kms.NewFromConfig(as(t, next.Credentials)).ListKeys(ctx, &kms.ListKeysInput{})
	target.Must(t, err)

	plain, err := client(t).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: second.Arn, RoleSessionName: aws.String("two")})
	target.Must(t, err)
	_, err = kms.NewFromConfig(as(t, plain.Credentials)).ListKeys(ctx, &kms.ListKeysInput{})
	target.RefusedAs(t, err, "AccessDeniedException")
}

func TestSessionToken(t *testing.T) {
	ctx, who := t.Context(), target.User(t, target.Allow("*", "kms:ListKeys", "iam:ListUsers"))
	out, err := sts.NewFromConfig(who.Config).GetSessionToken(ctx, &sts.GetSessionTokenInput{DurationSeconds: aws.Int32(900)})
	target.Must(t, err)
	cfg := as(t, out.Credentials)
	me, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	target.Must(t, err)
	if *me.Arn != who.ARN {
		t.Errorf("the session is %s, want %s", *me.Arn, who.ARN)
	}
	_, err = kms.NewFromConfig(cfg).ListKeys(ctx, &kms.ListKeysInput{})
	target.Must(t, err)
	// Without multi-factor authentication such a session calls nothing of IAM.
	_, err = iam.NewFromConfig(cfg).ListUsers(ctx, &iam.ListUsersInput{})
	if err == nil {
		t.Error("a session token without multi-factor authentication calls IAM")
	}
}

func TestAccessKeyInfo(t *testing.T) {
	out, err := client(t).GetAccessKeyInfo(t.Context(), &sts.GetAccessKeyInfoInput{AccessKeyId: aws.String(target.User(t, "").AccessKey)})
	target.Must(t, err)
	if *out.Account != target.Account(t) || !regexp.MustCompile(`^\d{12}$`).MatchString(*out.Account) {
		t.Errorf("account %s, want %s", *out.Account, target.Account(t))
	}
}

// A wrong secret, an unknown key, and a clock that is wrong: the codes SDKs and
// people know.
func TestNobody(t *testing.T) {
	ctx, who := t.Context(), target.User(t, "")
	for code, cfg := range map[string]aws.Config{
		"SignatureDoesNotMatch": target.With(who.Config, who.AccessKey, strings.Repeat("x", 40), ""),
		"InvalidClientTokenId":  target.With(who.Config, "AKIA"+strings.Repeat("Q", 16), who.SecretKey, ""),
	} {
		_, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		target.RefusedAs(t, err, code)
		if status := target.Status(t, err); status != 403 {
			t.Errorf("%s: status %d, want 403", code, status)
		}
	}
}

// Somebody who may do nothing still learns who they are.
func TestIdentityIsNeverDenied(t *testing.T) {
	who := target.User(t, target.Deny("*", "*"))
	out, err := sts.NewFromConfig(who.Config).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	target.Must(t, err)
	if *out.Arn != who.ARN || *out.Account != target.Account(t) {
		t.Errorf("the caller is %s", *out.Arn)
	}
}
