// Requests that never reach the client: bad paths, methods, types, bodies and parameters, each with its problem.

import { describe, expect, test } from 'vitest'
import { createHttpApp } from '../../src/http/app.js'
import { unreachableClient } from './unreachable-client.js'

const app = createHttpApp({ client: unreachableClient(), readiness: () => Promise.resolve({ ready: true }) })
const EXECUTIONS = '/api/v1/executions'
const JSON_HEADERS = { 'content-type': 'application/json' }

function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return Promise.resolve(
    app.request(path, { method: 'POST', body: text, headers: { ...JSON_HEADERS, ...headers } }),
  )
}

async function problemOf(
  response: Response | Promise<Response>,
  status: number,
  code: string,
): Promise<unknown> {
  const answer = await response
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  const body: unknown = await answer.json()
  expect(body).toMatchObject({ status, code, title: expect.any(String), detail: expect.any(String) })
  expect(body).toHaveProperty('type', `urn:cerebelum:error:${code.toLowerCase().replaceAll('_', '-')}`)
  expect(body).toHaveProperty('instance')
  expect(answer.status).toBe(status)
  return body
}

async function expectProblem(
  response: Response | Promise<Response>,
  status: number,
  code: string,
): Promise<void> {
  await problemOf(response, status, code)
}

describe('paths and methods', () => {
  test.each(['/', '/api', '/api/v1', '/api/v1/executions/', '/api/v2/executions', '/api/v1/executions/a/b'])(
    '%s is no resource',
    (path) => expectProblem(app.request(path), 404, 'ROUTE_NOT_FOUND'),
  )
  test.each([
    ['PUT', EXECUTIONS, 'POST, GET, HEAD, OPTIONS'],
    ['PATCH', `${EXECUTIONS}/a`, 'GET, HEAD, DELETE, OPTIONS'],
    ['GET', `${EXECUTIONS}/a/cancel`, 'POST, OPTIONS'],
    ['DELETE', '/healthz', 'GET, HEAD, OPTIONS'],
  ])('%s %s is not answered, and says what is', async (method, path, allow) => {
    const response = await app.request(path, { method })
    await expectProblem(response, 405, 'METHOD_NOT_ALLOWED')
    expect(response.headers.get('allow')).toBe(allow)
  })
  test('OPTIONS tells the methods', async () => {
    const response = await app.request(EXECUTIONS, { method: 'OPTIONS' })
    expect(response.status).toBe(204)
    expect(response.headers.get('allow')).toBe('POST, GET, HEAD, OPTIONS')
  })
  test('a malformed percent-encoding is refused', () =>
    expectProblem(app.request(`${EXECUTIONS}/%E0%A4%A`), 400, 'INVALID_ARGUMENT'))
  test('a page of another site may not write', () =>
    expectProblem(
      post(`${EXECUTIONS}/a/terminate`, '', { 'sec-fetch-site': 'cross-site' }),
      403,
      'CROSS_SITE_REQUEST',
    ))
})

describe('bodies', () => {
  test.each(['{', '{"workflow":"a"', "{'workflow':'a'}", 'undefined', '{"workflow":"a"}}', '\u0000'])(
    '%j is malformed',
    (body) => expectProblem(post(EXECUTIONS, body), 400, 'MALFORMED_JSON'),
  )
  test('text that is not UTF-8 is malformed', () =>
    expectProblem(
      app.request(EXECUTIONS, {
        method: 'POST',
        headers: JSON_HEADERS,
        body: new Uint8Array([0x22, 0xff, 0x22]),
      }),
      400,
      'MALFORMED_JSON',
    ))
  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/jsonx',
    'multipart/form-data; boundary=x',
  ])('a body of %s is refused', (type) =>
    expectProblem(
      post(EXECUTIONS, { workflow: 'a' }, { 'content-type': type }),
      415,
      'UNSUPPORTED_MEDIA_TYPE',
    ),
  )
  test('a body over the limit is refused', () =>
    expectProblem(
      post(EXECUTIONS, { workflow: 'a', input: 'x'.repeat(2_200_000) }),
      413,
      'PAYLOAD_TOO_LARGE',
    ))
  test('a body over the limit is refused when its length is not announced', () => {
    const chunk = new TextEncoder().encode('x'.repeat(100_000))
    let chunks = 0
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        chunks += 1
        if (chunks > 30) controller.close()
        else controller.enqueue(chunk)
      },
    })
    const request = new Request(`http://localhost${EXECUTIONS}`, {
      method: 'POST',
      headers: { ...JSON_HEADERS, 'transfer-encoding': 'chunked' },
      body,
      duplex: 'half',
    })
    return expectProblem(app.request(request), 413, 'PAYLOAD_TOO_LARGE')
  })
  test.each([
    ['nothing', ''],
    ['null', null],
    ['an array', []],
    ['a text', '"a"'],
    ['no workflow', {}],
    ['a workflow that is no text', { workflow: 7 }],
    ['an unknown field', { workflow: 'a', inputs: 1 }],
    ['an id that is no text', { workflow: 'a', id: 7 }],
    ['an id of null', { workflow: 'a', id: null }],
    ['an unknown policy', { workflow: 'a', idPolicy: 'whatever' }],
    ['a negative wait', { workflow: 'a', startAfter: -1 }],
    ['a nested attribute', { workflow: 'a', attributes: { a: { b: 1 } } }],
    ['attributes in a list', { workflow: 'a', attributes: ['a'] }],
    ['an attribute with NUL', { workflow: 'a', attributes: { a: '\u0000' } }],
    ['an attribute name with a lone surrogate', { workflow: 'a', attributes: { '\ud800': 1 } }],
  ])('a start with %s is refused', (_what, body) =>
    expectProblem(post(EXECUTIONS, body), 400, 'INVALID_ARGUMENT'),
  )
  test('every issue is listed', async () => {
    const body = await problemOf(
      post(EXECUTIONS, { id: 1, idPolicy: 'x', extra: true }),
      400,
      'INVALID_ARGUMENT',
    )
    expect(body).toHaveProperty('issues', expect.arrayContaining([expect.stringContaining('workflow')]))
    expect(body).toHaveProperty('issues.length', 4)
  })
  test.each([
    ['cancel', { reason: 7 }],
    ['terminate', { why: 'x' }],
    ['pause', { reason: 'x' }],
    ['resume', []],
    ['retry', 1],
  ])('%s with %j is refused', (name, body) =>
    expectProblem(post(`${EXECUTIONS}/a/${name}`, body), 400, 'INVALID_ARGUMENT'),
  )
})

describe('headers and parameters', () => {
  test.each([' ', 'é', 'x'.repeat(201), '""'])('Idempotency-Key %j is refused', (key) =>
    expectProblem(
      post(EXECUTIONS, { workflow: 'a' }, { 'idempotency-key': key === 'é' ? '\u00e9' : key }),
      400,
      'INVALID_ARGUMENT',
    ),
  )
  test.each([
    'limit=0',
    'limit=1001',
    'limit=ten',
    'limit=1e2',
    'limit=',
    'limit=1&limit=2',
    'status=finished',
    'status=',
    'startedAfter=yesterday',
    'startedBefore=2026-01-01',
    'attributes={',
    'attributes=[1]',
    'attributes={"a":[1]}',
    'workflow=',
    'colour=red',
  ])('a list with %s is refused', (query) =>
    expectProblem(app.request(`${EXECUTIONS}?${query}`), 400, 'INVALID_ARGUMENT'),
  )
  test.each(['after=-1', 'after=x', 'limit=0', 'limit=100000', 'from=1'])(
    'a history with %s is refused',
    (query) => expectProblem(app.request(`${EXECUTIONS}/a/history?${query}`), 400, 'INVALID_ARGUMENT'),
  )
  test.each(['timeoutMs=-1', 'timeoutMs=60001', 'timeoutMs=soon', 'timeout=1'])(
    'a result with %s is refused',
    (query) => expectProblem(app.request(`${EXECUTIONS}/a/result?${query}`), 400, 'INVALID_ARGUMENT'),
  )
})
