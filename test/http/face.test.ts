// What holds for all requests alike: ids of requests, conditional reads, compression, pages of other origins, and repeating
// a POST blindly with its Idempotency-Key.

import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { workflow } from '../../src/workflow/define.js'
import { useHttp, type Answer } from '../support/http.js'
import { eventually } from '../support/wait.js'

const echo = workflow(
  { name: 'echo', input: z.object({ n: z.number() }).or(z.string()) },
  async (_ctx, input) => input,
)
const waits = workflow({ name: 'waits' }, async (ctx) => {
  await ctx.signal('one', z.unknown())
  return ctx.signal('two', z.unknown())
})
const PAGE = 'https://app.example.com'
const http = useHttp([echo, waits], { app: { corsOrigins: [PAGE] } })

const post = (path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
  http.request('POST', path, { body, headers })
const statusOf = async (id: string): Promise<unknown> =>
  Object((await http.request('GET', `/executions/${id}`)).body).status
const until = (id: string, status: string): Promise<unknown> =>
  eventually(async () => (await statusOf(id)) === status, { what: `${id} is ${status}` })
const startWaiting = async (id: string): Promise<void> => {
  await post('/executions', { workflow: 'waits', id })
  await until(id, 'waiting')
}

describe('the id of a request', () => {
  it("is the caller's own, in the answer and in its problem", async () => {
    const { headers, body } = await http.request('GET', '/executions/nobody', {
      headers: { 'X-Request-Id': 'mine-7' },
    })
    expect(headers.get('x-request-id')).toBe('mine-7')
    expect(body).toMatchObject({ code: 'EXECUTION_NOT_FOUND', requestId: 'mine-7' })
  })

  it('is made when there is none that is sane', async () => {
    for (const given of ['', 'a b', 'x'.repeat(300), '<script>']) {
      const { headers } = await http.request('GET', '/workflows', { headers: { 'X-Request-Id': given } })
      expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
    }
  })
})

describe('a read', () => {
  it('is 304 while nothing has changed, and whole again when it has', async () => {
    await startWaiting('read')
    const first = await http.request('GET', '/executions/read')
    const etag = first.headers.get('etag') ?? ''
    expect(etag).toMatch(/^W\/"[0-9a-f]+"$/)
    const conditional = { headers: { 'If-None-Match': etag } }
    const second = await http.request('GET', '/executions/read', conditional)
    expect(second.status).toBe(304)
    expect(second.body).toBeUndefined()
    expect(second.headers.get('x-request-id')).not.toBeNull()
    const fromPage = await http.request('GET', '/executions/read', {
      headers: { ...conditional.headers, Origin: PAGE },
    })
    expect(fromPage.status).toBe(304)
    expect(fromPage.headers.get('access-control-allow-origin')).toBe(PAGE)
    await post('/executions/read/terminate')
    const third = await http.request('GET', '/executions/read', conditional)
    expect(third).toMatchObject({ status: 200, body: { status: 'terminated' } })
  })

  it('is compressed for those who take it, and the same', async () => {
    const whole = await http.request('GET', '/openapi.json', { headers: { 'Accept-Encoding': 'identity' } })
    const small = await http.request('GET', '/openapi.json', { headers: { 'Accept-Encoding': 'gzip' } })
    expect(whole.headers.get('content-encoding')).toBeNull()
    expect(small.headers.get('content-encoding')).toBe('gzip')
    expect(small.headers.get('vary')).toContain('Accept-Encoding')
    expect(small.body).toEqual(whole.body)
  })
})

describe('a page of another origin', () => {
  const from = (origin: string) => ({ Origin: origin, 'Sec-Fetch-Site': 'cross-site' })

  it('may call when it is allowed', async () => {
    const preflight = await http.request('OPTIONS', '/executions', {
      headers: { ...from(PAGE), 'Access-Control-Request-Method': 'POST' },
    })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-origin')).toBe(PAGE)
    const made = await post('/executions', { workflow: 'echo', input: 'x' }, from(PAGE))
    expect(made.status).toBe(201)
    expect(made.headers.get('access-control-allow-origin')).toBe(PAGE)
    expect(made.headers.get('access-control-expose-headers')).toContain('Location')
  })

  it('may not when it is not', async () => {
    const refused = await post('/executions', { workflow: 'echo', input: 'x' }, from('https://evil.example'))
    expect(refused).toMatchObject({ status: 403, body: { code: 'CROSS_SITE_REQUEST' } })
    expect(refused.headers.get('access-control-allow-origin')).toBeNull()
  })
})

describe('a POST that is sent again with its Idempotency-Key', () => {
  const keyed = (path: string, key: string, body?: unknown): Promise<Answer> =>
    post(path, body, { 'Idempotency-Key': key })

  it('resumes once: what was paused meanwhile stays paused', async () => {
    await startWaiting('again')
    await keyed('/executions/again/pause', 'p-1')
    await until('again', 'paused')
    expect((await keyed('/executions/again/resume', 'r-1')).status).toBe(200)
    await until('again', 'waiting')
    expect((await keyed('/executions/again/resume', 'r-1')).status).toBe(200)
    expect((await post('/executions/again/resume')).status).toBe(409)
    // The first pause comes again, late: it has been carried out.
    expect((await keyed('/executions/again/pause', 'p-1')).status).toBe(202)
    await post('/executions/again/signals/one')
    await eventually(async () => (await http.types('again')).includes('signal_received'))
    await until('again', 'waiting')
    await keyed('/executions/again/pause', 'p-2')
    await until('again', 'paused')
    expect((await keyed('/executions/again/resume', 'r-1')).status).toBe(200)
    expect(await statusOf('again')).toBe('paused')
    expect((await keyed('/executions/again/retry', 'r-2')).status).toBe(200)
    expect((await keyed('/dead-letters/again/retry', 'r-2')).status).toBe(200)
    expect((await http.types('again')).filter((type) => type === 'resumed')).toHaveLength(2)
    expect((await http.types('again')).filter((type) => type === 'paused')).toHaveLength(2)
  })

  it('cancels once, and is no failure when the execution has ended since', async () => {
    await startWaiting('ends')
    expect((await keyed('/executions/ends/cancel', 'c-1', { reason: 'no' })).status).toBe(202)
    await until('ends', 'canceled')
    expect((await keyed('/executions/ends/cancel', 'c-1', { reason: 'no' })).status).toBe(202)
  })

  it('starts each of many once', async () => {
    const executions = Array.from({ length: 20 }, (_, n) => ({ workflow: 'echo', input: { n } }))
    const first = await keyed('/executions/batch', 'k'.repeat(200), { executions })
    const again = await keyed('/executions/batch', 'k'.repeat(200), { executions })
    const ids = (answer: Answer): string[] =>
      Object(answer.body).outcomes.map((outcome: object) => Object(outcome).executionId)
    expect(new Set(ids(first)).size).toBe(20)
    expect(ids(again)).toEqual(ids(first))
  })
})

describe('many starts at once', () => {
  it('have an outcome each, and one that is refused stops no other', async () => {
    const { status, body } = await post('/executions/batch', {
      executions: [
        { workflow: 'echo', input: { n: 1 }, id: 'many-1' },
        { workflow: 'echo', input: { n: 'one' } },
        { workflow: 'nobody' },
        { workflow: 'echo', input: { n: 1 }, id: 'many-1' },
        { workflow: 'echo', input: { n: 1 }, id: 'many-1', idPolicy: 'reject' },
      ],
    })
    expect(status).toBe(200)
    const { outcomes } = Object(body)
    expect(outcomes.map((outcome: object) => Object(outcome).status).toSorted()).toEqual([
      200, 201, 400, 404, 409,
    ])
    // The path is also that of an execution with this id.
    expect((await http.request('GET', '/executions/batch')).body).toMatchObject({
      code: 'EXECUTION_NOT_FOUND',
    })
    expect(outcomes[1]).toMatchObject({ status: 400, problem: { code: 'INVALID_INPUT' } })
    expect(outcomes[2]).toMatchObject({ status: 404, problem: { code: 'UNKNOWN_WORKFLOW' } })
  })

  it('are at least one and at most a thousand', async () => {
    for (const count of [0, 1_001]) {
      const executions = Array.from({ length: count }, () => ({ workflow: 'echo' }))
      expect((await post('/executions/batch', { executions })).status).toBe(400)
    }
  })
})

describe('what is there', () => {
  it('workflows tell their versions and what they take', async () => {
    expect((await http.request('GET', '/workflows/echo')).body).toMatchObject({
      workflow: 'echo',
      versions: ['1'],
      inputSchema: { anyOf: [{ type: 'object', required: ['n'] }, { type: 'string' }] },
    })
    expect((await http.request('GET', '/workflows/waits')).body).not.toHaveProperty('inputSchema')
    expect((await http.request('GET', '/workflows/nobody')).status).toBe(404)
  })

  it('nodes, partitions and dead letters', async () => {
    await eventually(async () => {
      const { body } = await http.request('GET', '/partitions')
      return Object(body).partitions.every((partition: object) => Object(partition).owner !== null)
    })
    const { body } = await http.request('GET', '/nodes')
    expect(Object(body).nodes).toMatchObject([{ workflows: { echo: '1', waits: '1' }, isAlive: true }])
    expect((await http.request('GET', '/dead-letters?workflow=waits&limit=5')).body).toEqual({
      executions: [],
    })
  })
})
