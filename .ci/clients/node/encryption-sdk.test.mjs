// The AWS Encryption SDK for JavaScript: messages with data keys of KMS keyrings.
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { buildClient, CommitmentPolicy, getLocalCryptographicMaterialsCache, KmsKeyringNode, NodeCachingMaterialsManager } from '@aws-crypto/client-node'
import { CloudTrailClient, LookupEventsCommand } from '@aws-sdk/client-cloudtrail'
import { CreateAliasCommand, DisableKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import { key, named } from './target.mjs'

const { encrypt, decrypt, encryptStream, decryptStream } = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
const context = { purpose: 'test', origin: 'node' }

test('a message for two keys, opened by either', async () => {
  const [first, second, third] = [await key(), await key(), await key()]
  const alias = 'alias/' + named('esdk')
  await new KMSClient().send(new CreateAliasCommand({ AliasName: alias, TargetKeyId: first.KeyId }))
  const generatorKeyId = first.Arn.replace(`key/${first.KeyId}`, alias)
  const { result } = await encrypt(new KmsKeyringNode({ generatorKeyId, keyIds: [second.Arn] }), 'a message', { encryptionContext: context })
  assert.ok(!result.includes('a message'))
  for (const keyIds of [[first.Arn], [second.Arn]]) {
    const { plaintext, messageHeader } = await decrypt(new KmsKeyringNode({ keyIds }), result)
    assert.equal(plaintext.toString(), 'a message')
    for (const [k, v] of Object.entries(context)) assert.equal(messageHeader.encryptionContext[k], v)
  }
  await assert.rejects(decrypt(new KmsKeyringNode({ keyIds: [third.Arn] }), result))
  // With the first key disabled the second is left.
  await new KMSClient().send(new DisableKeyCommand({ KeyId: first.KeyId }))
  await assert.rejects(decrypt(new KmsKeyringNode({ keyIds: [first.Arn] }), result))
  assert.equal((await decrypt(new KmsKeyringNode({ discovery: true }), result)).plaintext.toString(), 'a message')
  result[result.length >> 1] ^= 1
  await assert.rejects(decrypt(new KmsKeyringNode({ keyIds: [second.Arn] }), result))
})

test('a stream of many frames', async () => {
  const { Arn } = await key()
  const long = Buffer.alloc(1_000_000, 'some text and ')
  const sealed = await buffer(Readable.from([long]).pipe(encryptStream(new KmsKeyringNode({ generatorKeyId: Arn }), { encryptionContext: context })))
  const opened = await buffer(Readable.from([sealed]).pipe(decryptStream(new KmsKeyringNode({ keyIds: [Arn] }))))
  assert.ok(opened.equals(long))
})

test('a cache asks for one data key, and the trail says so', async () => {
  const { Arn } = await key()
  const manager = new NodeCachingMaterialsManager({
    backingMaterials: new KmsKeyringNode({ generatorKeyId: Arn }), cache: getLocalCryptographicMaterialsCache(10), maxAge: 60_000, maxMessagesEncrypted: 100
  })
  for (let i = 0; i < 3; i++) await encrypt(manager, `message ${i}`, { encryptionContext: context, plaintextLength: 9 })
  const { Events } = await new CloudTrailClient().send(new LookupEventsCommand({ LookupAttributes: [{ AttributeKey: 'ResourceName', AttributeValue: Arn }] }))
  const made = Events.filter((e) => e.EventName === 'GenerateDataKey').map((e) => JSON.parse(e.CloudTrailEvent))
  assert.equal(made.length, 1)
  const { origin, purpose, 'aws-crypto-public-key': signer } = made[0].requestParameters.encryptionContext
  assert.deepEqual({ origin, purpose }, context)
  assert.ok(signer, 'the key of the signature is part of the encryption context')
})
