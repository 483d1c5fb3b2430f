// The server under test, as the environment names it, and what several tests begin with.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms'

for (const name of ['AWS_ENDPOINT_URL', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_REGION']) {
  assert.ok(process.env[name], `${name} is not set: source the admin.env of a server, or run .ci/clients/run`)
}

export const named = (prefix) => `${prefix}-${randomBytes(6).toString('hex')}`
export const text = (bytes) => Buffer.from(bytes).toString()
export const bytes = (string) => Buffer.from(string)

export async function key(input = {}) {
  return (await new KMSClient().send(new CreateKeyCommand(input))).KeyMetadata
}

// refused wants the error that the SDK makes of a refusal, and the id of its request.
export async function refused(promise, type, status = 400) {
  const error = await promise.then(() => assert.fail(`not refused; want ${type.name ?? type}`), (e) => e)
  if (typeof type === 'string') assert.equal(error.name, type, error.stack)
  else assert.ok(error instanceof type, error.stack)
  assert.equal(error.$metadata.httpStatusCode, status)
  assert.match(error.$metadata.requestId ?? '', /^[0-9a-f-]{36}$/)
  return error
}

// pages wants at least two pages, none over the limit, and gives all that is on them.
export async function pages(paginator, limit, items) {
  const all = []
  let n = 0
  for await (const page of paginator) {
    n++
    const found = items(page)
    assert.ok(found.length <= limit, `page ${n} has ${found.length} items`)
    all.push(...found)
  }
  assert.ok(n > 1, 'the paginator had nothing to do')
  assert.equal(new Set(all).size, all.length, 'an item comes twice')
  return all
}
