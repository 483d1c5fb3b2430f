package identity

import (
	"cmp"
	"crypto/sha256"
	"time"

	"github.com/keytrail/keytrail/domain/arn"
)

// awsManagedPolicy is a policy that AWS provides in every account. path is "/" where
// none is given, id one made from the ARN where that of AWS is not known.
type awsManagedPolicy struct {
	name, path, id, description string
	created, updated            string
	version                     int
	document                    string
}

const administratorARN = "arn:aws:iam::aws:policy/AdministratorAccess"

func (p *awsManagedPolicy) full() arn.ARN { return arn.Policy(awsOwner, cmp.Or(p.path, "/"), p.name) }

func (p *awsManagedPolicy) arn() string { return p.full().String() }

func (p *awsManagedPolicy) uniqueID() string {
	if p.id != "" {
		return p.id
	}
	sum := sha256.Sum256([]byte(p.arn()))
	return PolicyPrefix + idEncoding.EncodeToString(sum[:])[:17]
}

// addAWSManaged puts the built-in policies in place. They are constants: one
// that did not compile would be a defect that every test run shows.
func (s *Store) addAWSManaged() {
	for i := range awsManaged {
		in := &awsManaged[i]
		created, _ := time.Parse(time.DateOnly, in.created)
		updated, _ := time.Parse(time.DateOnly, in.updated)
		m := &ManagedPolicy{ID: in.uniqueID(), Description: in.description, Created: created, Updated: updated, newest: in.version - 1}
		m.ARN, m.Account, m.Path, m.Name = named(in.full(), in.name)
		if err := s.addVersion(m, in.document, updated, true); err != nil {
			panic("identity: " + in.name + ": " + err.Error())
		}
		s.policies[m.ARN] = m
	}
}

// Of what AWS's documents say, these hold the statements about services that
// exist here.
var awsManaged = []awsManagedPolicy{
	{
		name: "AdministratorAccess", id: "ANPAIWMBCKSKIEE64ZLYK",
		description: "Provides full access to AWS services and resources.",
		created:     "2015-02-06", updated: "2015-02-06", version: 1,
		document: `{
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
}`,
	},
	{
		name: "AWSKeyManagementServicePowerUser", id: "ANPAJNPP7PPPPMJRV2SA4",
		description: "Provides access to AWS Key Management Service (KMS).",
		created:     "2015-02-06", updated: "2017-03-07", version: 2,
		document: `{
    "Version": "2012-10-17",
    "Statement": [{
        "Effect": "Allow",
        "Action": ["kms:CreateAlias", "kms:CreateKey", "kms:DeleteAlias", "kms:Describe*", "kms:GenerateRandom", "kms:Get*",
            "kms:List*", "kms:TagResource", "kms:UntagResource", "iam:ListGroups", "iam:ListRoles", "iam:ListUsers"],
        "Resource": "*"
    }]
}`,
	},
	{
		name: "IAMFullAccess", id: "ANPAI7XKCFMBPM3QQRRVQ",
		description: "Provides full access to IAM via the AWS Management Console.",
		created:     "2015-02-06", updated: "2019-06-21", version: 2,
		document: `{
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["iam:*"], "Resource": "*"}]
}`,
	},
	{
		name: "IAMReadOnlyAccess", id: "ANPAJKSO7NDY4T57MWDSQ",
		description: "Provides read only access to IAM via the AWS Management Console.",
		created:     "2015-02-06", updated: "2018-01-25", version: 4,
		document: `{
    "Version": "2012-10-17",
    "Statement": [{
        "Effect": "Allow",
        "Action": ["iam:GenerateCredentialReport", "iam:GenerateServiceLastAccessedDetails", "iam:Get*", "iam:List*",
            "iam:SimulateCustomPolicy", "iam:SimulatePrincipalPolicy"],
        "Resource": "*"
    }]
}`,
	},
	{
		name: "ReadOnlyAccess", id: "ANPAILL3HVNFSB6DCOWYQ",
		description: "Provides read-only access to AWS services and resources.",
		created:     "2015-02-06", updated: "2024-01-01", version: 1,
		document: `{
    "Version": "2012-10-17",
    "Statement": [{
        "Effect": "Allow",
        "Action": ["cloudtrail:Describe*", "cloudtrail:Get*", "cloudtrail:List*", "cloudtrail:LookupEvents",
            "iam:Generate*", "iam:Get*", "iam:List*", "iam:Simulate*",
            "kms:Describe*", "kms:Get*", "kms:List*",
            "secretsmanager:Describe*", "secretsmanager:GetRandomPassword", "secretsmanager:GetResourcePolicy", "secretsmanager:List*",
            "sts:GetAccessKeyInfo", "sts:GetCallerIdentity", "sts:GetSessionToken"],
        "Resource": "*"
    }]
}`,
	},
	{
		name: "SecretsManagerReadWrite", id: "ANPAI3VG7CI5BIQZQ6G2E",
		description: "Provides read/write access to AWS Secrets Manager via the AWS Management Console.",
		created:     "2018-04-04", updated: "2024-02-22", version: 5,
		document: `{
    "Version": "2012-10-17",
    "Statement": [{
        "Sid": "BasicPermissions",
        "Effect": "Allow",
        "Action": ["secretsmanager:*", "kms:DescribeKey", "kms:ListAliases", "kms:ListKeys", "tag:GetResources"],
        "Resource": "*"
    }]
}`,
	},
	{
		name:        "AWSCloudTrail_FullAccess",
		description: "Provides full access to AWS CloudTrail.",
		created:     "2021-02-08", updated: "2021-02-08", version: 1,
		document: `{
    "Version": "2012-10-17",
    "Statement": [{
        "Effect": "Allow",
        "Action": ["cloudtrail:*", "iam:ListRoles", "iam:GetRolePolicy", "iam:GetUser", "kms:CreateKey", "kms:CreateAlias", "kms:ListKeys", "kms:ListAliases"],
        "Resource": "*"
    }]
}`,
	},
	{
		name:        "AWSCloudTrail_ReadOnlyAccess",
		description: "This policy grants read-only access to AWS CloudTrail.",
		created:     "2022-06-14", updated: "2022-06-14", version: 1,
		document: `{
    "Version": "2012-10-17",
    "Statement": [{
        "Effect": "Allow",
        "Action": ["cloudtrail:Get*", "cloudtrail:Describe*", "cloudtrail:List*", "cloudtrail:LookupEvents"],
        "Resource": "*"
    }]
}`,
	},
	{
		name:        "AWSSecretsManagerClientReadOnlyAccess",
		description: "Provides read-only access to AWS Secrets Manager secrets, including their values.",
		created:     "2025-11-05", updated: "2025-11-05", version: 1,
		document: `{
    "Version": "2012-10-17",
    "Statement": [{
        "Effect": "Allow",
        "Action": ["secretsmanager:BatchGetSecretValue", "secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue",
            "secretsmanager:ListSecretVersionIds", "secretsmanager:ListSecrets"],
        "Resource": "*"
    }, {
        "Effect": "Allow",
        "Action": "kms:Decrypt",
        "Resource": "*",
        "Condition": {"StringLike": {"kms:ViaService": "secretsmanager.*.amazonaws.com"}}
    }]
}`,
	},
	{
		name: "IAMUserChangePassword", id: "ANPAJ4L4MM2A7QIEB56MS",
		description: "Provides the ability for an IAM user to change their own password.",
		created:     "2016-11-15", updated: "2016-11-15", version: 2,
		document: `{
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["iam:ChangePassword"], "Resource": ["arn:aws:iam::*:user/*${aws:username}"]},
        {"Effect": "Allow", "Action": ["iam:GetAccountPasswordPolicy"], "Resource": "*"}
    ]
}`,
	},
	{
		name: "PowerUserAccess", id: "ANPAJYRXTHIB4FOVS3ZXS",
		description: "Provides full access to AWS services and resources, but does not allow management of Users and groups.",
		created:     "2015-02-06", updated: "2023-07-06", version: 5,
		document: `{
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*"], "Resource": "*"},
        {"Effect": "Allow", "Action": ["iam:CreateServiceLinkedRole", "iam:DeleteServiceLinkedRole", "iam:ListRoles"], "Resource": "*"}
    ]
}`,
	},
	{
		name: "SecurityAudit", id: "ANPAIX2T3QCXHR2OGGCTO",
		description: "The security audit template grants access to read security configuration metadata. It is useful for software that audits the configuration of an AWS account.",
		created:     "2015-02-06", updated: "2024-01-01", version: 1,
		document: `{
    "Version": "2012-10-17",
    "Statement": [{
        "Effect": "Allow",
        "Action": ["cloudtrail:Describe*", "cloudtrail:Get*", "cloudtrail:List*", "cloudtrail:LookupEvents",
            "iam:Generate*", "iam:Get*", "iam:List*", "iam:Simulate*",
            "kms:Describe*", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:List*",
            "secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy", "secretsmanager:ListSecretVersionIds", "secretsmanager:ListSecrets",
            "sts:GetAccessKeyInfo"],
        "Resource": "*"
    }]
}`,
	},
	{
		name: "ViewOnlyAccess", path: "/job-function/", id: "ANPAID22R6XPJATWOFDK6",
		description: "This policy grants permissions to view resources and basic metadata across all AWS services.",
		created:     "2016-11-10", updated: "2024-01-01", version: 1,
		document: `{
    "Version": "2012-10-17",
    "Statement": [{
        "Effect": "Allow",
        "Action": ["cloudtrail:DescribeTrails", "cloudtrail:LookupEvents",
            "iam:GetAccountSummary", "iam:GetLoginProfile", "iam:List*",
            "kms:ListAliases", "kms:ListKeys",
            "secretsmanager:ListSecretVersionIds", "secretsmanager:ListSecrets"],
        "Resource": "*"
    }]
}`,
	},
}
