package iam

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"keytrail.test/clients/target"
)

func TestGroup(t *testing.T) {
	ctx, api, made := t.Context(), client(t), group(t)
	identifier(t, made.GroupId, "AGPA")
	recent(t, "CreateDate", made.CreateDate)
	_, err := api.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: made.GroupName})
	target.Refused[*types.EntityAlreadyExistsException](t, err)

	// What the group may, its users may, for as long as they are in it.
	member := target.User(t, "")
	_, err = api.PutGroupPolicy(ctx, &iam.PutGroupPolicyInput{GroupName: made.GroupName, PolicyName: aws.String("list"), PolicyDocument: aws.String(target.Allow("*", "kms:ListKeys"))})
	target.Must(t, err)
	keys := kms.NewFromConfig(member.Config)
	_, err = keys.ListKeys(ctx, &kms.ListKeysInput{})
	target.RefusedAs(t, err, "AccessDeniedException")
	_, err = api.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: made.GroupName, UserName: &member.Name})
	target.Must(t, err)
	_, err = keys.ListKeys(ctx, &kms.ListKeysInput{})
	target.Must(t, err)
	of, err := api.ListGroupsForUser(ctx, &iam.ListGroupsForUserInput{UserName: &member.Name})
	target.Must(t, err)
	if len(of.Groups) != 1 || *of.Groups[0].GroupId != *made.GroupId {
		t.Errorf("the user's groups: %+v", of.Groups)
	}
	_, err = api.DeleteGroup(ctx, &iam.DeleteGroupInput{GroupName: made.GroupName})
	target.Refused[*types.DeleteConflictException](t, err)
	_, err = api.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{GroupName: made.GroupName, UserName: &member.Name})
	target.Must(t, err)
	_, err = keys.ListKeys(ctx, &kms.ListKeysInput{})
	target.RefusedAs(t, err, "AccessDeniedException")

	got, err := api.GetGroupPolicy(ctx, &iam.GetGroupPolicyInput{GroupName: made.GroupName, PolicyName: aws.String("list")})
	target.Must(t, err)
	documents(t, got.PolicyDocument, target.Allow("*", "kms:ListKeys"))
	_, err = api.DeleteGroupPolicy(ctx, &iam.DeleteGroupPolicyInput{GroupName: made.GroupName, PolicyName: aws.String("list")})
	target.Must(t, err)
	_, err = api.DeleteGroup(ctx, &iam.DeleteGroupInput{GroupName: made.GroupName})
	target.Must(t, err)
	_, err = api.GetGroup(ctx, &iam.GetGroupInput{GroupName: made.GroupName})
	target.Refused[*types.NoSuchEntityException](t, err)
}

func TestMembers(t *testing.T) {
	ctx, api, made := t.Context(), client(t), group(t)
	var members []string
	for range 5 {
		u := user(t)
		_, err := api.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: made.GroupName, UserName: u.UserName})
		target.Must(t, err)
		members = append(members, *u.UserName)
	}
	all := target.Pages(t, iam.NewGetGroupPaginator(api, &iam.GetGroupInput{GroupName: made.GroupName, MaxItems: aws.Int32(2)}), 2, func(page *iam.GetGroupOutput) (all []string) {
		if *page.Group.GroupId != *made.GroupId {
			t.Errorf("a page of group %s", *page.Group.GroupId)
		}
		for _, u := range page.Users {
			all = append(all, *u.UserName)
		}
		return all
	})
	slices.Sort(all)
	slices.Sort(members)
	if !slices.Equal(all, members) {
		t.Errorf("members %v, want %v", all, members)
	}
}
