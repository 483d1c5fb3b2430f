package iam

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"keytrail.test/clients/target"
)

func TestRole(t *testing.T) {
	ctx, api, name := t.Context(), client(t), target.Name("Role")
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + target.Account(t) + `:root"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"a/b c"}}}]}`
	made, err := api.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, Path: aws.String("/app/"), AssumeRolePolicyDocument: &trust, Description: aws.String("for a test"),
		MaxSessionDuration: aws.Int32(7200), Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}})
	target.Must(t, err)
	identifier(t, made.Role.RoleId, "AROA")
	recent(t, "CreateDate", made.Role.CreateDate)
	documents(t, made.Role.AssumeRolePolicyDocument, trust)
	got, err := api.GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
	target.Must(t, err)
	documents(t, got.Role.AssumeRolePolicyDocument, trust)
	if r := got.Role; *r.Arn != "arn:aws:iam::"+target.Account(t)+":role/app/"+name || *r.Description != "for a test" || *r.MaxSessionDuration != 7200 || len(r.Tags) != 1 {
		t.Errorf("the role is %+v", r)
	}
	_, err = api.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
	target.Refused[*types.EntityAlreadyExistsException](t, err)
	for _, bad := range []string{`{`, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole"}]}`, target.Allow("*", "sts:AssumeRole")} {
		_, err = api.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String(target.Name("r")), AssumeRolePolicyDocument: &bad})
		target.Refused[*types.MalformedPolicyDocumentException](t, err)
	}
	_, err = api.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String(target.Name("r")), AssumeRolePolicyDocument: &trust, MaxSessionDuration: aws.Int32(60)})
	target.RefusedAs(t, err, "ValidationError")

	open := strings.Replace(trust, "a/b c", "other", 1)
	_, err = api.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: &name, PolicyDocument: &open})
	target.Must(t, err)
	_, err = api.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: &name, Description: aws.String("changed"), MaxSessionDuration: aws.Int32(3600)})
	target.Must(t, err)
	got, err = api.GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
	target.Must(t, err)
	documents(t, got.Role.AssumeRolePolicyDocument, open)
	if *got.Role.Description != "changed" || *got.Role.MaxSessionDuration != 3600 {
		t.Errorf("after the update %+v", got.Role)
	}

	_, err = api.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("p"), PolicyDocument: aws.String(target.Allow("*", "kms:*"))})
	target.Must(t, err)
	_, err = api.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &name})
	target.Refused[*types.DeleteConflictException](t, err)
	_, err = api.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &name, PolicyName: aws.String("p")})
	target.Must(t, err)
	_, err = api.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &name})
	target.Must(t, err)
	_, err = api.GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
	target.Refused[*types.NoSuchEntityException](t, err)
}

func TestRoleExistsWaiter(t *testing.T) {
	waiter := iam.NewRoleExistsWaiter(client(t), func(o *iam.RoleExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 50*time.Millisecond, 50*time.Millisecond
	})
	out, err := waiter.WaitForOutput(t.Context(), &iam.GetRoleInput{RoleName: role(t).RoleName}, 5*time.Second)
	target.Must(t, err)
	identifier(t, out.Role.RoleId, "AROA")
	if err := waiter.Wait(t.Context(), &iam.GetRoleInput{RoleName: aws.String(target.Name("none"))}, 300*time.Millisecond); err == nil {
		t.Error("the waiter saw a role that does not exist")
	}
}

func TestRolePolicies(t *testing.T) {
	ctx, api, made := t.Context(), client(t), role(t)
	var inline, attached []string
	for _, n := range []string{"a", "b", "c"} {
		_, err := api.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: made.RoleName, PolicyName: &n, PolicyDocument: aws.String(target.Allow("*", "kms:Decrypt"))})
		target.Must(t, err)
		inline = append(inline, n)
		p := policy(t, target.Allow("*", "kms:Encrypt"))
		_, err = api.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: made.RoleName, PolicyArn: p.Arn})
		target.Must(t, err)
		attached = append(attached, *p.Arn)
	}
	names := target.Pages(t, iam.NewListRolePoliciesPaginator(api, &iam.ListRolePoliciesInput{RoleName: made.RoleName, MaxItems: aws.Int32(2)}), 2,
		func(page *iam.ListRolePoliciesOutput) []string { return page.PolicyNames })
	slices.Sort(names)
	if !slices.Equal(names, inline) {
		t.Errorf("inline policies %v", names)
	}
	arns := target.Pages(t, iam.NewListAttachedRolePoliciesPaginator(api, &iam.ListAttachedRolePoliciesInput{RoleName: made.RoleName, MaxItems: aws.Int32(2)}), 2,
		func(page *iam.ListAttachedRolePoliciesOutput) (all []string) {
			for _, p := range page.AttachedPolicies {
				all = append(all, *p.PolicyArn)
			}
			return all
		})
	slices.Sort(arns)
	slices.Sort(attached)
	if !slices.Equal(arns, attached) {
		t.Errorf("attached policies %v, want %v", arns, attached)
	}
	_, err := api.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: made.RoleName, PolicyName: aws.String("none")})
	target.Refused[*types.NoSuchEntityException](t, err)
	_, err = api.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: made.RoleName, PolicyArn: aws.String(strings.Replace(attached[0], "policy/", "policy/no", 1))})
	target.Refused[*types.NoSuchEntityException](t, err)
	_, err = api.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: made.RoleName, PolicyName: aws.String("bad"), PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Maybe","Action":"*","Resource":"*"}]}`)})
	if bad := target.Refused[*types.MalformedPolicyDocumentException](t, err); bad.ErrorMessage() == "" {
		t.Error("a refusal without words")
	}
}

func TestListRoles(t *testing.T) {
	ctx, api, path := t.Context(), client(t), "/"+target.Name("roles")+"/"
	trust := target.Role(t, "").AssumeRolePolicyDocument
	plain := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + target.Account(t) + `"},"Action":"sts:AssumeRole"}]}`
	if trust == nil {
		t.Fatal("a role without its trust policy")
	}
	var made []string
	for range 4 {
		out, err := api.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String(target.Name("r")), Path: &path, AssumeRolePolicyDocument: &plain})
		target.Must(t, err)
		made = append(made, *out.Role.RoleName)
	}
	all := target.Pages(t, iam.NewListRolesPaginator(api, &iam.ListRolesInput{PathPrefix: &path, MaxItems: aws.Int32(3)}), 3, func(page *iam.ListRolesOutput) (all []string) {
		for _, r := range page.Roles {
			if r.AssumeRolePolicyDocument == nil {
				t.Errorf("role %s in the list has no trust policy", *r.RoleName)
			}
			all = append(all, *r.RoleName)
		}
		return all
	})
	target.Holds(t, all, made...)
	if len(all) != len(made) {
		t.Errorf("%d roles under the path, want %d", len(all), len(made))
	}
}

func TestBoundaries(t *testing.T) {
	ctx, api, limit := t.Context(), client(t), policy(t, target.Allow("*", "iam:GetUser"))
	who := target.User(t, target.Allow("*", "iam:*"))
	as := iam.NewFromConfig(who.Config)
	_, err := as.ListUsers(ctx, &iam.ListUsersInput{MaxItems: aws.Int32(1)})
	target.Must(t, err)
	_, err = api.PutUserPermissionsBoundary(ctx, &iam.PutUserPermissionsBoundaryInput{UserName: &who.Name, PermissionsBoundary: limit.Arn})
	target.Must(t, err)
	_, err = as.ListUsers(ctx, &iam.ListUsersInput{MaxItems: aws.Int32(1)})
	if text := target.RefusedAs(t, err, "AccessDenied"); !strings.Contains(text, "no permissions boundary allows") {
		t.Error(text)
	}
	got, err := as.GetUser(ctx, &iam.GetUserInput{UserName: &who.Name})
	target.Must(t, err)
	if b := got.User.PermissionsBoundary; b == nil || *b.PermissionsBoundaryArn != *limit.Arn {
		t.Errorf("boundary %+v", b)
	}
	_, err = api.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: limit.Arn})
	target.Refused[*types.DeleteConflictException](t, err)
	_, err = api.DeleteUserPermissionsBoundary(ctx, &iam.DeleteUserPermissionsBoundaryInput{UserName: &who.Name})
	target.Must(t, err)
	_, err = as.ListUsers(ctx, &iam.ListUsersInput{MaxItems: aws.Int32(1)})
	target.Must(t, err)
	_, err = api.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: role(t).RoleName, PermissionsBoundary: aws.String("arn:aws:iam::" + target.Account(t) + ":policy/" + target.Name("none"))})
	var missing *types.NoSuchEntityException
	if !errors.As(err, &missing) {
		t.Errorf("a boundary that does not exist: %v", err)
	}
}
