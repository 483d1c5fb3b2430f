package iam

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"keytrail.test/clients/target"
)

func TestPolicyVersions(t *testing.T) {
	ctx, api := t.Context(), client(t)
	first := target.Allow("*", "kms:Encrypt")
	made := policy(t, first)
	identifier(t, made.PolicyId, "ANPA")
	if *made.DefaultVersionId != "v1" || *made.AttachmentCount != 0 || !made.IsAttachable {
		t.Errorf("the policy is %+v", made)
	}
	_, err := api.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: made.PolicyName, PolicyDocument: &first})
	target.Refused[*types.EntityAlreadyExistsException](t, err)
	for _, bad := range []string{`not json`, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*"}]}`} {
		_, err = api.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String(target.Name("bad")), PolicyDocument: &bad})
		target.Refused[*types.MalformedPolicyDocumentException](t, err)
	}

	for n := range 4 {
		out, err := api.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: made.Arn, PolicyDocument: aws.String(target.Allow("*", "kms:Decrypt")), SetAsDefault: n == 3})
		target.Must(t, err)
		if want := "v" + string(rune('2'+n)); *out.PolicyVersion.VersionId != want || out.PolicyVersion.IsDefaultVersion != (n == 3) {
			t.Errorf("version %s, default %v; want %s", *out.PolicyVersion.VersionId, out.PolicyVersion.IsDefaultVersion, want)
		}
	}
	_, err = api.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: made.Arn, PolicyDocument: &first})
	target.Refused[*types.LimitExceededException](t, err)
	_, err = api.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: made.Arn, VersionId: aws.String("v5")})
	target.Refused[*types.DeleteConflictException](t, err)
	_, err = api.SetDefaultPolicyVersion(ctx, &iam.SetDefaultPolicyVersionInput{PolicyArn: made.Arn, VersionId: aws.String("v1")})
	target.Must(t, err)
	_, err = api.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: made.Arn, VersionId: aws.String("v5")})
	target.Must(t, err)
	got, err := api.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: made.Arn, VersionId: aws.String("v1")})
	target.Must(t, err)
	documents(t, got.PolicyVersion.Document, first)
	_, err = api.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: made.Arn, VersionId: aws.String("v5")})
	target.Refused[*types.NoSuchEntityException](t, err)
	versions := target.Pages(t, iam.NewListPolicyVersionsPaginator(api, &iam.ListPolicyVersionsInput{PolicyArn: made.Arn, MaxItems: aws.Int32(2)}), 2, func(page *iam.ListPolicyVersionsOutput) (all []string) {
		for _, v := range page.Versions {
			all = append(all, *v.VersionId)
		}
		return all
	})
	slices.Sort(versions)
	if !slices.Equal(versions, []string{"v1", "v2", "v3", "v4"}) {
		t.Errorf("versions %v", versions)
	}
}

func TestAttachments(t *testing.T) {
	ctx, api, made := t.Context(), client(t), policy(t, target.Allow("*", "kms:Encrypt"))
	u, g, r := user(t), group(t), role(t)
	_, err := api.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: u.UserName, PolicyArn: made.Arn})
	target.Must(t, err)
	_, err = api.AttachGroupPolicy(ctx, &iam.AttachGroupPolicyInput{GroupName: g.GroupName, PolicyArn: made.Arn})
	target.Must(t, err)
	_, err = api.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: r.RoleName, PolicyArn: made.Arn})
	target.Must(t, err)
	got, err := api.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: made.Arn})
	target.Must(t, err)
	if *got.Policy.AttachmentCount != 3 {
		t.Errorf("%d attachments, want 3", *got.Policy.AttachmentCount)
	}
	all := target.Pages(t, iam.NewListEntitiesForPolicyPaginator(api, &iam.ListEntitiesForPolicyInput{PolicyArn: made.Arn, MaxItems: aws.Int32(2)}), 2, func(page *iam.ListEntitiesForPolicyOutput) (all []string) {
		for _, e := range page.PolicyGroups {
			all = append(all, *e.GroupName)
		}
		for _, e := range page.PolicyRoles {
			all = append(all, *e.RoleName)
		}
		for _, e := range page.PolicyUsers {
			all = append(all, *e.UserName)
		}
		return all
	})
	if target.Holds(t, all, *u.UserName, *g.GroupName, *r.RoleName); len(all) != 3 {
		t.Errorf("entities %v", all)
	}
	_, err = api.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: made.Arn})
	target.Refused[*types.DeleteConflictException](t, err)
	_, err = api.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: u.UserName, PolicyArn: aws.String(*made.Arn + "x")})
	target.Refused[*types.NoSuchEntityException](t, err)
	_, err = api.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: u.UserName, PolicyArn: made.Arn})
	target.Must(t, err)
	_, err = api.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: u.UserName, PolicyArn: made.Arn})
	target.Refused[*types.NoSuchEntityException](t, err)
}

func TestListPolicies(t *testing.T) {
	ctx, api, path := t.Context(), client(t), "/"+target.Name("policies")+"/"
	var made []string
	for range 5 {
		out, err := api.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String(target.Name("p")), Path: &path, PolicyDocument: aws.String(target.Allow("*", "kms:ListKeys"))})
		target.Must(t, err)
		made = append(made, *out.Policy.Arn)
	}
	arns := func(page *iam.ListPoliciesOutput) (all []string) {
		for _, p := range page.Policies {
			all = append(all, *p.Arn)
		}
		return all
	}
	all := target.Pages(t, iam.NewListPoliciesPaginator(api, &iam.ListPoliciesInput{Scope: types.PolicyScopeTypeLocal, PathPrefix: &path, MaxItems: aws.Int32(2)}), 2, arns)
	if target.Holds(t, all, made...); len(all) != len(made) {
		t.Errorf("%d policies under the path, want %d", len(all), len(made))
	}
	own, err := api.ListPolicies(ctx, &iam.ListPoliciesInput{Scope: types.PolicyScopeTypeAws})
	target.Must(t, err)
	for _, arn := range arns(own) {
		if !strings.HasPrefix(arn, "arn:aws:iam::aws:policy/") {
			t.Errorf("%s is not AWS's", arn)
		}
	}
}

func TestPolicyExistsWaiter(t *testing.T) {
	waiter := iam.NewPolicyExistsWaiter(client(t), func(o *iam.PolicyExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 50*time.Millisecond, 50*time.Millisecond
	})
	target.Must(t, waiter.Wait(t.Context(), &iam.GetPolicyInput{PolicyArn: policy(t, target.Allow("*", "kms:ListKeys")).Arn}, 5*time.Second))
}

func TestSimulation(t *testing.T) {
	ctx, api := t.Context(), client(t)
	who := target.User(t, target.Allow("arn:aws:kms:*:*:key/*", "kms:Decrypt", "kms:Encrypt"))
	actions := []string{"kms:Decrypt", "kms:Encrypt", "kms:Sign", "secretsmanager:GetSecretValue"}
	decisions := map[string]types.PolicyEvaluationDecisionType{}
	target.Pages(t, iam.NewSimulatePrincipalPolicyPaginator(api, &iam.SimulatePrincipalPolicyInput{PolicySourceArn: &who.ARN, ActionNames: actions, MaxItems: aws.Int32(2),
		ResourceArns: []string{"arn:aws:kms:us-east-1:" + target.Account(t) + ":key/00000000-0000-4000-8000-000000000000"}}), 2, func(page *iam.SimulatePrincipalPolicyOutput) (all []string) {
		for _, r := range page.EvaluationResults {
			decisions[*r.EvalActionName] = r.EvalDecision
			all = append(all, *r.EvalActionName)
		}
		return all
	})
	for i, action := range actions {
		want := types.PolicyEvaluationDecisionTypeAllowed
		if i > 1 {
			want = types.PolicyEvaluationDecisionTypeImplicitDeny
		}
		if decisions[action] != want {
			t.Errorf("%s is %q, want %s", action, decisions[action], want)
		}
	}
	out, err := api.SimulateCustomPolicy(ctx, &iam.SimulateCustomPolicyInput{PolicyInputList: []string{target.Deny("*", "kms:Decrypt")}, ActionNames: []string{"kms:Decrypt", "kms:Encrypt"}})
	target.Must(t, err)
	for _, r := range out.EvaluationResults {
		want := types.PolicyEvaluationDecisionTypeExplicitDeny
		if *r.EvalActionName == "kms:Encrypt" {
			want = types.PolicyEvaluationDecisionTypeAllowed
		}
		if r.EvalDecision != want {
			t.Errorf("%s is %s, want %s", *r.EvalActionName, r.EvalDecision, want)
		}
	}
	_, err = api.SimulateCustomPolicy(ctx, &iam.SimulateCustomPolicyInput{PolicyInputList: []string{`{}`}, ActionNames: actions})
	target.Refused[*types.InvalidInputException](t, err)
}

func TestAccountAuthorizationDetails(t *testing.T) {
	u, r := user(t), role(t)
	seen := target.Pages(t, iam.NewGetAccountAuthorizationDetailsPaginator(client(t), &iam.GetAccountAuthorizationDetailsInput{
		Filter: []types.EntityType{types.EntityTypeUser, types.EntityTypeRole}, MaxItems: aws.Int32(3)}), 3, func(page *iam.GetAccountAuthorizationDetailsOutput) (all []string) {
		for _, d := range page.UserDetailList {
			all = append(all, *d.Arn)
		}
		for _, d := range page.RoleDetailList {
			all = append(all, *d.Arn)
		}
		if len(page.GroupDetailList)+len(page.Policies) > 0 {
			t.Error("the filter let others through")
		}
		return all
	})
	target.Holds(t, seen, *u.Arn, *r.Arn)
}
