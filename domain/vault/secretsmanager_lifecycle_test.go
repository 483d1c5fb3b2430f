package vault_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keytrail/keytrail/domain/fault"
	"github.com/keytrail/keytrail/domain/secret"
	"github.com/keytrail/keytrail/domain/vault"
	"github.com/keytrail/keytrail/domain/vault/vaulttest"
)

func sortedTexts(s []string) []string { slices.Sort(s); return s }

// labels maps each label of a secret to the number of the version that has it: what
// versionToken(n) made.
func labels(c *vaulttest.Caller, id string) map[string]int {
	out := map[string]int{}
	for version, stages := range sm(c, "DescribeSecret", m{"SecretId": id}).OK()["VersionIdsToStages"].(m) {
		var n int
		fmt.Sscanf(version[strings.LastIndexByte(version, '-')+1:], "%d", &n)
		for _, stage := range stages.([]any) {
			out[stage.(string)] = n
		}
	}
	return out
}

func wantLabels(t *testing.T, c *vaulttest.Caller, id string, want map[string]int) {
	t.Helper()
	if got := labels(c, id); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("labels %v, want %v", got, want)
	}
}

func TestStagingLabels(t *testing.T) {
	_, admin := vaultWithAdmin(t)
	sm(admin, "CreateSecret", m{"Name": "s", "SecretString": "1", "ClientRequestToken": versionToken(1)}).OK()
	put := func(n int, stages ...string) *vaulttest.Outcome {
		in := m{"SecretId": "s", "SecretString": fmt.Sprint(n), "ClientRequestToken": versionToken(n)}
		if stages != nil {
			in["VersionStages"] = stages
		}
		return sm(admin, "PutSecretValue", in)
	}
	move := func(stage string, from, to int) *vaulttest.Outcome {
		in := m{"SecretId": "s", "VersionStage": stage}
		if from != 0 {
			in["RemoveFromVersionId"] = versionToken(from)
		}
		if to != 0 {
			in["MoveToVersionId"] = versionToken(to)
		}
		return sm(admin, "UpdateSecretVersionStage", in)
	}
	put(2).OK()
	wantLabels(t, admin, "s", map[string]int{"AWSCURRENT": 2, "AWSPREVIOUS": 1})
	put(3, "AWSPENDING").OK()
	wantLabels(t, admin, "s", map[string]int{"AWSCURRENT": 2, "AWSPREVIOUS": 1, "AWSPENDING": 3})
	put(4, "AWSPENDING", "AWSCURRENT", "blue").OK()
	wantLabels(t, admin, "s", map[string]int{"AWSCURRENT": 4, "AWSPREVIOUS": 2, "AWSPENDING": 4, "blue": 4})

	// Back to the version before: the labels change places.
	move("AWSCURRENT", 4, 2).OK()
	wantLabels(t, admin, "s", map[string]int{"AWSCURRENT": 2, "AWSPREVIOUS": 4, "AWSPENDING": 4, "blue": 4})
	move("AWSCURRENT", 0, 1).Fails(fault.InvalidParameterException, "you must explicitly reference that version in RemoveFromVersionId")
	move("AWSCURRENT", 2, 0).Fails(fault.InvalidParameterException, "AWSCURRENT")
	move("AWSCURRENT", 4, 1).Fails(fault.InvalidParameterException, "isn't currently attached to version")
	move("blue", 4, 9).Fails(fault.ResourceNotFoundException, versionToken(9))
	move("blue", 0, 0).Fails(fault.InvalidParameterException, "MoveToVersionId")
	move("blue", 4, 4).OK()
	move("blue", 4, 0).OK()
	move("green", 0, 1).OK()
	move("AWSPENDING", 4, 0).OK()
	wantLabels(t, admin, "s", map[string]int{"AWSCURRENT": 2, "AWSPREVIOUS": 4, "green": 1})
	move("AWSPENDING", 0, 4).OK()
	move("AWSPENDING", 4, 0).OK()

	// A version without a label is hidden, and still readable by its id.
	versions := func(in m) int {
		in["SecretId"] = "s"
		return len(sm(admin, "ListSecretVersionIds", in).OK()["Versions"].([]any))
	}
	if shown, all := versions(m{}), versions(m{"IncludeDeprecated": true}); shown != 3 || all != 4 {
		t.Errorf("%d of %d versions shown", shown, all)
	}
	if got := sm(admin, "GetSecretValue", m{"SecretId": "s", "VersionId": versionToken(3)}).OK()["SecretString"]; got != "3" {
		t.Errorf("read %v", got)
	}
	// Pages.
	var seen []string
	in := m{"SecretId": "s", "IncludeDeprecated": true, "MaxResults": 3}
	for {
		out := sm(admin, "ListSecretVersionIds", in).OK()
		for _, v := range out["Versions"].([]any) {
			seen = append(seen, v.(m)["VersionId"].(string))
		}
		if out["NextToken"] == nil {
			break
		}
		in["NextToken"] = out["NextToken"]
	}
	if !slices.Equal(seen, []string{versionToken(1), versionToken(2), versionToken(3), versionToken(4)}) {
		t.Errorf("pages gave %v", seen)
	}
}

// A finished rotation leaves AWSPENDING beside AWSCURRENT. The next value takes it off;
// a rotation under way keeps it.
func TestPendingLabelOfAFinishedRotation(t *testing.T) {
	for _, operation := range []string{"PutSecretValue", "UpdateSecret"} {
		t.Run(operation, func(t *testing.T) {
			_, admin := vaultWithAdmin(t)
			write := func(n int, operation string, in m) *vaulttest.Outcome {
				in["SecretId"], in["SecretString"], in["ClientRequestToken"] = "s", fmt.Sprint(n), versionToken(n)
				return sm(admin, operation, in)
			}
			sm(admin, "CreateSecret", m{"Name": "s", "SecretString": "1", "ClientRequestToken": versionToken(1)}).OK()
			write(2, "PutSecretValue", m{"VersionStages": []string{"AWSPENDING", "mine"}}).OK()
			write(3, operation, m{}).OK()
			wantLabels(t, admin, "s", map[string]int{"AWSCURRENT": 3, "AWSPREVIOUS": 1, "AWSPENDING": 2, "mine": 2})
			sm(admin, "UpdateSecretVersionStage", m{"SecretId": "s", "VersionStage": "AWSCURRENT", "RemoveFromVersionId": versionToken(3), "MoveToVersionId": versionToken(2)}).OK()
			wantLabels(t, admin, "s", map[string]int{"AWSCURRENT": 2, "AWSPREVIOUS": 3, "AWSPENDING": 2, "mine": 2})
			write(4, operation, m{}).OK()
			wantLabels(t, admin, "s", map[string]int{"AWSCURRENT": 4, "AWSPREVIOUS": 2, "mine": 2})
		})
	}
}

func TestLabelLimit(t *testing.T) {
	_, admin := vaultWithAdmin(t)
	newSecret(admin, "s", "x", "")
	stages := make([]string, secret.MaxStages)
	for i := range stages {
		stages[i] = fmt.Sprint("label", i)
	}
	put := func(stages []string) *vaulttest.Outcome {
		return sm(admin, "PutSecretValue", m{"SecretId": "s", "SecretString": "y", "VersionStages": stages})
	}
	put(stages).Fails(fault.LimitExceededException, "20 staging labels")
	put(stages[1:]).OK()
	put(nil).Fails(fault.LimitExceededException, "20 staging labels") // AWSPREVIOUS would be the 21st
	put(stages[1:2]).OK()
}

// Past a hundred versions those without a label go, once they are a day old, and
// their data keys with them.
func TestVersionsArePurged(t *testing.T) {
	v, admin := vaultWithAdmin(t)
	sm(admin, "CreateSecret", m{"Name": "s", "SecretString": "1", "ClientRequestToken": versionToken(1)}).OK()
	s, _ := v.State.Secrets.Find(vaulttest.Account, "s")
	put := func(n int) *vaulttest.Outcome {
		return sm(admin, "PutSecretValue", m{"SecretId": "s", "SecretString": fmt.Sprint(n), "ClientRequestToken": versionToken(n)})
	}
	for n := 2; n <= secret.MaxVersions; n++ {
		put(n).OK()
	}
	put(secret.MaxVersions+1).Fails(fault.LimitExceededException, "versions")
	_, other := newKey(admin, nil)
	update := sm(admin, "UpdateSecret", m{"SecretId": "s", "SecretString": "x", "KmsKeyId": other})
	update.Fails(fault.LimitExceededException, "versions")
	if len(update.Decision.Seals) > 0 {
		t.Errorf("a refused call left %d keyring entries", len(update.Decision.Seals))
	}
	rings := slices.Collect(v.State.Secrets.RingIDs())
	v.Wait(25 * time.Hour)
	o := put(1000)
	o.OK()
	purged := secret.MaxVersions + 1 - secret.KeptVersions
	if got := len(s.Versions()); got != secret.KeptVersions || len(o.Decision.Erase) != purged {
		t.Errorf("%d versions are left and %d keyring entries erased", got, len(o.Decision.Erase))
	}
	gone := 0
	for _, ring := range rings {
		if !v.Ring.Has(ring) {
			gone++
		}
	}
	if gone != purged {
		t.Errorf("%d data keys are gone from the keyring, want %d", gone, purged)
	}
	sm(admin, "GetSecretValue", m{"SecretId": "s", "VersionId": versionToken(1)}).Fails(fault.ResourceNotFoundException, versionToken(1))
	if got := sm(admin, "GetSecretValue", m{"SecretId": "s", "VersionStage": "AWSPREVIOUS"}).OK()["VersionId"]; got != versionToken(secret.MaxVersions) {
		t.Errorf("AWSPREVIOUS is %v", got)
	}
	v.Rebuild()
	sm(admin, "GetSecretValue", m{"SecretId": "s"}).OK()
}

const marked = "You can't perform this operation on the secret because it was marked for deletion."

func TestDeleteWithRecoveryWindow(t *testing.T) {
	v, admin := vaultWithAdmin(t)
	arn, version := newSecret(admin, "s", "x", "")
	for _, window := range []int{6, 31, 0, -1} {
		sm(admin, "DeleteSecret", m{"SecretId": "s", "RecoveryWindowInDays": window}).Fails(fault.InvalidParameterException, "between 7 and 30 days")
	}
	sm(admin, "DeleteSecret", m{"SecretId": "missing", "RecoveryWindowInDays": 6, "ForceDeleteWithoutRecovery": true}).Fails(fault.InvalidParameterException, "between 7 and 30 days")
	sm(admin, "DeleteSecret", m{"SecretId": "s", "RecoveryWindowInDays": 7, "ForceDeleteWithoutRecovery": true}).Fails(fault.InvalidParameterException, "ForceDeleteWithoutRecovery")
	out := sm(admin, "DeleteSecret", m{"SecretId": "s"}).OK()
	if got := time.UnixMilli(int64(out["DeletionDate"].(float64) * 1000)); !got.Equal(v.Env.Now.AddDate(0, 0, 30).Truncate(time.Millisecond)) {
		t.Errorf("to be deleted %v", got)
	}
	sm(admin, "DeleteSecret", m{"SecretId": "s"}).Fails(fault.InvalidRequestException, "already scheduled for deletion")
	sm(admin, "CreateSecret", m{"Name": "s"}).Fails(fault.InvalidRequestException, "You can't create this secret because a secret with this name is already scheduled for deletion.")
	for operation, in := range map[string]m{
		"GetSecretValue": {}, "PutSecretValue": {"SecretString": "y"}, "UpdateSecret": {"Description": "d"}, "GetResourcePolicy": {},
		"PutResourcePolicy": {"ResourcePolicy": secretPolicy(admin.ARN)}, "DeleteResourcePolicy": {}, "TagResource": {"Tags": []m{}}, "UntagResource": {"TagKeys": []string{}},
		"UpdateSecretVersionStage": {"VersionStage": "a", "MoveToVersionId": version},
	} {
		in["SecretId"] = "s"
		sm(admin, operation, in).Fails(fault.InvalidRequestException, marked)
	}
	if got := sm(admin, "DescribeSecret", m{"SecretId": "s"}).OK(); got["DeletedDate"] == nil {
		t.Errorf("described as %v", got)
	}
	shown := func(all bool) int {
		return len(sm(admin, "ListSecrets", m{"IncludePlannedDeletion": all}).OK()["SecretList"].([]any))
	}
	if shown(false) != 0 || shown(true) != 1 {
		t.Error("a secret that is marked for deletion is listed on request only")
	}
	sm(admin, "RestoreSecret", m{"SecretId": "s"}).OK()
	sm(admin, "GetSecretValue", m{"SecretId": "s"}).OK()
	if got := sm(admin, "DescribeSecret", m{"SecretId": "s"}).OK(); got["DeletedDate"] != nil {
		t.Errorf("restored and described as %v", got)
	}

	// The end of the window, before and after the timer has run.
	sm(admin, "DeleteSecret", m{"SecretId": arn, "RecoveryWindowInDays": 7}).OK()
	rings := slices.Collect(v.State.Secrets.RingIDs())
	end := vault.Request{Service: "secretsmanager", Operation: "EndSecretVersionDelete", Body: []byte(fmt.Sprintf(`{"SecretId":%q}`, arn))}
	v.Wait(7*24*time.Hour - time.Second)
	v.Tick([]vault.Request{end})[0].Fails(fault.InvalidRequestException, "not ended")
	sm(admin, "EndSecretVersionDelete", m{"SecretId": arn}).Fails(fault.UnknownOperationException, "")
	v.Wait(time.Second)
	for _, operation := range []string{"DescribeSecret", "RestoreSecret", "GetSecretValue"} {
		sm(admin, operation, m{"SecretId": "s"}).Fails(fault.ResourceNotFoundException, "Secrets Manager can't find the specified secret.")
	}
	if shown(true) != 0 {
		t.Error("a secret whose window has ended is listed")
	}
	// The name is free before the timer ran; whoever takes it ends the old secret.
	o := sm(admin, "CreateSecret", m{"Name": "s", "SecretString": "new"})
	if o.OK()["ARN"] == arn || !slices.Equal(o.Decision.Erase, rings) || v.Ring.Has(rings[0]) {
		t.Errorf("made %v, erased %v", o.OK()["ARN"], o.Decision.Erase)
	}
	v.Tick([]vault.Request{end})[0].Fails(fault.ResourceNotFoundException, "")
	v.Rebuild()
	if got := sm(admin, "GetSecretValue", m{"SecretId": "s"}).OK()["SecretString"]; got != "new" {
		t.Errorf("read %v", got)
	}
}

func TestTimerEndsTheSecret(t *testing.T) {
	v, admin := vaultWithAdmin(t)
	newSecret(admin, "s", "x", "")
	sm(admin, "DeleteSecret", m{"SecretId": "s", "RecoveryWindowInDays": 7}).OK()
	rings := slices.Collect(v.State.Secrets.RingIDs())
	if due := vault.Due(v.State, v.Env.Now); len(due) != 0 {
		t.Errorf("due at once: %v", due)
	}
	v.Days(7)
	due := vault.Due(v.State, v.Env.Now)
	if len(due) != 1 {
		t.Fatalf("due: %v", due)
	}
	o := v.Tick(due)[0]
	o.OK()
	tells(t, o, "secretsmanager:EndSecretVersionDelete ok")
	if o.Record().Who.Type != "AWSService" || !slices.Equal(o.Decision.Erase, rings) || v.State.Secrets.Len() != 0 {
		t.Errorf("%+v", o.Record())
	}
	if due := vault.Due(v.State, v.Env.Now); len(due) != 0 {
		t.Errorf("still due: %v", due)
	}
}

func TestForceDelete(t *testing.T) {
	v, admin := vaultWithAdmin(t)
	arn, _ := newSecret(admin, "s", "x", "")
	sm(admin, "PutSecretValue", m{"SecretId": "s", "SecretString": "y"}).OK()
	rings := slices.Collect(v.State.Secrets.RingIDs())
	sm(admin, "DeleteSecret", m{"SecretId": "s"}).OK()
	o := sm(admin, "DeleteSecret", m{"SecretId": "s", "ForceDeleteWithoutRecovery": true})
	o.OK()
	for _, ring := range rings {
		if v.Ring.Has(ring) {
			t.Errorf("%s is still in the keyring", ring)
		}
	}
	if len(rings) != 2 {
		t.Errorf("%d data keys for two versions", len(rings))
	}
	// What does not exist is deleted already; who may not delete is not told.
	sm(admin, "DeleteSecret", m{"SecretId": "s", "ForceDeleteWithoutRecovery": true}).OK()
	sm(v.User("nobody"), "DeleteSecret", m{"SecretId": "s", "ForceDeleteWithoutRecovery": true}).Fails(fault.AccessDeniedException, "DeleteSecret")
	// A policy on the old ARN does not open a secret that takes the name.
	reader := v.User("reader", policyOn("secretsmanager:GetSecretValue", arn))
	newSecret(admin, "s", "z", "")
	sm(reader, "GetSecretValue", m{"SecretId": "s"}).Fails(fault.AccessDeniedException, "GetSecretValue")
}

func TestSecretTags(t *testing.T) {
	_, admin := vaultWithAdmin(t)
	newSecret(admin, "s", "x", "")
	sm(admin, "TagResource", m{"SecretId": "s", "Tags": []m{{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}}}).OK()
	sm(admin, "TagResource", m{"SecretId": "s", "Tags": []m{{"Key": "a", "Value": "3"}}}).OK()
	sm(admin, "UntagResource", m{"SecretId": "s", "TagKeys": []string{"b", "c"}}).OK()
	if got := fmt.Sprint(sm(admin, "DescribeSecret", m{"SecretId": "s"}).OK()["Tags"]); got != "[map[Key:a Value:3]]" {
		t.Errorf("tags %s", got)
	}
	many := make([]m, secret.MaxTags)
	for i := range many {
		many[i] = m{"Key": fmt.Sprint(i), "Value": ""}
	}
	sm(admin, "TagResource", m{"SecretId": "s", "Tags": many}).Fails(fault.InvalidParameterException, "50 tags")
	sm(admin, "TagResource", m{"SecretId": "s", "Tags": []m{{"Key": "AWS:x", "Value": ""}}}).Fails(fault.InvalidParameterException, "aws:")
	sm(admin, "UntagResource", m{"SecretId": "s", "TagKeys": []string{"a"}}).OK()
	if got, ok := sm(admin, "DescribeSecret", m{"SecretId": "s"}).OK()["Tags"].([]any); !ok || len(got) != 0 {
		t.Errorf("tags %v, not an empty list", got)
	}
}

func TestResourcePolicies(t *testing.T) {
	v, admin := vaultWithAdmin(t)
	newSecret(admin, "s", "x", "")
	reader := v.User("reader")
	sm(reader, "GetSecretValue", m{"SecretId": "s"}).Fails(fault.AccessDeniedException, "GetSecretValue")
	o := sm(admin, "PutResourcePolicy", m{"SecretId": "s", "ResourcePolicy": secretPolicy(reader.ARN), "BlockPublicPolicy": true})
	o.OK()
	if !strings.Contains(string(o.Record().Params), "resourcePolicy") {
		t.Errorf("params %s", o.Record().Params)
	}
	read := sm(reader, "GetSecretValue", m{"SecretId": "s"})
	read.OK()
	if got := read.Record().Decision.Checks[0].By; !slices.Equal(got, []string{"secret-policy#0"}) {
		t.Errorf("allowed by %v", got)
	}
	got := sm(admin, "GetResourcePolicy", m{"SecretId": "s"})
	if got.OK()["ResourcePolicy"] != secretPolicy(reader.ARN) || strings.Contains(got.Line(), "Principal") {
		t.Errorf("%v recorded as %s", got.OK(), got.Line())
	}
	public := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"secretsmanager:*","Resource":"*"}}`
	put := func(policy string, block bool) *vaulttest.Outcome {
		return sm(admin, "PutResourcePolicy", m{"SecretId": "s", "ResourcePolicy": policy, "BlockPublicPolicy": block})
	}
	put(public, true).Fails(fault.PublicPolicyException, "")
	put("{", false).Fails(fault.MalformedPolicyDocumentException, "This resource policy contains a syntax error.")
	put(strings.Replace(public, `"Allow"`, `"Some"`, 1), false).Fails(fault.MalformedPolicyDocumentException, "This resource policy contains a syntax error.")
	put(secretPolicy("arn:aws:iam::111122223333:user/unknown"), false).Fails(fault.MalformedPolicyDocumentException, "This resource policy contains an unsupported principal.")
	put(strings.Replace(public, "secretsmanager:*", strings.Repeat("x", secret.MaxPolicyLength), 1), false).Fails(fault.ValidationException, "resourcePolicy")
	put(public, false).OK()
	sm(admin, "DeleteResourcePolicy", m{"SecretId": "s"}).OK()
	shut := strings.Replace(public, `"Allow"`, `"Deny"`, 1)
	for _, tt := range []struct {
		by     *vaulttest.Caller
		policy string
		checks string
	}{
		{admin, secretPolicy(reader.ARN), "[]"},
		{admin, public, "[PUBLIC_POLICY]"},
		{admin, shut, "[POLICY_LOCKOUT]"},
		{v.User("checker", vaulttest.Allow("secretsmanager:ValidateResourcePolicy")), shut, "[]"}, // has nothing to lose
	} {
		for _, in := range []m{{"ResourcePolicy": tt.policy, "SecretId": "s"}, {"ResourcePolicy": tt.policy}} {
			checks := []string{}
			out := sm(tt.by, "ValidateResourcePolicy", in).OK()
			for _, e := range out["ValidationErrors"].([]any) {
				checks = append(checks, e.(m)["CheckName"].(string))
			}
			want := tt.checks
			if in["SecretId"] == nil { // nobody can be shut out of no secret
				want = strings.Replace(want, "POLICY_LOCKOUT", "", 1)
			}
			if got := fmt.Sprint(checks); got != want || out["PolicyValidationPassed"] != (want == "[]") {
				t.Errorf("%v: %v", in, out)
			}
		}
	}
	sm(admin, "ValidateResourcePolicy", m{"ResourcePolicy": "{"}).Fails(fault.MalformedPolicyDocumentException, "This resource policy contains a syntax error.")
	sm(admin, "DeleteResourcePolicy", m{"SecretId": "s"}).OK()
	sm(admin, "DeleteResourcePolicy", m{"SecretId": "s"}).OK()
	if got := sm(admin, "GetResourcePolicy", m{"SecretId": "s"}).OK(); got["ResourcePolicy"] != nil {
		t.Errorf("%v", got)
	}
	sm(reader, "GetSecretValue", m{"SecretId": "s"}).Fails(fault.AccessDeniedException, "GetSecretValue")
	// A denial in the secret's policy holds for administrators too.
	put(strings.NewReplacer(`"Allow"`, `"Deny"`, "secretsmanager:*", "secretsmanager:GetSecretValue").Replace(public), true).OK()
	sm(admin, "GetSecretValue", m{"SecretId": "s"}).Fails(fault.AccessDeniedException, "with an explicit deny in a resource-based policy")
}
