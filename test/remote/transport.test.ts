// The client over HTTP when the way to the server is bad: what is sent again, how often, and that nothing is done twice.

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { createClient } from '../../src/remote/create-client.js'
import { workflow } from '../../src/workflow/define.js'
import { useHttp } from '../support/http.js'

const echo = workflow({ name: 'echo' }, async (_ctx, input: unknown) => input)
const http = useHttp([echo])

/** Sends everything on, and spoils the answers to the first requests. */
function spoiling(
  times: number,
  spoil: (answer: Response) => Response,
): { fetch: typeof fetch; keys: string[] } {
  const keys: string[] = []
  let left = times
  return {
    keys,
    fetch: async (input, init) => {
      keys.push(new Headers(init?.headers).get('idempotency-key') ?? 'none')
      const answer = await fetch(input, init)
      left -= 1
      return left < 0 ? answer : spoil(answer)
    },
  }
}

const lost = (): never => {
  throw new TypeError('fetch failed')
}
const busy = (): Response => new Response('<html>busy</html>', { status: 503 })

describe('a request whose answer is lost', () => {
  test.each([
    ['on its way', lost],
    ['behind a balancer that is busy', busy],
  ])('%s is sent again under the same key, and done once', async (_where, spoil) => {
    const before = (await http.client.list({ workflow: 'echo', limit: 1_000 })).executions.length
    const { fetch: bad, keys } = spoiling(2, spoil)
    const client = createClient({ url: http.url, fetch: bad })
    const { result, created } = await client.start('echo', 7)
    expect(await result()).toBe(7)
    expect(created).toBe(true)
    expect(new Set(keys.slice(0, 3)).size).toBe(1)
    expect((await http.client.list({ workflow: 'echo', limit: 1_000 })).executions).toHaveLength(before + 1)
  })

  test('and that deleted something, does not fail because it is gone', async () => {
    const { executionId, result } = await createClient({ url: http.url }).start('echo')
    await result()
    await createClient({ url: http.url, fetch: spoiling(1, lost).fetch }).delete(executionId)
  })

  test('is given up after a bounded number of attempts', async () => {
    const { fetch: bad, keys } = spoiling(100, lost)
    const call = createClient({ url: http.url, fetch: bad, attempts: 3 }).start('echo')
    await expect(call).rejects.toMatchObject({
      code: 'SERVER_UNAVAILABLE',
      cause: { message: 'fetch failed' },
    })
    expect(keys).toHaveLength(3)
  })

  test('keeps the last word of a server that is overloaded', async () => {
    const { fetch: bad } = spoiling(100, () =>
      Response.json({ code: 'OVERLOADED', detail: 'too much', limit: 'laneQueueMax' }, { status: 503 }),
    )
    const call = createClient({ url: http.url, fetch: bad, attempts: 2 }).start('echo')
    await expect(call).rejects.toMatchObject({ code: 'OVERLOADED', details: { limit: 'laneQueueMax' } })
  })
})

test('a refusal is not sent again', async () => {
  const { fetch: good, keys } = spoiling(0, busy)
  const call = createClient({ url: http.url, fetch: good }).get('nobody')
  await expect(call).rejects.toMatchObject({
    code: 'EXECUTION_NOT_FOUND',
    details: { executionId: 'nobody' },
  })
  expect(keys).toHaveLength(1)
})

test('what is no server of ours is told apart', async () => {
  const call = createClient({ url: `${http.url}/elsewhere` }).workflows()
  await expect(call).rejects.toMatchObject({ code: 'UNEXPECTED_ANSWER', details: { httpStatus: 404 } })
})

test('a server that does not answer is not waited for without end', async () => {
  const silent = createServer(() => {}).listen(0)
  const { port } = silent.address() as AddressInfo
  try {
    const client = createClient({ url: `http://127.0.0.1:${port}`, timeoutMs: 50, attempts: 2 })
    await expect(client.workflows()).rejects.toMatchObject({ code: 'SERVER_UNAVAILABLE' })
  } finally {
    silent.closeAllConnections()
    silent.close()
  }
})

test('headers are sent with each request, those of a function anew', async () => {
  const seen: string[] = []
  const client = createClient({
    url: http.url,
    headers: async () => ({ Authorization: `Bearer ${seen.length}` }),
    fetch: (input, init) => {
      seen.push(new Headers(init?.headers).get('authorization') ?? '')
      return fetch(input, init)
    },
  })
  await client.workflows()
  await client.workflows()
  expect(seen).toEqual(['Bearer 0', 'Bearer 1'])
})
