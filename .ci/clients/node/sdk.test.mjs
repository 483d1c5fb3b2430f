// The clients of aws-sdk-js v3: commands, typed errors, paginators, waiters.
import assert from 'node:assert/strict'
import { constants, createPublicKey, verify } from 'node:crypto'
import { test } from 'node:test'
import { CloudTrailClient, InvalidNextTokenException, LookupEventsCommand, paginateLookupEvents } from '@aws-sdk/client-cloudtrail'
import { CreateAccessKeyCommand, CreateRoleCommand, CreateUserCommand, DeleteUserCommand, EntityAlreadyExistsException, GetRoleCommand, IAMClient, NoSuchEntityException, paginateListUsers, PutRolePolicyCommand, UpdateRoleCommand, waitUntilUserExists } from '@aws-sdk/client-iam'
import * as kms from '@aws-sdk/client-kms'
import * as secrets from '@aws-sdk/client-secrets-manager'
import { AssumeRoleCommand, GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import { bytes, key, named, pages, refused, text } from './target.mjs'

const send = (client, command) => client.send(command)

test('KMS: encrypt and decrypt', async () => {
  const api = new kms.KMSClient()
  const { KeyId, Arn, CreationDate } = await key({ Description: 'déjà vu' })
  assert.ok(Math.abs(Date.now() - CreationDate) < 300_000, `created at ${CreationDate}`)
  const EncryptionContext = { tenant: 'ein & zwei', 'ключ': '鍵' }
  const { CiphertextBlob } = await send(api, new kms.EncryptCommand({ KeyId, Plaintext: bytes('from node'), EncryptionContext }))
  const opened = await send(api, new kms.DecryptCommand({ CiphertextBlob, EncryptionContext }))
  assert.equal(text(opened.Plaintext), 'from node')
  assert.equal(opened.KeyId, Arn)
  await refused(send(api, new kms.DecryptCommand({ CiphertextBlob })), kms.InvalidCiphertextException)
  await refused(send(api, new kms.EncryptCommand({ KeyId: 'alias/' + named('none'), Plaintext: bytes('x') })), kms.NotFoundException)
  await refused(send(api, new kms.EncryptCommand({ KeyId, Plaintext: Buffer.alloc(4097) })), 'ValidationException')
  await send(api, new kms.DisableKeyCommand({ KeyId }))
  await refused(send(api, new kms.GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256' })), kms.DisabledException)
})

test('KMS: signatures that OpenSSL verifies', async () => {
  const api = new kms.KMSClient()
  const Message = bytes('a message to be signed')
  for (const [KeySpec, SigningAlgorithm, options] of [
    ['ECC_NIST_P256', 'ECDSA_SHA_256', {}],
    ['RSA_2048', 'RSASSA_PSS_SHA_256', { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }],
    ['RSA_2048', 'RSASSA_PKCS1_V1_5_SHA_256', { padding: constants.RSA_PKCS1_PADDING }]
  ]) {
    const { KeyId } = await key({ KeySpec, KeyUsage: 'SIGN_VERIFY' })
    const { PublicKey, SigningAlgorithms } = await send(api, new kms.GetPublicKeyCommand({ KeyId }))
    assert.ok(SigningAlgorithms.includes(SigningAlgorithm))
    const { Signature } = await send(api, new kms.SignCommand({ KeyId, Message, MessageType: 'RAW', SigningAlgorithm }))
    const publicKey = createPublicKey({ key: Buffer.from(PublicKey), format: 'der', type: 'spki' })
    assert.ok(verify('sha256', Message, { key: publicKey, ...options }, Signature), `${SigningAlgorithm} does not verify`)
    const checked = { KeyId, Message, MessageType: 'RAW', SigningAlgorithm, Signature: Buffer.from(Signature).fill(0, 8, 12) }
    await refused(send(api, new kms.VerifyCommand(checked)), kms.KMSInvalidSignatureException)
  }
})

test('KMS: paginators', async () => {
  const api = new kms.KMSClient()
  const { KeyId } = await key()
  const made = []
  for (let i = 0; i < 5; i++) {
    made.push('alias/' + named('page'))
    await send(api, new kms.CreateAliasCommand({ AliasName: made.at(-1), TargetKeyId: KeyId }))
  }
  const all = await pages(kms.paginateListAliases({ client: api, pageSize: 2 }, { KeyId }), 2, (page) => page.Aliases.map((a) => a.AliasName))
  assert.deepEqual(all.toSorted(), made.toSorted())
  const keys = await pages(kms.paginateListKeys({ client: api, pageSize: 3 }, {}), 3, (page) => page.Keys.map((k) => k.KeyId))
  assert.ok(keys.includes(KeyId))
  await refused(send(api, new kms.ListKeysCommand({ Marker: 'of nobody' })), kms.InvalidMarkerException)
})

test('Secrets Manager: values and versions', async () => {
  const api = new secrets.SecretsManagerClient()
  const Name = named('node/secret')
  const made = await send(api, new secrets.CreateSecretCommand({ Name, SecretString: '{"ü":"☃"}', Tags: [{ Key: 'a', Value: 'b' }] }))
  await refused(send(api, new secrets.CreateSecretCommand({ Name, SecretString: 'x' })), secrets.ResourceExistsException)
  const read = await send(api, new secrets.GetSecretValueCommand({ SecretId: Name }))
  assert.equal(read.SecretString, '{"ü":"☃"}')
  assert.equal(read.SecretBinary, undefined)
  assert.ok(Math.abs(Date.now() - read.CreatedDate) < 300_000, `created at ${read.CreatedDate}`)
  await send(api, new secrets.PutSecretValueCommand({ SecretId: Name, SecretBinary: new Uint8Array([0, 255, 1, 254]) }))
  const next = await send(api, new secrets.GetSecretValueCommand({ SecretId: made.ARN }))
  assert.deepEqual([...next.SecretBinary], [0, 255, 1, 254])
  const previous = await send(api, new secrets.GetSecretValueCommand({ SecretId: Name, VersionStage: 'AWSPREVIOUS' }))
  assert.equal(previous.VersionId, made.VersionId)
  const described = await send(api, new secrets.DescribeSecretCommand({ SecretId: Name }))
  assert.deepEqual(described.VersionIdsToStages, { [made.VersionId]: ['AWSPREVIOUS'], [next.VersionId]: ['AWSCURRENT'] })
  await send(api, new secrets.DeleteSecretCommand({ SecretId: Name }))
  await refused(send(api, new secrets.GetSecretValueCommand({ SecretId: Name })), secrets.InvalidRequestException)
  await send(api, new secrets.RestoreSecretCommand({ SecretId: Name }))
  await send(api, new secrets.DeleteSecretCommand({ SecretId: Name, ForceDeleteWithoutRecovery: true }))
  await refused(send(api, new secrets.GetSecretValueCommand({ SecretId: Name })), secrets.ResourceNotFoundException)
})

test('Secrets Manager: paginators', async () => {
  const api = new secrets.SecretsManagerClient()
  const prefix = named('node')
  for (let i = 0; i < 5; i++) await send(api, new secrets.CreateSecretCommand({ Name: `${prefix}/${i}`, SecretString: 'x' }))
  const Filters = [{ Key: 'name', Values: [prefix] }]
  const all = await pages(secrets.paginateListSecrets({ client: api, pageSize: 2 }, { Filters, SortOrder: 'asc' }), 2, (page) => page.SecretList.map((s) => s.Name))
  assert.deepEqual(all, [0, 1, 2, 3, 4].map((i) => `${prefix}/${i}`))
  const values = await pages(secrets.paginateBatchGetSecretValue({ client: api, pageSize: 2 }, { Filters }), 2, (page) => page.SecretValues.map((s) => s.Name))
  assert.deepEqual(values.toSorted(), all)
})

test('IAM: users, waiters and paginators', async () => {
  const api = new IAMClient()
  const Path = `/${named('node')}/`
  const made = []
  for (let i = 0; i < 5; i++) {
    made.push(named('user'))
    const { User } = await send(api, new CreateUserCommand({ UserName: made.at(-1), Path, Tags: [{ Key: 'a', Value: 'é ü' }] }))
    assert.ok(Math.abs(Date.now() - User.CreateDate) < 300_000, `created at ${User.CreateDate}`)
    assert.deepEqual(User.Tags, [{ Key: 'a', Value: 'é ü' }])
  }
  const all = await pages(paginateListUsers({ client: api, pageSize: 2 }, { PathPrefix: Path }), 2, (page) => page.Users.map((u) => u.UserName))
  assert.deepEqual(all.toSorted(), made.toSorted())
  const waited = await waitUntilUserExists({ client: api, maxWaitTime: 10, minDelay: 1 }, { UserName: made[0] })
  assert.equal(waited.state, 'SUCCESS')
  await refused(send(api, new CreateUserCommand({ UserName: made[0] })), EntityAlreadyExistsException, 409)
  await send(api, new DeleteUserCommand({ UserName: made[0] }))
  await refused(send(api, new DeleteUserCommand({ UserName: made[0] })), NoSuchEntityException, 404)
})

test('STS: a session, and what it may', async () => {
  const account = (await new STSClient().send(new GetCallerIdentityCommand({}))).Account
  const iam = new IAMClient()
  const RoleName = named('role')
  const { Role } = await send(iam, new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Principal: { AWS: account }, Action: 'sts:AssumeRole' }] }) }))
  await send(iam, new PutRolePolicyCommand({ RoleName, PolicyName: 'p', PolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 'kms:ListKeys', Resource: '*' }] }) }))
  await send(iam, new UpdateRoleCommand({ RoleName, Description: 'changed' }))
  assert.equal((await send(iam, new GetRoleCommand({ RoleName }))).Role.Description, 'changed')
  const { Credentials: c } = await send(new STSClient(), new AssumeRoleCommand({ RoleArn: Role.Arn, RoleSessionName: 'node', DurationSeconds: 900 }))
  assert.ok(c.Expiration > new Date())
  const credentials = { accessKeyId: c.AccessKeyId, secretAccessKey: c.SecretAccessKey, sessionToken: c.SessionToken }
  const who = await send(new STSClient({ credentials }), new GetCallerIdentityCommand({}))
  assert.equal(who.Arn, `arn:aws:sts::${account}:assumed-role/${RoleName}/node`)
  await send(new kms.KMSClient({ credentials }), new kms.ListKeysCommand({}))
  const denied = await refused(send(new kms.KMSClient({ credentials }), new kms.CreateKeyCommand({})), 'AccessDeniedException')
  assert.match(denied.message, /is not authorized to perform: kms:CreateKey/)
})

test('CloudTrail: what somebody did', async () => {
  const UserName = named('user')
  await send(new IAMClient(), new CreateUserCommand({ UserName }))
  const { AccessKey } = await send(new IAMClient(), new CreateAccessKeyCommand({ UserName }))
  const theirs = new STSClient({ credentials: { accessKeyId: AccessKey.AccessKeyId, secretAccessKey: AccessKey.SecretAccessKey } })
  for (let i = 0; i < 5; i++) await send(theirs, new GetCallerIdentityCommand({}))
  const api = new CloudTrailClient()
  const LookupAttributes = [{ AttributeKey: 'Username', AttributeValue: UserName }]
  const all = await pages(paginateLookupEvents({ client: api, pageSize: 2 }, { LookupAttributes }), 2, (page) => page.Events.map((e) => {
    assert.equal(JSON.parse(e.CloudTrailEvent).userIdentity.userName, UserName)
    assert.ok(Math.abs(Date.now() - e.EventTime) < 300_000, `at ${e.EventTime}`)
    return e.EventId
  }))
  assert.equal(all.length, 5)
  await refused(send(api, new LookupEventsCommand({ NextToken: 'of nobody' })), InvalidNextTokenException)
})

// A machine whose clock is wrong is told so in a way from which the SDK learns the time,
// and its next attempt is good.
test('a clock that is an hour wrong', async (t) => {
  for (const wrong of [3_600_000, -3_600_000]) {
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() + wrong })
    try {
      await refused(send(new kms.KMSClient({ maxAttempts: 1 }), new kms.GenerateRandomCommand({ NumberOfBytes: 8 })), 'InvalidSignatureException')
      const { $metadata } = await send(new kms.KMSClient(), new kms.GenerateRandomCommand({ NumberOfBytes: 8 }))
      assert.equal($metadata.attempts, 2)
    } finally {
      t.mock.timers.reset()
    }
  }
})
