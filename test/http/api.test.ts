// The HTTP face on a real engine, over a real socket: every resource does what it says, and a program that knows no
// JavaScript gets all of it.

import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createHttpApp } from '../../src/http/app.js'
import { serveHttp } from '../../src/http/serve.js'
import { workflow } from '../../src/workflow/define.js'
import { useHttp, type Answer } from '../support/http.js'
import { eventually } from '../support/wait.js'

const adds = workflow({ name: 'adds', input: z.object({ n: z.number() }) }, async (ctx, { n }) =>
  ctx.step('add', () => n + 1),
)
const rich = workflow({ name: 'rich' }, async () => ({ at: new Date(0), big: 12n, set: new Set([1]) }))
const fails = workflow({ name: 'fails' }, async () => {
  throw new RangeError('out of luck')
})
const waits = workflow(
  { name: 'waits/für immer', signals: { approved: z.object({ by: z.string() }) } },
  async (ctx) => {
    let note = ''
    ctx.onQuery('note', () => note)
    ctx.onQuery('echo', (args) => args)
    ctx.onUpdate('note', z.string(), (value) => (note = value), {
      validate: (value) => {
        if (value === '') throw new RangeError('empty')
      },
    })
    return ctx.signal('approved', z.object({ by: z.string() }))
  },
)
const WAITS = waits.name

const http = useHttp([adds, rich, fails, waits], { limits: { waitersMax: 2 } })

const post = (path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
  http.request('POST', path, { body, headers })
const get = (path: string): Promise<Answer> => http.request('GET', path)
const startWaiting = async (): Promise<string> => {
  const { body } = await post('/executions', { workflow: WAITS })
  const id = String(Object(body).executionId)
  await eventually(async () => Object((await get(`/executions/${id}`)).body).status === 'waiting')
  return id
}

describe('POST /executions', () => {
  it('starts: 201 with the place, 200 when it was there', async () => {
    const made = await post('/executions', { workflow: 'adds', input: { n: 1 }, id: 'a/b c' })
    expect(made.status).toBe(201)
    expect(made.body).toEqual({ executionId: 'a/b c', created: true })
    expect(made.headers.get('location')).toBe('/api/v1/executions/a%2Fb%20c')
    const again = await post('/executions', { workflow: 'adds', input: { n: 1 }, id: 'a/b c' })
    expect(again.status).toBe(200)
    expect(again.body).toEqual({ executionId: 'a/b c', created: false })
    const found = await http.request('GET', `.${made.headers.get('location') ?? ''}`)
    expect(found.body).toMatchObject({ executionId: 'a/b c', workflow: 'adds', input: { n: 1 } })
  })

  it('with an Idempotency-Key makes one execution, however often it is sent', async () => {
    const key = { 'Idempotency-Key': '"start-7"' }
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => post('/executions', { workflow: 'adds', input: { n: 7 } }, key)),
    )
    expect(new Set(answers.map(({ body }) => Object(body).executionId)).size).toBe(1)
    const unquoted = await post(
      '/executions',
      { workflow: 'adds', input: { n: 7 } },
      { 'Idempotency-Key': 'start-7' },
    )
    expect(unquoted.body).toEqual(answers[0]?.body)
    const rejecting = { workflow: 'adds', input: { n: 7 }, id: 'keyed', idPolicy: 'reject' }
    const first = await post('/executions', rejecting, { 'Idempotency-Key': 'k-1' })
    expect(first.status).toBe(201)
    expect((await post('/executions', rejecting, { 'Idempotency-Key': 'k-1' })).status).toBe(201)
    expect((await post('/executions', rejecting, { 'Idempotency-Key': 'k-2' })).status).toBe(409)
  })

  it('takes attributes and a later start', async () => {
    const startAfter = new Date(Date.now() + 3_600_000).toISOString()
    const made = await post('/executions', {
      workflow: 'adds',
      input: { n: 1 },
      startAfter,
      attributes: { later: true },
    })
    const id = String(Object(made.body).executionId)
    expect((await get(`/executions/${id}`)).body).toMatchObject({
      status: 'waiting',
      attributes: { later: true },
    })
    const { body } = await get(`/executions/${id}/history`)
    expect(Object(body).events[0]).toMatchObject({ type: 'started', dueAt: startAfter })
  })

  it('takes a priority and a key for limits', async () => {
    const made = await post('/executions', { workflow: 'adds', input: { n: 1 }, priority: 1, key: 'shop 7' })
    expect(made.status).toBe(201)
    const { body } = await get(`/executions/${String(Object(made.body).executionId)}/history`)
    expect(Object(body).events[0].detail).toMatchObject({ priority: 1, key: 'shop 7' })
    const refused = await post('/executions', { workflow: 'adds', input: { n: 1 }, priority: 6 })
    expect(refused.status).toBe(400)
  })
})

describe('GET /executions', () => {
  it('lists by filters and in pages', async () => {
    for (const n of [0, 1, 2, 3, 4])
      await post('/executions', { workflow: 'fails', id: `f-${n}`, attributes: { even: n % 2 === 0 } })
    await eventually(async () => {
      const { body } = await get('/executions?workflow=fails&status=failed')
      return Object(body).executions.length === 5
    })
    const ids = (answer: Answer): string[] =>
      Object(answer.body).executions.map((execution: object) => Object(execution).executionId)
    expect(
      ids(await get(`/executions?attributes=${encodeURIComponent('{"even":true}')}`)).toSorted(),
    ).toEqual(['f-0', 'f-2', 'f-4'])
    expect(ids(await get('/executions?workflow=fails&status=completed,waiting'))).toEqual([])
    expect(ids(await get('/executions?status=failed&status=canceled&workflow=fails'))).toHaveLength(5)
    const first = await get('/executions?workflow=fails&limit=3')
    const cursor = String(Object(first.body).cursor)
    const second = await get(`/executions?workflow=fails&limit=3&cursor=${cursor}`)
    expect(second.body).not.toHaveProperty('cursor')
    expect([...ids(first), ...ids(second)].toSorted()).toEqual(['f-0', 'f-1', 'f-2', 'f-3', 'f-4'])
    const after = encodeURIComponent(new Date(Date.now() + 60_000).toISOString())
    expect(ids(await get(`/executions?startedAfter=${after}`))).toEqual([])
  })
})

describe('GET /executions/:id/history', () => {
  it('gives pages, with payloads', async () => {
    const { body } = await post('/executions', { workflow: 'adds', input: { n: 1 } })
    const id = String(Object(body).executionId)
    await get(`/executions/${id}/result`)
    const first = await get(`/executions/${id}/history?limit=2`)
    expect(first.body).toMatchObject({
      events: [
        { version: 1, type: 'started', payload: { n: 1 } },
        { version: 2, type: 'step_completed', name: 'add', payload: 2 },
      ],
      next: 2,
    })
    const second = await get(`/executions/${id}/history?limit=2&after=2`)
    expect(second.body).toMatchObject({ events: [{ version: 3, type: 'completed', payload: 2 }] })
    expect(second.body).not.toHaveProperty('next')
  })
})

describe('GET /executions/:id/result', () => {
  it('is 200 with how it ended', async () => {
    const result = async (start: object): Promise<unknown> => {
      const { body } = await post('/executions', start)
      const answer = await get(`/executions/${String(Object(body).executionId)}/result`)
      expect(answer.status).toBe(200)
      return answer.body
    }
    expect(await result({ workflow: 'adds', input: { n: 4 } })).toMatchObject({
      status: 'completed',
      result: 5,
    })
    expect(await result({ workflow: 'rich' })).toMatchObject({
      result: { at: '1970-01-01T00:00:00.000Z', big: '12', set: [1] },
    })
    expect(await result({ workflow: 'fails' })).toMatchObject({
      status: 'failed',
      failure: { type: 'RangeError', message: 'out of luck' },
    })
  })

  it('is 202 while there is none, after the time asked for', async () => {
    const id = await startWaiting()
    for (const query of ['?timeoutMs=0', '?timeoutMs=50']) {
      const answer = await get(`/executions/${id}/result${query}`)
      expect(answer.status).toBe(202)
      expect(answer.body).toEqual({ executionId: id, status: 'waiting' })
    }
  })

  it('comes while it is waited for', async () => {
    const id = await startWaiting()
    const waiting = get(`/executions/${id}/result`)
    await post(`/executions/${id}/signals/approved`, { by: 'ada' })
    expect((await waiting).body).toEqual({ executionId: id, status: 'completed', result: { by: 'ada' } })
  })

  it('is not waited for any more when its caller has gone', async () => {
    const id = await startWaiting()
    const aborts = [new AbortController(), new AbortController()]
    const polls = aborts.map(({ signal }) =>
      http
        .request('GET', `/executions/${id}/result`, { signal })
        .catch((error: unknown) => Object(error).name),
    )
    // Two may wait at a time in this installation.
    await eventually(async () => (await get(`/executions/${id}/result?timeoutMs=20`)).status === 429)
    for (const abort of aborts) abort.abort()
    expect(await Promise.all(polls)).toEqual(['AbortError', 'AbortError'])
    await eventually(async () => (await get(`/executions/${id}/result?timeoutMs=20`)).status === 202)
  })
})

describe('messages', () => {
  it('signal: 202, checked by its schema, once per key', async () => {
    const id = await startWaiting()
    const bad = await post(`/executions/${id}/signals/approved`, { by: 7 })
    expect(bad).toMatchObject({ status: 400, body: { code: 'INVALID_INPUT', executionId: id } })
    const key = { 'Idempotency-Key': 's-1' }
    const sent = await post(`/executions/${id}/signals/approved`, { by: 'ada' }, key)
    expect(sent).toMatchObject({ status: 202, body: { executionId: id, signal: 'approved' } })
    await get(`/executions/${id}/result`)
    expect((await post(`/executions/${id}/signals/approved`, { by: 'ada' }, key)).status).toBe(202)
    const late = await post(`/executions/${id}/signals/approved`, { by: 'eve' })
    expect(late).toMatchObject({ status: 409, body: { code: 'EXECUTION_CLOSED' } })
  })

  it('query: 200 with the answer; no body is no argument', async () => {
    const id = await startWaiting()
    expect((await post(`/executions/${id}/queries/note`)).body).toMatchObject({ query: 'note', result: '' })
    const args = { deep: [1, null, 'x'] }
    expect((await post(`/executions/${id}/queries/echo`, args)).body).toMatchObject({ result: args })
    expect(await post(`/executions/${id}/queries/nobody`)).toMatchObject({
      status: 422,
      body: { code: 'QUERY_FAILED' },
    })
  })

  it('update: 200 with the answer, 422 when it is refused, 408 without one', async () => {
    const id = await startWaiting()
    const key = { 'Idempotency-Key': 'u-1' }
    const done = await post(`/executions/${id}/updates/note`, '"first"', key)
    expect(done).toMatchObject({ status: 200, body: { update: 'note', result: 'first' } })
    expect((await post(`/executions/${id}/updates/note`, '"second"', key)).body).toMatchObject({
      result: 'first',
    })
    expect(await post(`/executions/${id}/updates/note`, '""')).toMatchObject({
      status: 422,
      body: { code: 'UPDATE_REJECTED' },
    })
    expect(await post(`/executions/${id}/updates/nobody?timeoutMs=30`)).toMatchObject({
      status: 408,
      body: { code: 'UPDATE_TIMEOUT' },
    })
  })
})

describe('steering', () => {
  const statusOf = async (id: string): Promise<unknown> =>
    Object((await get(`/executions/${id}`)).body).status

  it('cancel, with a reason or without', async () => {
    for (const body of [undefined, { reason: 'enough' }]) {
      const id = await startWaiting()
      expect((await post(`/executions/${id}/cancel`, body)).status).toBe(202)
      const { status, failure } = Object((await get(`/executions/${id}/result`)).body)
      expect(status).toBe('canceled')
      expect(failure.message).toContain(body?.reason ?? 'requested')
    }
  })

  it('terminate, and delete what is closed', async () => {
    const id = await startWaiting()
    expect(await http.request('DELETE', `/executions/${id}`)).toMatchObject({
      status: 409,
      body: { code: 'EXECUTION_NOT_CLOSED' },
    })
    expect((await post(`/executions/${id}/terminate`, { reason: 'why not' })).status).toBe(200)
    expect((await get(`/executions/${id}/result`)).body).toMatchObject({
      status: 'terminated',
      failure: { code: 'EXECUTION_TERMINATED' },
    })
    const deleted = await http.request('DELETE', `/executions/${id}`)
    expect(deleted).toMatchObject({ status: 204, body: undefined })
    expect((await http.request('DELETE', `/executions/${id}`)).status).toBe(404)
  })

  it('pause, resume, retry', async () => {
    const id = await startWaiting()
    expect((await post(`/executions/${id}/pause`)).status).toBe(202)
    await eventually(async () => (await statusOf(id)) === 'paused')
    expect((await post(`/executions/${id}/resume`)).status).toBe(200)
    expect(await post(`/executions/${id}/retry`)).toMatchObject({
      status: 409,
      body: { code: 'EXECUTION_NOT_RESUMABLE' },
    })
    await eventually(async () => (await statusOf(id)) === 'waiting')
  })
})

describe('the rest', () => {
  it('knows the workflows', async () => {
    expect((await get('/workflows')).body).toMatchObject({
      workflows: expect.arrayContaining([{ workflow: WAITS, version: '1' }]),
    })
  })

  it('is healthy, at both places', async () => {
    for (const prefix of ['', '/api/v1']) {
      expect(await http.request('GET', `.${prefix}/healthz`)).toMatchObject({
        status: 200,
        body: { alive: true },
      })
      const ready = await http.request('GET', `.${prefix}/readyz`)
      expect(ready).toMatchObject({ status: 200, body: { ready: true } })
      expect(ready.headers.get('cache-control')).toBe('no-store')
    }
  })

  it('drains: unready, alive, and polls are answered at once', async () => {
    const draining = new AbortController()
    const app = createHttpApp({
      client: http.client,
      readiness: () => Promise.resolve({ ready: true }),
      draining: draining.signal,
    })
    const server = await serveHttp(app, { port: 0 })
    try {
      const id = await startWaiting()
      const poll = fetch(`${server.url}/api/v1/executions/${id}/result`)
      // Not before it waits: the answer would else be of the first look.
      await eventually(async () => {
        const second = await get(`/executions/${id}/result?timeoutMs=10`)
        return second.status === 202
      })
      draining.abort()
      const answer = await poll
      expect(answer.status).toBe(202)
      await answer.text()
      const ready = await fetch(`${server.url}/readyz`)
      expect(ready.status).toBe(503)
      expect(await ready.json()).toEqual({ ready: false, reason: 'draining' })
      expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
    } finally {
      await server.close()
    }
  })

  it('takes bodies as large as it is told, and no larger', async () => {
    const app = createHttpApp({
      client: http.client,
      readiness: () => Promise.resolve({ ready: true }),
      bodyBytesMax: 100,
    })
    const start = (input: string): Promise<Response> =>
      Promise.resolve(
        app.request('/api/v1/executions', {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ workflow: 'rich', input }),
        }),
      )
    expect((await start('x')).status).toBe(201)
    const refused = await start('x'.repeat(100))
    expect(refused.status).toBe(413)
    expect(await refused.json()).toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
      detail: expect.stringContaining('100 bytes'),
    })
  })

  it('refuses with problem details', async () => {
    const cases: readonly (readonly [string, string, unknown, number, string])[] = [
      ['POST', '/executions', { workflow: 'nobody' }, 404, 'UNKNOWN_WORKFLOW'],
      ['POST', '/executions', { workflow: 'adds', input: { n: 'x' } }, 400, 'INVALID_INPUT'],
      ['POST', '/executions', { workflow: 'adds', input: { n: 1 }, id: ' x' }, 400, 'INVALID_ID'],
      ['POST', '/executions', { workflow: 'rich', input: 'x'.repeat(1_048_576) }, 413, 'PAYLOAD_TOO_LARGE'],
      ['POST', '/executions', { workflow: 'rich', startAfter: 'soon' }, 400, 'INVALID_DURATION'],
      ['POST', '/executions', { workflow: 'rich', startAfter: '9999-12-31T23:59:59+23:59' }, 201, ''],
      [
        'POST',
        '/executions',
        { workflow: 'rich', attributes: { ['x'.repeat(101)]: 1 } },
        400,
        'INVALID_NAME',
      ],
      ['GET', '/executions/nobody', undefined, 404, 'EXECUTION_NOT_FOUND'],
      ['GET', '/executions/%00', undefined, 400, 'INVALID_ID'],
      ['GET', `/executions/${'x'.repeat(201)}`, undefined, 400, 'INVALID_ID'],
      ['GET', '/executions/nobody/result?timeoutMs=10', undefined, 404, 'EXECUTION_NOT_FOUND'],
      ['GET', '/executions?workflow=%00', undefined, 400, 'INVALID_NAME'],
      ['GET', '/executions?parentId=%00', undefined, 400, 'INVALID_ID'],
      ['GET', '/executions?cursor=x', undefined, 400, 'INVALID_CURSOR'],
      ['POST', '/executions/nobody/signals/s', {}, 404, 'EXECUTION_NOT_FOUND'],
      ['POST', `/executions/nobody/signals/${'x'.repeat(101)}`, {}, 400, 'INVALID_NAME'],
    ]
    for (const [method, path, body, status, code] of cases) {
      const answer = await http.request(method, path, body === undefined ? {} : { body })
      expect(answer.status, `${method} ${path.slice(0, 60)}`).toBe(status)
      if (status < 400) continue
      expect(answer.headers.get('content-type')).toBe('application/problem+json')
      expect(answer.body).toMatchObject({
        type: `urn:cerebelum:error:${code.toLowerCase().replaceAll('_', '-')}`,
        title: expect.any(String),
        status,
        detail: expect.stringMatching(/^The |^There |^No |^Execution /),
        instance: expect.stringContaining('/api/v1/executions'),
        code,
      })
    }
  })
})
