// What is refused, and how: every call with every kind of bad input, on a real engine. Each refusal has a stable code,
// its HTTP status, a text that says what to do, and leaves the database as it was.

import type { StandardSchemaV1 } from '@standard-schema/spec'
import { beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { Client, ListFilter, StartOptions } from '../../src/client/client.js'
import { ERROR_CODES, errorCode, type ErrorCode } from '../../src/core/errors.js'
import { createHttpApp } from '../../src/http/app.js'
import { createClient } from '../../src/client/open-client.js'
import { workflow } from '../../src/workflow/define.js'
import { unreachableClient } from '../http/unreachable-client.js'
import { dumpTables } from '../support/dump.js'
import { useEngine } from '../support/engine.js'
import { eventually } from '../support/wait.js'

/** A Standard Schema of another make: asynchronous, and with paths of its own kind. */
const evenNumber: StandardSchemaV1<unknown, number> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    async validate(value) {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
      if (typeof value === 'number' && value % 2 === 0) return { value }
      return { issues: [{ message: 'must be even', path: [{ key: 'deep' }, 0] }] }
    },
  },
}
const broken: StandardSchemaV1<unknown, number> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate() {
      throw new Error('the schema is out of order')
    },
  },
}

class Account {
  readonly id = 7
}
const UNSERIALIZABLE: readonly (readonly [string, () => unknown])[] = [
  ['a function', () => () => 1],
  ['a symbol', () => Symbol('s')],
  ['an instance of a class', () => new Account()],
  ['a promise', () => Promise.resolve(1)],
]

const order = z.object({ total: z.number() })
const takesOrder = workflow({ name: 'takes-order', input: order }, async () => 'done')
const takesEven = workflow({ name: 'takes-even', input: evenNumber }, async () => 'done')
const takesNothing = workflow({ name: 'takes-nothing', input: broken }, async () => 'done')
const anything = workflow({ name: 'anything' }, async (_ctx, input: unknown) => input)
const gives = workflow({ name: 'gives', output: order }, async (_ctx, output: unknown) => Object(output))
const givesEven = workflow({ name: 'gives-even', output: evenNumber }, async (_ctx, output: unknown) =>
  Number(output),
)
const gifts = new Map(UNSERIALIZABLE)
const unwritable = workflow({ name: 'unwritable' }, async (_ctx, what: string) => {
  const value = gifts.get(what)?.()
  // A promise would be awaited by the function itself.
  return value instanceof Promise ? { value } : value
})
const unwritableStep = workflow({ name: 'unwritable-step' }, async (ctx, what: string) =>
  ctx.step('make', () => {
    const value = gifts.get(what)?.()
    return value instanceof Promise ? { value } : value
  }),
)
const talks = workflow(
  { name: 'talks', signals: { declared: z.object({ by: z.string() }) } },
  async (ctx) => {
    ctx.onQuery('fails', () => {
      throw new RangeError('out of range')
    })
    ctx.onQuery('promises', () => Promise.resolve(1))
    ctx.onUpdate('strict', z.number(), (value) => value, {
      validate: (value) => {
        if (value > 10) throw new RangeError('over ten')
      },
    })
    ctx.onUpdate('fails', z.unknown(), () => {
      throw new TypeError('not today')
    })
    return ctx.signal('end', z.unknown())
  },
)

let stepOfToday = 'old'
const changes = workflow({ name: 'changes' }, async (ctx) => {
  ctx.onQuery('q', () => 'answer')
  const step = stepOfToday
  return ctx.step(step, () => step)
})

const using = useEngine([
  changes,
  takesOrder,
  takesEven,
  takesNothing,
  anything,
  gives,
  givesEven,
  unwritable,
  unwritableStep,
  talks,
])
const OPEN = 'open'
const DONE = 'done'

beforeAll(async () => {
  const { client } = using
  await client.start(talks, null, { id: OPEN })
  await (await client.start(anything, 1, { id: DONE })).result()
  await eventually(async () => (await client.get(OPEN)).status === 'waiting')
})

type Act = (client: Client) => Promise<unknown>
/** What, the call, its code, and what its text must say. */
type Case = readonly [what: string, act: Act, code: ErrorCode, text: RegExp]

async function refusalOf(act: Act, client: Client): Promise<unknown> {
  try {
    await act(client)
  } catch (error) {
    return error
  }
  throw new Error('the call was not refused')
}

/** What the HTTP face makes of an error. */
async function problemOf(error: unknown): Promise<{ status: number; type: string | null; body: object }> {
  const client = { ...unreachableClient(), get: () => Promise.reject(error) }
  const app = createHttpApp({ client, readiness: () => Promise.resolve({ ready: true }) })
  const response = await app.request('/api/v1/executions/x')
  return {
    status: response.status,
    type: response.headers.get('content-type'),
    body: Object(await response.json()),
  }
}

function refuses(
  cases: readonly Case[],
  options: { readonly untouched?: 'everything' | 'histories' } = {},
): void {
  const tables = options.untouched === 'histories' ? (['events', 'timers'] as const) : undefined
  it.each(cases)('%s', async (_what, act, code, text) => {
    const before = await dumpTables(using.database, tables)
    const error = await refusalOf(act, using.client)
    expect(errorCode(error), String(error)).toBe(code)
    expect(String(error)).toMatch(text)
    const problem = await problemOf(error)
    expect(problem.status).toBe(ERROR_CODES[code])
    expect(problem.status).toBeLessThan(500)
    expect(problem.type).toBe('application/problem+json')
    expect(problem.body).toMatchObject({ code, status: problem.status, detail: expect.stringMatching(text) })
    expect(await dumpTables(using.database, tables)).toEqual(before)
  })
}

const start =
  (input: unknown, options?: StartOptions, name = 'anything'): Act =>
  (client) =>
    client.start(name, input, options)
/** A value that the types refuse and a caller in JavaScript can pass all the same. */
function untyped<T>(value: unknown): T {
  const holder: { readonly value: T } = Object({ value })
  return holder.value
}

describe('a start is refused', () => {
  refuses([
    [
      'of an unknown workflow',
      start(1, {}, 'nobody'),
      'UNKNOWN_WORKFLOW',
      /"nobody".*Start a node that has it/,
    ],
    ['of a workflow without a name', start(1, {}, ''), 'INVALID_NAME', /workflow name must be a text/],
    ['of what is no workflow', start(1, {}, untyped(7)), 'INVALID_NAME', /must be a text.*not number/],
    [
      'with an input that does not match (zod)',
      start({ total: 'x' }, {}, 'takes-order'),
      'INVALID_INPUT',
      /input of workflow "takes-order".*total: .*number.*Send/,
    ],
    [
      'with an input that does not match (another schema)',
      start(3, {}, 'takes-even'),
      'INVALID_INPUT',
      /deep\.0: must be even/,
    ],
    [
      'when its schema throws',
      start(3, {}, 'takes-nothing'),
      'INVALID_INPUT',
      /the schema is out of order.*Check the schema/,
    ],
    ...UNSERIALIZABLE.map(([what, make]): Case => [
      `with ${what} as input`,
      start({ a: make() }),
      'UNSERIALIZABLE',
      /at \.a that cannot be stored.*Pass plain data/,
    ]),
    [
      'with an input that is too large',
      start('x'.repeat(1_048_576)),
      'PAYLOAD_TOO_LARGE',
      /payloadBytesMax.*pass a reference/,
    ],
    ...['', ' x', 'a\nb', '\u0000', '..', 'x'.repeat(201)].map((id): Case => [
      `with the id ${JSON.stringify(id).slice(0, 20)}`,
      start(1, { id }),
      'INVALID_ID',
      /execution id/,
    ]),
    ['with a bad start id', start(1, { id: 'x', startId: 'a\u0000' }), 'INVALID_ID', /start id/],
    [
      'with an id that is taken, when asked to',
      start(1, { id: DONE, idPolicy: 'reject' }),
      'EXECUTION_EXISTS',
      /"done" exists already \(completed\).*another id/,
    ],
    [
      'with an unknown policy',
      start(1, { id: 'x', idPolicy: untyped('whatever') }),
      'INVALID_ARGUMENT',
      /"whatever".*one of: return-existing/,
    ],
    ...['soon', -1, Number.NaN, new Date(Number.NaN), new Date(8.64e15), '9000 years'].map(
      (startAfter): Case => [
        `after ${String(startAfter)}`,
        start(1, { startAfter }),
        'INVALID_DURATION',
        /time to start.*(Write milliseconds|Give a valid Date)/,
      ],
    ),
    [
      'with attributes that cannot be searched',
      start(1, { attributes: untyped({ a: { b: 1 } }) }),
      'INVALID_ARGUMENT',
      /attribute "a".*texts/,
    ],
    [
      'of many when one is bad',
      (client) =>
        client.startMany([
          { workflow: 'anything', id: 'good-1' },
          { workflow: takesOrder, input: {} },
          { workflow: 'anything', id: 'good-2' },
        ]),
      'INVALID_INPUT',
      /takes-order/,
    ],
    [
      'of many that are no list',
      (client) => client.startMany(untyped('x')),
      'INVALID_ARGUMENT',
      /takes a list/,
    ],
    [
      'of many of which one is none',
      (client) => client.startMany([{ workflow: 'anything', id: 'good' }, untyped(null)]),
      'INVALID_ARGUMENT',
      /Request 1 of startMany is null; it must be an object/,
    ],
  ])
})

const CALLS: readonly (readonly [string, (client: Client, id: string) => Promise<unknown>])[] = [
  ['get', (client, id) => client.get(id)],
  ['history', (client, id) => client.history(id)],
  ['result', (client, id) => client.result(id, { timeout: 5_000 })],
  ['signal', (client, id) => client.signal(id, 'go', 1)],
  ['a declared signal', (client, id) => client.signal(id, 'declared', { by: 'ada' })],
  ['query', (client, id) => client.query(id, 'q')],
  ['update', (client, id) => client.update(id, 'u')],
  ['cancel', (client, id) => client.cancel(id)],
  ['terminate', (client, id) => client.terminate(id)],
  ['pause', (client, id) => client.pause(id)],
  ['resume', (client, id) => client.resume(id)],
  ['retry', (client, id) => client.retry(id)],
  ['delete', (client, id) => client.delete(id)],
]

describe('an execution that is not there', () => {
  refuses(
    CALLS.map(([name, call]): Case => [
      name,
      (client) => call(client, 'nobody'),
      'EXECUTION_NOT_FOUND',
      /no execution "nobody".*Check the id/,
    ]),
  )
})

describe('an id that cannot be one', () => {
  refuses(
    CALLS.map(([name, call]): Case => [
      name,
      (client) => call(client, 'a\u0000b'),
      'INVALID_ID',
      /execution id "a\\u0000b" has control characters.*Use printable ones/,
    ]),
  )
})

describe('a closed execution takes no', () => {
  const closed: readonly Case[] = [
    [
      'signal',
      (client) => client.signal(DONE, 'go'),
      'EXECUTION_CLOSED',
      /closed \(completed\).*signal "go"/,
    ],
    ['update', (client) => client.update(DONE, 'u'), 'EXECUTION_CLOSED', /update "u" did not reach it/],
    ['request to cancel', (client) => client.cancel(DONE), 'EXECUTION_CLOSED', /the cancel did not reach it/],
    ['pause', (client) => client.pause(DONE), 'EXECUTION_CLOSED', /allow-after-close/],
    ['end', (client) => client.terminate(DONE), 'EXECUTION_CLOSED', /nothing to terminate/],
    ['resume', (client) => client.resume(DONE), 'EXECUTION_NOT_RESUMABLE', /is completed: only paused/],
    ['retry', (client) => client.retry(DONE), 'EXECUTION_NOT_RESUMABLE', /is completed: only paused/],
    [
      'query that it does not have',
      (client) => client.query(DONE, 'q'),
      'QUERY_FAILED',
      /no query "q".*Check/,
    ],
  ]
  refuses(closed)

  it('but to cancel or terminate again what is so already is no error', async () => {
    const { client } = using
    await client.start(talks, null, { id: 'again' })
    await client.cancel('again')
    await expect(client.result('again')).rejects.toMatchObject({ code: 'EXECUTION_CANCELED' })
    await client.cancel('again')
    await client.start(talks, null, { id: 'again', idPolicy: 'allow-after-close' })
    await client.terminate('again')
    await client.terminate('again')
    await expect(client.cancel('again')).rejects.toMatchObject({ code: 'EXECUTION_CLOSED' })
  })
})

describe('an open execution', () => {
  refuses([
    ['is not deleted', (client) => client.delete(OPEN), 'EXECUTION_NOT_CLOSED', /Terminate it before/],
    ['is not retried', (client) => client.retry(OPEN), 'EXECUTION_NOT_RESUMABLE', /is waiting: only/],
    ['is not resumed', (client) => client.resume(OPEN), 'EXECUTION_NOT_RESUMABLE', /is waiting: only/],
    [
      'has no result in time',
      (client) => client.result(OPEN, { timeout: 30 }),
      'RESULT_TIMEOUT',
      /within 30 ms.*goes on; ask again/,
    ],
    [
      'is not waited for without end',
      (client) => client.result(OPEN, { timeout: Infinity }),
      'INVALID_DURATION',
      /"Infinity" is no duration/,
    ],
  ])
})

describe('a message is refused', () => {
  refuses([
    ['signal without a name', (client) => client.signal(OPEN, ''), 'INVALID_NAME', /signal name/],
    ['update with a bad name', (client) => client.update(OPEN, ' u'), 'INVALID_NAME', /update name/],
    [
      'query with a long name',
      (client) => client.query(OPEN, 'q'.repeat(101)),
      'INVALID_NAME',
      /nameCharactersMax/,
    ],
    [
      'signal that does not match what is declared',
      (client) => client.signal(OPEN, 'declared', { by: 7 }),
      'INVALID_INPUT',
      /payload of signal "declared".*by: /,
    ],
    [
      'signal with a bad id',
      (client) => client.signal(OPEN, 'go', 1, { signalId: '' }),
      'INVALID_ID',
      /signal id must be a text/,
    ],
    [
      'update with a bad id',
      (client) => client.update(OPEN, 'strict', 1, { updateId: 'x'.repeat(201) }),
      'INVALID_ID',
      /update id/,
    ],
    [
      'update with a bad time-out',
      (client) => client.update(OPEN, 'strict', 1, { timeout: 'soon' }),
      'INVALID_DURATION',
      /time to wait for an answer/,
    ],
    ...UNSERIALIZABLE.flatMap(([what, make]): Case[] => [
      [`signal of ${what}`, (client) => client.signal(OPEN, 'go', make()), 'UNSERIALIZABLE', /signal "go"/],
      [
        `update of ${what}`,
        (client) => client.update(OPEN, 'strict', make()),
        'UNSERIALIZABLE',
        /update "strict"/,
      ],
      [
        `query of ${what}`,
        (client) => client.query(OPEN, 'fails', make()),
        'UNSERIALIZABLE',
        /query "fails"/,
      ],
      [
        `cancel because of ${what}`,
        (client) => client.cancel(OPEN, untyped(make())),
        'INVALID_ARGUMENT',
        /reason/,
      ],
      [
        `terminate because of ${what}`,
        (client) => client.terminate(OPEN, untyped(make())),
        'INVALID_ARGUMENT',
        /reason/,
      ],
    ]),
    [
      'query that nobody answers',
      (client) => client.query(OPEN, 'q'),
      'QUERY_FAILED',
      /no query "q" \(it has: fails/,
    ],
    ['query that fails', (client) => client.query(OPEN, 'fails'), 'QUERY_FAILED', /failed: out of range/],
    [
      'query that answers with a promise',
      (client) => client.query(OPEN, 'promises'),
      'QUERY_FAILED',
      /cannot be stored.*promises do not survive/,
    ],
  ])
})

it('a query that the code of today cannot replay says so, and is no failure of the server', async () => {
  const { executionId } = await using.client.start('changes')
  expect(await using.client.result(executionId)).toBe('old')
  stepOfToday = 'new'
  const error = await refusalOf((client) => client.query(executionId, 'q'), using.client)
  expect(error).toMatchObject({
    code: 'QUERY_UNAVAILABLE',
    message: expect.stringMatching(
      /cannot be answered here.*step "old".*step "new".*deploy code that agrees/,
    ),
    cause: { code: 'REPLAY_DISAGREES' },
  })
  expect((await problemOf(error)).status).toBe(503)
})

describe('an update that the workflow refuses leaves no trace in its history', () => {
  refuses(
    [
      [
        'by its schema',
        (client) => client.update(OPEN, 'strict', 'x'),
        'UPDATE_REJECTED',
        /does not match its schema/,
      ],
      ['by its check', (client) => client.update(OPEN, 'strict', 11), 'UPDATE_REJECTED', /refused: over ten/],
      [
        'because it has none of that name',
        (client) => client.update(OPEN, 'nobody', 1, { timeout: 60, updateId: 'u-1' }),
        'UPDATE_TIMEOUT',
        /has no such update.*ask again with updateId "u-1"/,
      ],
    ],
    { untouched: 'histories' },
  )

  it('but one that fails at work is recorded', async () => {
    await expect(using.client.update(OPEN, 'fails')).rejects.toMatchObject({
      code: 'UPDATE_REJECTED',
      cause: { name: 'TypeError', message: 'not today' },
    })
    expect(await using.types(OPEN)).toEqual(['started', 'update_accepted', 'update_completed'])
  })
})

describe('a list is refused', () => {
  const list =
    (filter: ListFilter): Act =>
    (client) =>
      client.list(filter)
  refuses([
    ...['', 'x', 'bm90aGluZw', 'WzEsMl0', Buffer.from('["2026-01-01","a\\u0000"]').toString('base64url')].map(
      (cursor): Case => [
        `from the cursor "${cursor}"`,
        list({ cursor }),
        'INVALID_CURSOR',
        /Start again without one/,
      ],
    ),
    ['with no status at all', list({ status: [] }), 'INVALID_ARGUMENT', /empty.*Leave it out/],
    [
      'with an unknown status',
      list({ status: untyped('finished') }),
      'INVALID_ARGUMENT',
      /"finished".*one of: queued, running/,
    ],
    ['of a workflow with NUL', list({ workflow: 'a\u0000' }), 'INVALID_NAME', /workflow name/],
    ['of a parent with NUL', list({ parentId: 'a\u0000' }), 'INVALID_ID', /id of the parent/],
    [
      'since never',
      list({ startedAfter: new Date(Number.NaN) }),
      'INVALID_DURATION',
      /startedAfter is no valid Date/,
    ],
    [
      'until the end of time',
      list({ startedBefore: new Date(8.64e15) }),
      'INVALID_DURATION',
      /years 1 to 9999/,
    ],
    ['by attributes with NUL', list({ attributes: { a: '\u0000' } }), 'INVALID_ARGUMENT', /attribute "a"/],
    ['of half an execution', list({ limit: 0.5 }), 'INVALID_ARGUMENT', /whole number from 1 to 1000/],
    [
      'as a history from no version',
      (client) => client.history(OPEN, { after: Number.NaN }),
      'INVALID_ARGUMENT',
      /whole number from 0/,
    ],
  ])
})

describe('what comes out of a workflow', () => {
  const failsWith = async (definition: string, input: unknown, cause: object): Promise<void> => {
    const { executionId } = await using.client.start(definition, input)
    await expect(using.client.result(executionId)).rejects.toMatchObject({ code: 'EXECUTION_FAILED', cause })
    expect((await using.types(executionId)).at(-1)).toBe('failed')
    const details = await using.client.get(executionId)
    expect(details).toMatchObject({ status: 'failed', failure: { type: 'CerebelumError' } })
    expect(details).not.toHaveProperty('result')
  }

  it('must match its schema', async () => {
    await failsWith('gives', { total: 'x' }, { code: 'INVALID_OUTPUT' })
    await failsWith('gives-even', 3, {
      code: 'INVALID_OUTPUT',
      message: expect.stringMatching(/must be even/),
    })
  })
  it.each(UNSERIALIZABLE)('cannot be %s', async (what) => {
    const cause = { code: 'UNSERIALIZABLE', message: expect.stringMatching(/Pass plain data/) }
    await failsWith('unwritable', what, cause)
    await failsWith('unwritable-step', what, { ...cause, step: 'make', attempt: 1 })
  })
})

describe('an input that only the node can check', () => {
  it('is refused by the node: nothing of the workflow runs', async () => {
    const { url, schema } = using.database
    const client = await createClient({ database: { url, schema } })
    try {
      const handle = await client.start('takes-order', { total: 'x' })
      await expect(handle.result()).rejects.toMatchObject({
        code: 'EXECUTION_FAILED',
        cause: { code: 'INVALID_INPUT', message: expect.stringMatching(/total: /) },
      })
      const asynchronous = await client.start('takes-even', 3)
      await expect(asynchronous.result()).rejects.toMatchObject({ cause: { code: 'INVALID_INPUT' } })
      expect(await (await client.start('takes-even', 4)).result()).toBe('done')
    } finally {
      await client.close()
    }
  })
})
