// A fuzzer that knows nothing but the OpenAPI document the server serves: it walks its operations with requests that are
// allowed, almost allowed and rubbish, several at a time. No answer is a 5xx, each has a status, a code and a body that the
// document declares, and the engine works as before. CEREBELUM_TEST_SEED repeats a walk; CEREBELUM_TEST_FUZZ_SECONDS makes
// it as long as that.

import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { workflow } from '../../src/workflow/define.js'
import { useHttp } from '../support/http.js'
import { OpenApiJudge, type Operation } from '../support/openapi.js'
import { encode } from './nonsense.js'
import { allowed, almost, rubbish, type FromSchema, type Known } from './from-schema.js'

const echo = workflow({ name: 'echo', input: z.unknown() }, async (_ctx, input) => input)
const waits = workflow({ name: 'waits' }, async (ctx) => {
  ctx.onQuery('q', (args) => args)
  ctx.onUpdate('u', z.unknown(), (value) => value)
  return ctx.signal('end', z.literal('now'))
})
const http = useHttp([echo, waits])
const seed = Number(process.env['CEREBELUM_TEST_SEED'] ?? Date.now() % 2 ** 31)
const seconds = Number(process.env['CEREBELUM_TEST_FUZZ_SECONDS'] ?? 0)
/** Of eight requests each. */
const ROUNDS = 60

interface Made {
  readonly operation: string
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
}

const WAITING = Array.from({ length: 12 }, (_, n) => `w/${n}`)
const SCHEDULES = Array.from({ length: 8 }, (_, n) => `yearly/${n}`)
const id = fc.constantFrom(...WAITING, 'done', 'a', 'yearly/0')
const known: Known = {
  workflow: fc.constantFrom('echo', 'waits'),
  id,
  executionId: id,
  scheduleId: fc.constantFrom(...SCHEDULES, 'a'),
  version: fc.constantFrom(1, 1, 2, 99),
  parentId: id,
  name: fc.constantFrom('q', 'u', 'end'),
  cursor: fc.constantFrom('', 'bm90aGluZw'),
  attributes: fc.constantFrom<unknown>({ a: 1 }, { b: 'x', c: null }),
  startAfter: fc.constantFrom<unknown>(1, '10ms', '2026-01-01T00:00:00Z'),
  // Never due while the test runs, and never many to make up.
  cron: fc.constantFrom<unknown>('0 0 1 1 *', ['0 0 1 1 *', '0 0 2 1 *'], 'x x x x x'),
  every: fc.constantFrom<unknown>('1 year', 31_536_000_000, 'often'),
  offset: fc.constantFrom<unknown>(0, '1 hour'),
  timeZone: fc.constantFrom('UTC', 'Europe/Berlin', 'Mars/Olympus'),
  catchUp: fc.constantFrom<unknown>('1 hour', 60_000, 'late'),
  jitter: fc.constantFrom<unknown>('10s', 0),
  from: fc.constantFrom('2025-12-31T23:00:00Z', '2024-01-01T00:00:00Z'),
  to: fc.constantFrom('2026-01-02T00:00:00Z', '2025-12-31T23:30:00+01:00'),
  until: fc.constantFrom('9999-12-31T23:59:59Z'),
  timeoutMs: fc.constantFrom<unknown>(0, 1, 20),
}

/** A request to one operation: sound as a whole, or with one part spoiled. */
function requestsTo(
  template: string,
  method: string,
  operation: Operation,
  from: FromSchema,
): fc.Arbitrary<Made> {
  const part = (name: string, schema: Readonly<Record<string, unknown>>): fc.Arbitrary<unknown> =>
    fc.oneof(
      { weight: 12, arbitrary: from.known[name] ?? allowed(schema, from) },
      { weight: 1, arbitrary: rubbish },
    )
  const parameters = (place: string): fc.Arbitrary<Record<string, unknown>> => {
    const own = operation.parameters.filter((parameter) => parameter.in === place)
    const parts = own.map(({ name, schema }) => [name, part(name, schema)] as const)
    return fc.record(Object.fromEntries(parts), {
      // Without it an answer is waited for longer than a test should.
      requiredKeys: own.map(({ name }) => name).filter((name) => place === 'path' || name === 'timeoutMs'),
    })
  }
  const schema = operation.requestBody?.content['application/json']?.schema
  const body =
    schema === undefined
      ? fc.constant(undefined)
      : fc.oneof(
          { weight: 6, arbitrary: allowed(schema, from).map((value) => JSON.stringify(value)) },
          { weight: 3, arbitrary: almost(schema, from).map((value) => JSON.stringify(value)) },
          { weight: 1, arbitrary: fc.constantFrom(undefined, '', '{', '\u0000', '[[[', '{"a":1e999}') },
        )
  const type = fc.oneof(
    { weight: 20, arbitrary: fc.constant('application/json') },
    { weight: 1, arbitrary: fc.constantFrom('text/plain', 'application/xml', '') },
  )
  const more = fc.record(
    {
      'if-none-match': fc.constantFrom('*', 'W/"x"', '"'),
      'x-request-id': fc.constantFrom('mine', 'x'.repeat(300)),
    },
    { requiredKeys: [] },
  )
  return fc
    .record({
      path: parameters('path'),
      query: parameters('query'),
      header: parameters('header'),
      body,
      type,
      more,
    })
    .map((made) => ({
      operation: operation.operationId,
      method: method.toUpperCase(),
      path:
        template.replaceAll(/\{(\w+)\}/g, (_, name: string) => encoded(made.path[name])) + search(made.query),
      headers: {
        ...(made.body === undefined ? {} : { 'content-type': made.type }),
        ...Object.fromEntries(Object.entries(made.header).map(([name, value]) => [name, textOf(value)])),
        ...made.more,
      },
      body: made.body,
    }))
}

function search(query: Readonly<Record<string, unknown>>): string {
  const given = Object.entries(query).flatMap(([name, value]) =>
    Array.isArray(value) ? value.map((one) => `${name}=${encoded(one)}`) : [`${name}=${encoded(value)}`],
  )
  return given.length === 0 ? '' : `?${given.join('&')}`
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
}

function encoded(value: unknown): string {
  return encode(textOf(value))
}

let judge: OpenApiJudge
let operations: { readonly template: string; readonly method: string; readonly operation: Operation }[]
const succeeded = new Map<string, number>()
let sent = 0

beforeAll(async () => {
  judge = new OpenApiJudge((await http.request('GET', '/openapi.json')).body)
  operations = Object.entries(judge.document.paths).flatMap(([template, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ template, method, operation })),
  )
  for (const one of WAITING) await http.client.start('waits', null, { id: one })
  await (await http.client.start('echo', null, { id: 'done' })).result()
  for (const one of SCHEDULES)
    await http.client.schedules.create(one, { spec: { cron: '0 0 1 1 *' }, workflow: 'echo' })
})

test(
  `nothing that the document allows, almost allows or forbids gets an answer outside of it (seed ${seed})`,
  async () => {
    const from = { schemas: judge.document.components.schemas, known }
    const request = fc.oneof(
      ...operations.map(({ template, method, operation }) => requestsTo(template, method, operation, from)),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 8, maxLength: 8 }), async (requests) => {
        const findings = await Promise.all(requests.map(send))
        expect(findings.flat()).toEqual([])
      }),
      seconds === 0
        ? { seed, numRuns: ROUNDS, endOnFailure: true }
        : { seed, numRuns: 10_000_000, endOnFailure: true, interruptAfterTimeLimit: seconds * 1_000 },
    )
    // It was no rubbish alone: most operations were carried out, too. (All of them take a longer walk.)
    const never = operations
      .map(({ operation }) => operation.operationId)
      .filter((name) => !succeeded.has(name))
    expect(never.length, `${sent} requests; never carried out: ${never.join(', ')}`).toBeLessThan(
      operations.length / 3,
    )
    const still = await http.client.start('echo', 'still here')
    expect(await still.result()).toBe('still here')
    expect(http.logged).toEqual([])
  },
  seconds * 1_000 + 120_000,
)

async function send({ operation, method, path, headers, body }: Made): Promise<string[]> {
  const url = `${http.url}/api/v1${path}`
  let response: Response
  try {
    response = await fetch(url, { method, headers, ...(body === undefined ? {} : { body }) })
  } catch (error) {
    // A header that the sender itself refuses never leaves.
    if (error instanceof TypeError && /header|ByteString/i.test(error.message)) return []
    throw error
  }
  sent += 1
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true
  if (isStream) await response.body?.cancel()
  const text = isStream ? '' : await response.text()
  const { status } = response
  const answer = { status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) }
  if (response.ok) succeeded.set(operation, (succeeded.get(operation) ?? 0) + 1)
  const findings = judge.findings({ method, path: new URL(url).pathname, ...answer })
  if (status >= 500) findings.push(`${status}`)
  const isProblem = response.headers.get('content-type') === 'application/problem+json'
  if (status >= 400 && (!isProblem || answer.body.status !== status)) findings.push('no problem details')
  return findings.map((finding) => `${finding} for ${method} ${path} ${String(body)}: ${text.slice(0, 500)}`)
}

test('the judge sees what is not declared: a status, a code, a field, a missing one, a header', () => {
  const headers = new Headers({ 'content-type': 'application/json', 'x-request-id': 'r', etag: 'W/"1"' })
  const good = { method: 'GET', path: '/api/v1/workflows', status: 200, headers, body: { workflows: [] } }
  expect(judge.findings(good)).toEqual([])
  const problem = new Headers({ 'content-type': 'application/problem+json', 'x-request-id': 'r' })
  const refused = { type: 't', title: 't', status: 404, detail: 'd', instance: '/', code: 'UNKNOWN_WORKFLOW' }
  const bad = [
    { ...good, status: 201 },
    { ...good, body: { workflows: [], more: 1 } },
    { ...good, body: {} },
    { ...good, body: undefined },
    { ...good, headers: new Headers({ 'content-type': 'application/json' }) },
    { ...good, headers: new Headers({ 'content-type': 'text/html', 'x-request-id': 'r', etag: 'W/"1"' }) },
    {
      ...good,
      path: '/api/v1/workflows/x',
      status: 404,
      headers: problem,
      body: { ...refused, code: 'TOO_MANY' },
    },
    { ...good, path: '/api/v1/workflows/x', status: 404, headers: problem, body: { ...refused, secret: 1 } },
  ]
  for (const answer of bad) expect(judge.findings(answer), JSON.stringify(answer.body)).not.toEqual([])
  expect(
    judge.findings({ ...good, path: '/api/v1/workflows/x', status: 404, headers: problem, body: refused }),
  ).toEqual([])
})
