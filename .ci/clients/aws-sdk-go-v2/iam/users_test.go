package iam

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"keytrail.test/clients/target"
)

func TestUser(t *testing.T) {
	ctx, api, name := t.Context(), client(t), target.Name("User")
	path := "/" + target.Name("team") + "/"
	made, err := api.CreateUser(ctx, &iam.CreateUserInput{UserName: &name, Path: &path, Tags: []types.Tag{{Key: aws.String("stage"), Value: aws.String("")}}})
	target.Must(t, err)
	if want := "arn:aws:iam::" + target.Account(t) + ":user" + path + name; *made.User.Arn != want {
		t.Errorf("ARN %s, want %s", *made.User.Arn, want)
	}
	identifier(t, made.User.UserId, "AIDA")
	recent(t, "CreateDate", made.User.CreateDate)

	// Names are unique whatever their case.
	for _, taken := range []string{name, strings.ToUpper(name)} {
		_, err = api.CreateUser(ctx, &iam.CreateUserInput{UserName: &taken})
		target.Refused[*types.EntityAlreadyExistsException](t, err)
		if status := target.Status(t, err); status != 409 {
			t.Errorf("status %d, want 409", status)
		}
	}
	_, err = api.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("with space")})
	target.RefusedAs(t, err, "ValidationError")

	got, err := api.GetUser(ctx, &iam.GetUserInput{UserName: &name})
	target.Must(t, err)
	if *got.User.UserId != *made.User.UserId || *got.User.Path != path || len(got.User.Tags) != 1 || *got.User.Tags[0].Key != "stage" {
		t.Errorf("the user is %+v", got.User)
	}
	// Without a name it is the caller.
	me, err := api.GetUser(ctx, &iam.GetUserInput{})
	target.Must(t, err)
	who, err := sts.NewFromConfig(target.Config(t)).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	target.Must(t, err)
	if *me.User.Arn != *who.Arn {
		t.Errorf("GetUser says %s, the caller is %s", *me.User.Arn, *who.Arn)
	}

	moved := target.Name("moved")
	_, err = api.UpdateUser(ctx, &iam.UpdateUserInput{UserName: &name, NewUserName: &moved, NewPath: aws.String("/")})
	target.Must(t, err)
	got, err = api.GetUser(ctx, &iam.GetUserInput{UserName: &moved})
	target.Must(t, err)
	if *got.User.UserId != *made.User.UserId || *got.User.Path != "/" {
		t.Errorf("after the move %+v", got.User)
	}
	_, err = api.GetUser(ctx, &iam.GetUserInput{UserName: &name})
	target.Refused[*types.NoSuchEntityException](t, err)
	if status := target.Status(t, err); status != 404 {
		t.Errorf("status %d, want 404", status)
	}

	// What still has something to it is not deleted.
	_, err = api.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &moved, PolicyName: aws.String("p"), PolicyDocument: aws.String(target.Allow("*", "kms:ListKeys"))})
	target.Must(t, err)
	_, err = api.DeleteUser(ctx, &iam.DeleteUserInput{UserName: &moved})
	target.Refused[*types.DeleteConflictException](t, err)
	_, err = api.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: &moved, PolicyName: aws.String("p")})
	target.Must(t, err)
	_, err = api.DeleteUser(ctx, &iam.DeleteUserInput{UserName: &moved})
	target.Must(t, err)
	_, err = api.DeleteUser(ctx, &iam.DeleteUserInput{UserName: &moved})
	target.Refused[*types.NoSuchEntityException](t, err)
}

func TestListUsers(t *testing.T) {
	ctx, api, path := t.Context(), client(t), "/"+target.Name("list")+"/"
	var made []string
	for range 5 {
		out, err := api.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String(target.Name("u")), Path: &path})
		target.Must(t, err)
		made = append(made, *out.User.Arn)
	}
	slices.Sort(made)
	names := func(page *iam.ListUsersOutput) (all []string) {
		for _, u := range page.Users {
			all = append(all, *u.Arn)
		}
		return all
	}
	under := target.Pages(t, iam.NewListUsersPaginator(api, &iam.ListUsersInput{PathPrefix: &path, MaxItems: aws.Int32(2)}), 2, names)
	slices.Sort(under)
	if !slices.Equal(under, made) {
		t.Errorf("under the path %v, want %v", under, made)
	}
	target.Holds(t, target.Pages(t, iam.NewListUsersPaginator(api, &iam.ListUsersInput{MaxItems: aws.Int32(3)}), 3, names), made...)

	_, err := api.ListUsers(ctx, &iam.ListUsersInput{Marker: aws.String("no marker!")})
	target.RefusedAs(t, err, "ValidationError")
}

func TestUserExistsWaiter(t *testing.T) {
	made := user(t)
	waiter := iam.NewUserExistsWaiter(client(t), func(o *iam.UserExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 50*time.Millisecond, 50*time.Millisecond
	})
	target.Must(t, waiter.Wait(t.Context(), &iam.GetUserInput{UserName: made.UserName}, 5*time.Second))
	if err := waiter.Wait(t.Context(), &iam.GetUserInput{UserName: aws.String(target.Name("nobody"))}, 300*time.Millisecond); err == nil {
		t.Error("the waiter saw a user who does not exist")
	}
}

func TestUserTags(t *testing.T) {
	ctx, api, made := t.Context(), client(t), user(t)
	var tags []types.Tag
	for _, k := range []string{"a", "b", "c", "Department"} {
		tags = append(tags, types.Tag{Key: aws.String(k), Value: aws.String("value of " + k)})
	}
	_, err := api.TagUser(ctx, &iam.TagUserInput{UserName: made.UserName, Tags: tags})
	target.Must(t, err)
	_, err = api.TagUser(ctx, &iam.TagUserInput{UserName: made.UserName, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("new")}}})
	target.Must(t, err)
	_, err = api.UntagUser(ctx, &iam.UntagUserInput{UserName: made.UserName, TagKeys: []string{"b", "not there"}})
	target.Must(t, err)
	all := target.Pages(t, iam.NewListUserTagsPaginator(api, &iam.ListUserTagsInput{UserName: made.UserName, MaxItems: aws.Int32(2)}), 2, func(page *iam.ListUserTagsOutput) (all []string) {
		for _, tag := range page.Tags {
			all = append(all, *tag.Key+"="+*tag.Value)
		}
		return all
	})
	slices.Sort(all)
	if want := []string{"Department=value of Department", "a=new", "c=value of c"}; !slices.Equal(all, want) {
		t.Errorf("tags %v, want %v", all, want)
	}
	_, err = api.TagUser(ctx, &iam.TagUserInput{UserName: made.UserName, Tags: []types.Tag{{Key: aws.String("aws:mine"), Value: aws.String("x")}}})
	if err == nil {
		t.Error("a tag of AWS's own was taken")
	}
}

func TestAccessKeys(t *testing.T) {
	ctx, api, made := t.Context(), client(t), user(t)
	first, err := api.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: made.UserName})
	target.Must(t, err)
	identifier(t, first.AccessKey.AccessKeyId, "AKIA")
	if len(*first.AccessKey.SecretAccessKey) != 40 || first.AccessKey.Status != types.StatusTypeActive {
		t.Errorf("the key has a secret of %d characters and is %s", len(*first.AccessKey.SecretAccessKey), first.AccessKey.Status)
	}
	_, err = api.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: made.UserName})
	target.Must(t, err)
	_, err = api.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: made.UserName})
	target.Refused[*types.LimitExceededException](t, err)
	keys := target.Pages(t, iam.NewListAccessKeysPaginator(api, &iam.ListAccessKeysInput{UserName: made.UserName, MaxItems: aws.Int32(1)}), 1, func(page *iam.ListAccessKeysOutput) (all []string) {
		for _, k := range page.AccessKeyMetadata {
			all = append(all, *k.AccessKeyId)
		}
		return all
	})
	target.Holds(t, keys, *first.AccessKey.AccessKeyId)

	// Who they are, and that an inactive key is nobody's, at once.
	as := sts.NewFromConfig(target.With(target.Config(t), *first.AccessKey.AccessKeyId, *first.AccessKey.SecretAccessKey, ""))
	who, err := as.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	target.Must(t, err)
	if *who.Arn != *made.Arn || *who.UserId != *made.UserId {
		t.Errorf("the key is that of %s %s", *who.Arn, *who.UserId)
	}
	for _, status := range []types.StatusType{types.StatusTypeInactive, types.StatusTypeActive} {
		_, err = api.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: made.UserName, AccessKeyId: first.AccessKey.AccessKeyId, Status: status})
		target.Must(t, err)
		_, err = as.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if status == types.StatusTypeActive {
			target.Must(t, err)
			continue
		}
		target.RefusedAs(t, err, "InvalidClientTokenId")
		if code := target.Status(t, err); code != 403 {
			t.Errorf("status %d, want 403", code)
		}
	}
	_, err = api.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: made.UserName, AccessKeyId: first.AccessKey.AccessKeyId})
	target.Must(t, err)
	_, err = as.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	target.RefusedAs(t, err, "InvalidClientTokenId")
	_, err = api.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: made.UserName, AccessKeyId: first.AccessKey.AccessKeyId})
	target.Refused[*types.NoSuchEntityException](t, err)
}

// Who may do nothing is told so as IAM tells it: AccessDenied, which the SDK has no
// type for.
func TestUserWithoutPermissions(t *testing.T) {
	nobody := target.User(t, "")
	_, err := iam.NewFromConfig(nobody.Config).CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String(target.Name("x"))})
	if text := target.RefusedAs(t, err, "AccessDenied"); !strings.Contains(text, nobody.ARN+" is not authorized to perform: iam:CreateUser on resource: arn:aws:iam::") {
		t.Error(text)
	}
	if code := target.Status(t, err); code != 403 {
		t.Errorf("status %d, want 403", code)
	}
}
