// A seeded storm of made-up requests, several at a time, over real sockets: no 5xx, every refusal a problem with a code
// and a text, and afterwards the engine works as before. CEREBELUM_TEST_SEED repeats a storm.

import fc from 'fast-check'
import { beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { workflow } from '../../src/workflow/define.js'
import { useHttp } from '../support/http.js'
import { eventually } from '../support/wait.js'
import { madeUpRequest, oddRequests, type MadeUp } from './nonsense.js'

const echo = workflow({ name: 'echo' }, async (_ctx, input: unknown) => input)
const waits = workflow({ name: 'waits' }, async (ctx) => {
  ctx.onQuery('q', (args) => args)
  ctx.onQuery('fails', () => {
    throw new RangeError('no')
  })
  ctx.onUpdate('u', z.unknown(), (value) => value)
  ctx.onUpdate('fails', z.never(), () => undefined)
  return ctx.signal('end', z.literal('now'))
})
const http = useHttp([echo, waits])
const seed = Number(process.env['CEREBELUM_TEST_SEED'] ?? Date.now() % 2 ** 31)
const statuses = new Map<number, number>()

beforeAll(async () => {
  await http.client.start('waits', null, { id: 'w' })
  await (await http.client.start('echo', null, { id: 'done' })).result()
  await http.client.schedules.create('yearly', { spec: { cron: '0 0 1 1 *' }, workflow: 'echo' })
})

it('no odd text at any place makes the server fail', async () => {
  const requests = oddRequests()
  while (requests.length > 0) await Promise.all(requests.splice(0, 20).map(check))
  expect(http.logged).toEqual([])
}, 60_000)

it(`nothing that is asked makes the server fail (seed ${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(madeUpRequest, { minLength: 8, maxLength: 8 }), async (requests) => {
      await Promise.all(requests.map(check))
    }),
    { numRuns: 150, seed, endOnFailure: true },
  )
  // The storm was one: it reached the engine in every way, and not only its doors.
  for (const status of [200, 201, 202, 204, 400, 404, 409, 415, 422])
    expect(statuses.get(status) ?? 0, `answers with ${status}`).toBeGreaterThan(0)
  await eventually(async () => (await http.request('GET', './readyz')).status === 200)
  const { executionId } = await http.client.start('echo', 'still here')
  expect(await http.client.result(executionId)).toBe('still here')
  expect(http.logged).toEqual([])
}, 120_000)

async function check(made: MadeUp): Promise<void> {
  const response = await send(made)
  if (response === undefined) return
  const text = await response.text()
  const shown = `${response.status} ${text} for ${JSON.stringify(made)}`
  statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1)
  expect(response.status, shown).toBeLessThan(500)
  if (response.status < 400 || made.method === 'HEAD') return
  expect(response.headers.get('content-type'), shown).toBe('application/problem+json')
  const problem: { code?: unknown; detail?: unknown; status?: unknown } = Object(JSON.parse(text))
  expect(problem.status, shown).toBe(response.status)
  expect(problem.code, shown).toMatch(/^[A-Z_]+$/)
  expect(problem.detail, shown).toMatch(/^\S.*[.!?:]/s)
}

async function send({ method, path, headers, body }: MadeUp): Promise<Response | undefined> {
  try {
    return await fetch(`${http.url}/api/v1${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
    })
  } catch (error) {
    // A header that the sender itself refuses never leaves.
    if (error instanceof TypeError && /header|ByteString/i.test(error.message)) return undefined
    throw error
  }
}
