// Requests made up by chance: mostly what the API takes, with something odd in it. `w` waits for ever, `done` has ended.

import fc from 'fast-check'

export interface MadeUp {
  readonly method: string
  /** Path and query string. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array | undefined
}

/** Texts that somebody sends sooner or later, by mistake or on purpose. */
export const ODD_TEXTS: readonly string[] = [
  '',
  ' ',
  '.',
  '..',
  '%',
  '%00',
  '%2F',
  '*',
  '\u0000',
  'a\u0000b',
  'a\nb',
  '\u202e',
  '\ud800',
  '😀',
  'x'.repeat(300),
  'null',
  'undefined',
  'constructor',
  '__proto__',
  '0',
  '-1',
  '1.5',
  '1e999',
  'NaN',
  '9007199254740993',
  '+275760-09-13T00:00:00.000Z',
  '{"a":"\\u0000"}',
  "'; drop table executions; --",
]

const awkward = fc.oneof(fc.constantFrom(...ODD_TEXTS), fc.string({ unit: 'binary', maxLength: 12 }))

/** Every odd text at every place where the API takes one. */
export function oddRequests(): MadeUp[] {
  const headers = { 'content-type': 'application/json' }
  const base = { headers, body: undefined }
  const posted = (path: string, body: unknown): MadeUp => ({
    ...base,
    method: 'POST',
    path,
    body: asText(body),
  })
  return ODD_TEXTS.flatMap((text) => {
    const odd = encode(text)
    const parameters = [
      'workflow',
      'status',
      'startedAfter',
      'startedBefore',
      'parentId',
      'attributes',
      'limit',
      'cursor',
    ]
    return [
      ...['', '/history', `/result?${BRIEFLY}`].map((what) => ({
        ...base,
        method: 'GET',
        path: `/executions/${odd}${what}`,
      })),
      ...['cancel', 'terminate', 'pause', 'resume', 'retry'].map((what) =>
        posted(`/executions/${odd}/${what}`, undefined),
      ),
      { ...base, method: 'DELETE', path: `/executions/${odd}` },
      ...['signals', 'updates', 'queries'].flatMap((what) => [
        posted(`/executions/${odd}/${what}/end?${what === 'signals' ? '' : BRIEFLY}`, text),
        posted(`/executions/w/${what}/${odd}?${what === 'signals' ? '' : BRIEFLY}`, text),
      ]),
      ...parameters.map((name) => ({ ...base, method: 'GET', path: `/executions?${name}=${odd}` })),
      ...['after', 'limit'].map((name) => ({
        ...base,
        method: 'GET',
        path: `/executions/w/history?${name}=${odd}`,
      })),
      posted('/executions', { workflow: text }),
      posted('/executions', { workflow: 'echo', input: { [text]: text } }),
      posted('/executions', { workflow: 'echo', id: text }),
      posted('/executions', { workflow: 'echo', id: 'done', idPolicy: text }),
      posted('/executions', { workflow: 'echo', startAfter: text }),
      posted('/executions', { workflow: 'echo', attributes: { [text]: 1 } }),
      posted('/executions', { workflow: 'echo', attributes: { a: text } }),
      posted('/executions/done/terminate', { reason: text }),
      { ...posted('/executions', { workflow: 'echo' }), headers: { ...headers, 'idempotency-key': text } },
      { ...base, method: 'GET', path: `/schedules/${odd}` },
      { ...base, method: 'DELETE', path: `/schedules/${odd}` },
      ...['workflow', 'limit', 'cursor'].map((name) => ({
        ...base,
        method: 'GET',
        path: `/schedules?${name}=${odd}`,
      })),
      ...['pause', 'resume', 'trigger'].map((what) => posted(`/schedules/${odd}/${what}`, undefined)),
      posted('/schedules/yearly/pause', { note: text }),
      posted('/schedules/yearly/backfill', { from: text, to: text }),
      ...oddSchedules(text).map((fields) => posted('/schedules', { ...YEARLY, id: 'yearly', ...fields })),
      ...oddSchedules(text).map((fields) => ({
        ...posted('/schedules/yearly', fields),
        method: 'PATCH',
      })),
    ]
  })
}

/** Never due while a test runs. */
const YEARLY = { spec: { cron: '0 0 1 1 *' }, workflow: 'echo' }

function oddSchedules(text: string): object[] {
  return [
    { id: text },
    { workflow: text },
    { input: text },
    { attributes: { [text]: text } },
    { overlap: text },
    { catchUp: text },
    { jitter: text },
    { note: text },
    { spec: { cron: text } },
    { spec: { cron: [text] } },
    { spec: { cron: `${text} 1 1 *` } },
    { spec: { cron: '0 0 1 1 *', timeZone: text } },
    { spec: { cron: '0 0 1 1 *', from: text } },
    { spec: { every: text } },
    { spec: { every: '1 year', offset: text } },
  ]
}

function mostly<T, U>(good: fc.Arbitrary<T>, odd: fc.Arbitrary<U>): fc.Arbitrary<T | U> {
  return fc.oneof({ weight: 6, arbitrary: good }, { weight: 1, arbitrary: odd })
}

const id = mostly(fc.constantFrom('w', 'w', 'done', 'a', 'b', 'a/b'), awkward)
const name = mostly(fc.constantFrom('q', 'u', 'end', 'fails'), awkward)
const instant = mostly(fc.constantFrom('2026-01-01T00:00:00Z', '2999-12-31T23:59:59+01:00'), awkward)

const startBody = fc.record(
  {
    workflow: mostly(fc.constantFrom('echo', 'waits'), awkward),
    input: fc.option(fc.jsonValue({ maxDepth: 3 }), { nil: undefined }),
    id: fc.option(id, { nil: undefined }),
    idPolicy: fc.option(
      mostly(fc.constantFrom('reject', 'return-existing', 'allow-after-close', 'replace'), awkward),
      { nil: undefined, freq: 2 },
    ),
    startAfter: fc.option(
      mostly(
        fc.constantFrom<string | number>(1, '10ms', '2026-01-01T00:00:00Z'),
        fc.constantFrom(-1, 1e300, true),
      ),
      { nil: undefined, freq: 2 },
    ),
    attributes: fc.option(
      mostly(
        fc.dictionary(fc.constantFrom('a', 'b'), fc.constantFrom(1, 'x', true, null)),
        fc.dictionary(awkward, fc.jsonValue({ maxDepth: 1 }), { maxKeys: 3 }),
      ),
      { nil: undefined, freq: 2 },
    ),
    odd: fc.option(awkward, { nil: undefined, freq: 10 }),
  },
  { requiredKeys: [] },
)
const reasonBody = fc.record({ reason: mostly(fc.constant('because'), awkward) }, { requiredKeys: [] })

const brokenText = fc.oneof(
  fc.constantFrom(
    '{',
    '['.repeat(20_000),
    '"\\ud800"',
    '\ufeff{}',
    '{"__proto__":{"workflow":"echo"}}',
    '1e999',
  ),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.uint8Array({ maxLength: 40 }),
)
const asText = (value: unknown): string => JSON.stringify(value) ?? ''
const bodyOf = (good: fc.Arbitrary<unknown>): fc.Arbitrary<string | Uint8Array> =>
  mostly(good.map(asText), brokenText)
const anyJson = bodyOf(fc.jsonValue({ maxDepth: 4 }))
const noBody = mostly(fc.constant(''), anyJson)

/** Nothing may wait for long. */
const BRIEFLY = 'timeoutMs=5'
const query = (parameters: Readonly<Record<string, fc.Arbitrary<string>>>): fc.Arbitrary<string> =>
  fc.record(parameters, { requiredKeys: [] }).map((chosen) =>
    Object.entries(chosen)
      .map(([key, value]) => `${key}=${encode(String(value))}`)
      .join('&'),
  )

const listQuery = query({
  workflow: mostly(fc.constantFrom('echo', 'waits'), awkward),
  status: mostly(fc.constantFrom('waiting', 'completed,failed', 'running'), awkward),
  startedAfter: instant,
  startedBefore: instant,
  parentId: id,
  attributes: mostly(
    fc.constantFrom('{"a":1}', '{}', '{"a":"x","b":null}'),
    fc.constantFrom('{', '{"a":"\\u0000"}', '7'),
  ),
  limit: mostly(fc.constantFrom('1', '5', '1000'), awkward),
  cursor: mostly(
    fc.constant(Buffer.from('["2026-01-01T00:00:00.000Z","a"]').toString('base64url')),
    fc.oneof(awkward, fc.constant(Buffer.from('["9999999-01-01","\\u0000"]').toString('base64url'))),
  ),
})
const historyQuery = query({
  after: mostly(fc.constantFrom('0', '1', '2147483647'), awkward),
  limit: mostly(fc.constantFrom('1', '1000'), awkward),
})

interface Target {
  readonly method: string
  readonly path: string
  readonly body: string | Uint8Array | undefined
}
const get = (path: fc.Arbitrary<string>): fc.Arbitrary<Target> =>
  path.map((made) => ({ method: 'GET', path: made, body: undefined }))
const post = (path: fc.Arbitrary<string>, body: fc.Arbitrary<string | Uint8Array>): fc.Arbitrary<Target> =>
  fc.tuple(path, body).map(([made, text]) => ({ method: 'POST', path: made, body: text }))
const of = (what: string): fc.Arbitrary<string> => id.map((made) => `/executions/${encode(made)}${what}`)
const named = (what: string): fc.Arbitrary<string> =>
  fc.tuple(id, name).map(([made, its]) => `/executions/${encode(made)}/${what}/${encode(its)}`)

const schedulePath = mostly(fc.constantFrom('yearly', 's1', 's2'), awkward).map(
  (made) => `/schedules/${encode(made)}`,
)
const cron = fc
  .tuple(...['0', '0', '1,15', '1-6/2', '*'].map((field) => mostly(fc.constant(field), awkward)))
  .map((fields) => fields.join(' '))
const scheduleBody = fc.record(
  {
    id: mostly(fc.constantFrom('s1', 's2'), awkward),
    workflow: mostly(fc.constantFrom('echo', 'waits'), awkward),
    spec: mostly(
      fc.oneof(
        fc.record({ cron, timeZone: mostly(fc.constantFrom('UTC', 'Europe/Berlin'), awkward) }),
        fc.record({
          every: mostly(fc.constantFrom<string | number>('1 year', 1e10), fc.constantFrom(0, 1e300)),
        }),
      ),
      fc.jsonValue({ maxDepth: 2 }),
    ),
    overlap: mostly(fc.constantFrom('skip', 'allow', 'cancel-other'), awkward),
    jitter: mostly(fc.constantFrom<string | number>(0, '1h'), awkward),
    catchUp: mostly(fc.constantFrom<string | number>(10_000, '1h'), awkward),
    note: mostly(fc.constant('why'), awkward),
  },
  { requiredKeys: ['spec', 'workflow'] },
)
const scheduleTarget: fc.Arbitrary<Target> = fc.oneof(
  post(fc.constant('/schedules'), bodyOf(scheduleBody)),
  get(schedulePath),
  get(fc.constantFrom('/schedules', '/schedules?limit=1', '/schedules?workflow=echo')),
  post(
    fc
      .tuple(schedulePath, fc.constantFrom('pause', 'resume', 'trigger', 'backfill'))
      .map(([path, what]) => `${path}/${what}`),
    noBody,
  ),
  fc.tuple(schedulePath, bodyOf(scheduleBody)).map(([path, body]) => ({ method: 'PATCH', path, body })),
  schedulePath.map((path) => ({ method: 'DELETE', path, body: undefined })),
)

const target: fc.Arbitrary<Target> = fc.oneof(
  { weight: 4, arbitrary: post(fc.constant('/executions'), bodyOf(startBody)) },
  { weight: 3, arbitrary: get(listQuery.map((text) => `/executions?${text}`)) },
  { weight: 1, arbitrary: get(of('')) },
  {
    weight: 2,
    arbitrary: get(fc.tuple(of('/history'), historyQuery).map(([path, text]) => `${path}?${text}`)),
  },
  { weight: 1, arbitrary: get(of(`/result?${BRIEFLY}`)) },
  { weight: 2, arbitrary: post(named('signals'), anyJson) },
  {
    weight: 2,
    arbitrary: post(
      named('queries').map((path) => `${path}?${BRIEFLY}`),
      anyJson,
    ),
  },
  {
    weight: 2,
    arbitrary: post(
      named('updates').map((path) => `${path}?${BRIEFLY}`),
      anyJson,
    ),
  },
  { weight: 1, arbitrary: post(of('/cancel'), bodyOf(reasonBody)) },
  { weight: 1, arbitrary: post(of('/terminate'), bodyOf(reasonBody)) },
  { weight: 1, arbitrary: post(of('/pause'), noBody) },
  { weight: 1, arbitrary: post(of('/resume'), noBody) },
  { weight: 1, arbitrary: post(of('/retry'), noBody) },
  { weight: 3, arbitrary: scheduleTarget },
  { weight: 1, arbitrary: of('').map((path) => ({ method: 'DELETE', path, body: undefined })) },
  {
    weight: 1,
    arbitrary: fc.record({
      method: fc.constantFrom('GET', 'POST', 'DELETE', 'PUT', 'PATCH', 'HEAD', 'OPTIONS'),
      path: fc.oneof(
        fc.constantFrom('/executions', '/executions/w/cancel', '/workflows', '/healthz', '/readyz', '/', ''),
        awkward.map((text) => `/${encode(text)}?${encode(text)}`),
      ),
      body: fc.constant(undefined),
    }),
  },
)

const headers = fc
  .record({
    type: mostly(
      fc.constant('application/json'),
      fc.constantFrom('', 'text/plain', 'application/JSON; charset=utf-16', 'application/problem+json'),
    ),
    key: fc.option(
      mostly(fc.constantFrom('k', '"k-1"'), fc.constantFrom('"', '', ' ', 'x'.repeat(300), 'é')),
      {
        nil: undefined,
        freq: 2,
      },
    ),
  })
  .map(({ type, key }) => ({
    ...(type === '' ? {} : { 'content-type': type }),
    ...(key === undefined ? {} : { 'idempotency-key': key }),
  }))

export const madeUpRequest: fc.Arbitrary<MadeUp> = fc
  .tuple(target, headers)
  .map(([made, sent]) => ({ ...made, headers: sent }))

export function encode(text: string): string {
  try {
    return encodeURIComponent(text)
  } catch {
    // A lone surrogate; as a program would send it that encodes bytes by itself.
    return '%ED%A0%80'
  }
}
