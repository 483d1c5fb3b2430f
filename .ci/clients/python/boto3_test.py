"""boto3: clients, their exceptions, paginators, waiters and credential providers."""

import datetime
import hashlib
import hmac
import json
import os
import secrets as rand
import tempfile
import unittest

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

ENDPOINT, REGION = os.environ["AWS_ENDPOINT_URL"], os.environ["AWS_REGION"]


def client(service, key=None, secret=None, token=None):
    return boto3.client(service, endpoint_url=ENDPOINT, region_name=REGION, aws_access_key_id=key, aws_secret_access_key=secret,
                        aws_session_token=token, config=Config(retries={"max_attempts": 0}))


def named(prefix):
    return f"{prefix}-{rand.token_hex(6)}"


def allow(*actions):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]})


class Case(unittest.TestCase):
    def recent(self, at):
        self.assertIsNotNone(at.tzinfo)
        self.assertLess(abs(datetime.datetime.now(datetime.timezone.utc) - at), datetime.timedelta(minutes=5))

    def refused(self, kind, code, status, call, **parameters):
        with self.assertRaises(kind) as caught:
            call(**parameters)
        response = caught.exception.response
        self.assertEqual(response["Error"]["Code"], code)
        self.assertEqual(response["ResponseMetadata"]["HTTPStatusCode"], status)
        self.assertRegex(response["ResponseMetadata"]["RequestId"], r"^[0-9a-f-]{36}$")
        return response["Error"].get("Message", "")

    def paged(self, api, operation, key, size, **parameters):
        pages = [page.get(key, []) for page in api.get_paginator(operation).paginate(PaginationConfig={"PageSize": size}, **parameters)]
        self.assertGreater(len(pages), 1)
        self.assertLessEqual(max(map(len, pages)), size)
        return [item for page in pages for item in page]


class KMS(Case):
    def setUp(self):
        self.api = client("kms")
        self.key = self.api.create_key(Description="from boto3")["KeyMetadata"]

    def test_encrypt(self):
        self.recent(self.key["CreationDate"])
        context = {"tenant": "ä & b", "z": ""}
        blob = self.api.encrypt(KeyId=self.key["Arn"], Plaintext=b"\x00\xff", EncryptionContext={"tenant": "ä & b"})["CiphertextBlob"]
        self.assertEqual(self.api.decrypt(CiphertextBlob=blob, EncryptionContext={"tenant": "ä & b"})["Plaintext"], b"\x00\xff")
        e = self.api.exceptions
        self.refused(e.InvalidCiphertextException, "InvalidCiphertextException", 400, self.api.decrypt, CiphertextBlob=blob, EncryptionContext=context)
        self.refused(e.NotFoundException, "NotFoundException", 400, self.api.describe_key, KeyId="alias/" + named("none"))
        self.refused(ClientError, "ValidationException", 400, self.api.encrypt, KeyId=self.key["KeyId"], Plaintext=b"x" * 4097)
        self.api.schedule_key_deletion(KeyId=self.key["KeyId"], PendingWindowInDays=7)
        self.refused(e.KMSInvalidStateException, "KMSInvalidStateException", 400, self.api.decrypt, CiphertextBlob=blob, EncryptionContext={"tenant": "ä & b"})

    def test_data_key(self):
        made = self.api.generate_data_key(KeyId=self.key["KeyId"], KeySpec="AES_256")
        self.assertEqual(len(made["Plaintext"]), 32)
        self.assertEqual(self.api.decrypt(CiphertextBlob=made["CiphertextBlob"])["Plaintext"], made["Plaintext"])

    def test_mac(self):
        key = self.api.create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["KeyMetadata"]["KeyId"]
        mac = self.api.generate_mac(KeyId=key, Message=b"text", MacAlgorithm="HMAC_SHA_256")["Mac"]
        self.assertEqual(len(mac), hashlib.sha256().digest_size)
        self.assertTrue(self.api.verify_mac(KeyId=key, Message=b"text", MacAlgorithm="HMAC_SHA_256", Mac=mac)["MacValid"])
        other = hmac.new(b"k", b"text", "sha256").digest()
        self.refused(self.api.exceptions.KMSInvalidMacException, "KMSInvalidMacException", 400, self.api.verify_mac, KeyId=key, Message=b"text", MacAlgorithm="HMAC_SHA_256", Mac=other)

    def test_paginators(self):
        made = sorted("alias/" + named("page") for _ in range(5))
        for alias in made:
            self.api.create_alias(AliasName=alias, TargetKeyId=self.key["KeyId"])
        found = self.paged(self.api, "list_aliases", "Aliases", 2, KeyId=self.key["KeyId"])
        self.assertEqual(sorted(a["AliasName"] for a in found), made)
        for name in ["a", "b", "c"]:
            self.api.create_grant(KeyId=self.key["Arn"], GranteePrincipal=client("sts").get_caller_identity()["Arn"], Operations=["Decrypt"], Name=name)
        self.assertEqual(sorted(g["Name"] for g in self.paged(self.api, "list_grants", "Grants", 2, KeyId=self.key["KeyId"])), ["a", "b", "c"])
        # To be continued from a token of the client's own.
        first = self.api.get_paginator("list_aliases").paginate(KeyId=self.key["KeyId"], PaginationConfig={"MaxItems": 3, "PageSize": 2}).build_full_result()
        rest = self.api.get_paginator("list_aliases").paginate(KeyId=self.key["KeyId"], PaginationConfig={"StartingToken": first["NextToken"]}).build_full_result()
        self.assertEqual(sorted(a["AliasName"] for a in first["Aliases"] + rest["Aliases"]), made)


class SecretsManager(Case):
    def setUp(self):
        self.api, self.name = client("secretsmanager"), named("boto3/secret")
        self.made = self.api.create_secret(Name=self.name, SecretString="first", Tags=[{"Key": "a", "Value": "b"}])

    def test_values(self):
        e = self.api.exceptions
        self.refused(e.ResourceExistsException, "ResourceExistsException", 400, self.api.create_secret, Name=self.name, SecretString="x")
        read = self.api.get_secret_value(SecretId=self.name)
        self.assertEqual((read["SecretString"], read["VersionId"], read["VersionStages"]), ("first", self.made["VersionId"], ["AWSCURRENT"]))
        self.recent(read["CreatedDate"])
        put = self.api.put_secret_value(SecretId=self.name, SecretBinary=b"\x00\x01\xfe")
        self.assertEqual(self.api.get_secret_value(SecretId=self.made["ARN"])["SecretBinary"], b"\x00\x01\xfe")
        self.assertEqual(self.api.describe_secret(SecretId=self.name)["VersionIdsToStages"], {self.made["VersionId"]: ["AWSPREVIOUS"], put["VersionId"]: ["AWSCURRENT"]})
        self.refused(e.ResourceNotFoundException, "ResourceNotFoundException", 400, self.api.get_secret_value, SecretId=self.name, VersionStage="none")
        # A retry with the same token is no second version.
        again = self.api.put_secret_value(SecretId=self.name, SecretBinary=b"\x00\x01\xfe", ClientRequestToken=put["VersionId"])
        self.assertEqual(again["VersionId"], put["VersionId"])
        self.refused(e.ResourceExistsException, "ResourceExistsException", 400, self.api.put_secret_value, SecretId=self.name, SecretString="other", ClientRequestToken=put["VersionId"])
        deleted = self.api.delete_secret(SecretId=self.name, RecoveryWindowInDays=7)
        self.assertGreater(deleted["DeletionDate"], datetime.datetime.now(datetime.timezone.utc))
        self.refused(e.InvalidRequestException, "InvalidRequestException", 400, self.api.get_secret_value, SecretId=self.name)

    def test_paginators(self):
        names = sorted(f"{self.name}/{i}" for i in range(4))
        for name in names:
            self.api.create_secret(Name=name, SecretString="x")
        found = self.paged(self.api, "list_secrets", "SecretList", 2, Filters=[{"Key": "name", "Values": [self.name + "/"]}])
        self.assertEqual(sorted(s["Name"] for s in found), names)


class IAM(Case):
    def setUp(self):
        self.api = client("iam")

    def test_users(self):
        path, names = f"/{named('boto3')}/", sorted(named("user") for _ in range(5))
        for name in names:
            self.recent(self.api.create_user(UserName=name, Path=path)["User"]["CreateDate"])
        self.assertEqual(sorted(u["UserName"] for u in self.paged(self.api, "list_users", "Users", 2, PathPrefix=path)), names)
        quick = {"Delay": 0.05, "MaxAttempts": 3}
        self.api.get_waiter("user_exists").wait(UserName=names[0], WaiterConfig=quick)
        with self.assertRaises(WaiterError):
            self.api.get_waiter("user_exists").wait(UserName=named("none"), WaiterConfig=quick)
        e = self.api.exceptions
        self.refused(e.EntityAlreadyExistsException, "EntityAlreadyExists", 409, self.api.create_user, UserName=names[0])
        self.refused(e.NoSuchEntityException, "NoSuchEntity", 404, self.api.get_user, UserName=named("none"))
        self.api.put_user_policy(UserName=names[0], PolicyName="p", PolicyDocument=allow("kms:ListKeys"))
        self.refused(e.DeleteConflictException, "DeleteConflict", 409, self.api.delete_user, UserName=names[0])
        self.refused(e.MalformedPolicyDocumentException, "MalformedPolicyDocument", 400, self.api.put_user_policy, UserName=names[0], PolicyName="q", PolicyDocument="{}")
        # boto3 decodes policy documents.
        document = self.api.get_user_policy(UserName=names[0], PolicyName="p")["PolicyDocument"]
        self.assertEqual(document, json.loads(allow("kms:ListKeys")))

    def test_roles_and_policies(self):
        trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
        role = named("role")
        self.api.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust), Tags=[{"Key": "k", "Value": "v"}])
        self.api.get_waiter("role_exists").wait(RoleName=role, WaiterConfig={"Delay": 0.05, "MaxAttempts": 3})
        self.assertEqual(self.api.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"], trust)
        self.assertEqual(self.api.update_role(RoleName=role, Description="changed")["ResponseMetadata"]["HTTPStatusCode"], 200)
        policy = self.api.create_policy(PolicyName=named("policy"), PolicyDocument=allow("kms:ListKeys"))["Policy"]["Arn"]
        self.api.get_waiter("policy_exists").wait(PolicyArn=policy, WaiterConfig={"Delay": 0.05, "MaxAttempts": 3})
        self.api.attach_role_policy(RoleName=role, PolicyArn=policy)
        self.assertEqual([p["PolicyArn"] for p in self.api.list_attached_role_policies(RoleName=role)["AttachedPolicies"]], [policy])
        self.assertEqual(self.api.get_policy_version(PolicyArn=policy, VersionId="v1")["PolicyVersion"]["Document"], json.loads(allow("kms:ListKeys")))
        self.assertEqual(self.api.list_role_policies(RoleName=role)["PolicyNames"], [])


class Sessions(Case):
    def setUp(self):
        self.iam = client("iam")
        self.account = client("sts").get_caller_identity()["Account"]
        trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": self.account}, "Action": "sts:AssumeRole"}]}
        self.role = self.iam.create_role(RoleName=named("role"), AssumeRolePolicyDocument=json.dumps(trust))["Role"]
        self.iam.put_role_policy(RoleName=self.role["RoleName"], PolicyName="p", PolicyDocument=allow("kms:ListKeys"))

    def test_assume_role(self):
        out = client("sts").assume_role(RoleArn=self.role["Arn"], RoleSessionName="boto3", DurationSeconds=900)
        c = out["Credentials"]
        self.assertGreater(c["Expiration"], datetime.datetime.now(datetime.timezone.utc))
        session = (c["AccessKeyId"], c["SecretAccessKey"], c["SessionToken"])
        self.assertEqual(client("sts", *session).get_caller_identity()["Arn"], out["AssumedRoleUser"]["Arn"])
        client("kms", *session).list_keys()
        said = self.refused(ClientError, "AccessDeniedException", 400, client("kms", *session).create_key)
        self.assertIn(f"User: {out['AssumedRoleUser']['Arn']} is not authorized to perform: kms:CreateKey", said)
        self.refused(ClientError, "AccessDenied", 403, client("iam", *session).list_users)
        self.refused(ClientError, "InvalidClientTokenId", 403, client("sts", session[0], session[1]).get_caller_identity)

    def test_profile(self):
        """A profile with a role_arn, as in ~/.aws/config."""
        with tempfile.NamedTemporaryFile("w", suffix=".ini") as file:
            file.write(f"[profile reader]\nrole_arn = {self.role['Arn']}\ncredential_source = Environment\nregion = {REGION}\nendpoint_url = {ENDPOINT}\n")
            file.flush()
            session = botocore.session.Session(profile="reader")
            session.set_config_variable("config_file", file.name)
            if not session.get_scoped_config().get("endpoint_url") or not hasattr(botocore.configprovider, "ConfiguredEndpointProvider"):
                self.skipTest("this botocore has no endpoint_url in profiles")
            arn = session.create_client("sts").get_caller_identity()["Arn"]
        self.assertTrue(arn.startswith(f"arn:aws:sts::{self.account}:assumed-role/{self.role['RoleName']}/"), arn)


class CloudTrail(Case):
    def test_lookup(self):
        name = named("user")
        iam = client("iam")
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=allow("kms:*"))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        kms = client("kms", key["AccessKeyId"], key["SecretAccessKey"])
        requests = {kms.generate_random(NumberOfBytes=8)["ResponseMetadata"]["RequestId"] for _ in range(5)}
        api = client("cloudtrail")
        found = self.paged(api, "lookup_events", "Events", 2, LookupAttributes=[{"AttributeKey": "Username", "AttributeValue": name}])
        self.assertEqual({json.loads(e["CloudTrailEvent"])["requestID"] for e in found}, requests)
        for e in found:
            self.recent(e["EventTime"])
            self.assertEqual((e["EventName"], e["Username"], e["AccessKeyId"]), ("GenerateRandom", name, key["AccessKeyId"]))
        self.refused(api.exceptions.InvalidMaxResultsException, "InvalidMaxResultsException", 400, api.lookup_events, MaxResults=51)
