package identity

import (
	"time"

	"github.com/keytrail/keytrail/domain/arn"
)

// awsManagedPolicy is a policy that AWS provides in every account.
type awsManagedPolicy struct {
	name, id, description string
	created, updated      string
	version               int
	document              string
}

func (p *awsManagedPolicy) arn() string { return arn.Policy(awsOwner, "/", p.name).String() }

// addAWSManaged puts the built-in policies in place. They are constants: one
// that did not compile would be a defect that every test run shows.
func (s *Store) addAWSManaged() {
	for i := range awsManaged {
		in := &awsManaged[i]
		created, _ := time.Parse(time.DateOnly, in.created)
		updated, _ := time.Parse(time.DateOnly, in.updated)
		m := &ManagedPolicy{ID: in.id, Description: in.description, Created: created, Updated: updated, newest: in.version - 1}
		m.ARN, m.Account, m.Path, m.Name = named(arn.Policy(awsOwner, "/", in.name), in.name)
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
}
