// Steps: retries by their policy, time-outs wherever the time was spent, heartbeats, and errors of every kind.

import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { delay, systemClock } from '../../src/core/ports.js'
import type { RetryPolicy } from '../../src/core/retry.js'
import type { StepContext, StepOptions } from '../../src/workflow/context.js'
import { workflow } from '../../src/workflow/define.js'
import { useEngine } from '../support/engine.js'
import { eventually } from '../support/wait.js'

interface Try {
  readonly attempt: number
  readonly atMs: number
  readonly key: string
  readonly lastHeartbeat: unknown
  readonly signal: AbortSignal
}

const tries = new Map<string, Try[]>()

function note(step: StepContext): number {
  const before = tries.get(step.executionId) ?? []
  const { attempt, idempotencyKey: key, lastHeartbeat, signal } = step
  tries.set(step.executionId, [...before, { attempt, atMs: performance.now(), key, lastHeartbeat, signal }])
  return before.length + 1
}

function triesOf(id: string): Try[] {
  return tries.get(id) ?? []
}

/** What a step does, by name: workflows are looked up by replays, so it cannot be a function in their input. */
const work: Record<string, (step: StepContext, n: number) => unknown> = {
  'fails twice': (_, n) => {
    if (n < 3) throw new Error(`not yet: ${n}`)
    return n
  },
  'takes 20 ms, fails twice': async (_, n) => {
    await delay(systemClock, 20)
    if (n < 3) throw new Error(`not yet: ${n}`)
    return n
  },
  'fails always': () => {
    throw new Error('never')
  },
  'fails as Fatal': () => {
    throw Object.assign(new Error('fatal'), { name: 'Fatal' })
  },
  'fails with code': () => {
    throw Object.assign(new Error('declined'), { code: 'CARD_DECLINED' })
  },
  hangs: () => new Promise(() => undefined),
  'hangs once': (_, n) => (n === 1 ? new Promise(() => undefined) : n),
  'beats and fails': ({ heartbeat }, n) => {
    heartbeat({ done: new Set([n]), at: new Date(n) })
    if (n < 3) throw new Error('again')
    return n
  },
  'is sync': () => 'at once',
  'gives 7': async () => '7',
  'gives a function': () => () => 1,
  'is silent': async ({ heartbeat }, n) => {
    if (n > 1) return n
    heartbeat(n)
    return new Promise(() => undefined)
  },
}

const errors: Record<string, () => unknown> = {
  undefined: () => undefined,
  null: () => null,
  text: () => 'just a text',
  number: () => 42,
  symbol: () => Symbol('odd'),
  object: () => ({ reason: 'plain' }),
  'no prototype': () => Object.assign(Object.create(null) as object, { big: 1n }),
  frozen: () => Object.freeze(new TypeError('frozen')),
  'throwing getters': () => {
    const error = new Error('hidden')
    const get = (): never => {
      throw new Error('from a getter')
    }
    for (const key of ['message', 'name', 'stack', 'code', 'cause', 'retryable', 'own'])
      Object.defineProperty(error, key, { get, enumerable: true })
    return error
  },
  'message that is no text': () => Object.assign(new Error('x'), { message: { deep: 1 } }),
  'circular cause': () => {
    const error = new Error('round')
    error.cause = error
    return error
  },
  'revoked proxy': () => {
    const { proxy, revoke } = Proxy.revocable(new Error('x'), {})
    revoke()
    return proxy
  },
  aggregate: () => new AggregateError([new RangeError('one'), 'two'], 'both'),
  huge: () => new Error('x'.repeat(5_000_000)),
}

interface Plan {
  readonly does: string
  readonly options?: StepOptions<unknown>
  readonly schema?: 'number'
}

const one = workflow({ name: 'one' }, async (ctx, { does, options = {}, schema }: Plan) =>
  ctx.step('the step', (step) => work[does]?.(step, note(step)), {
    ...options,
    ...(schema === undefined ? {} : { schema: z.coerce.number() }),
  }),
)

const odd = workflow({ name: 'odd' }, async (ctx, what: string) => {
  try {
    return await ctx.step(
      'odd',
      () => {
        throw errors[what]?.()
      },
      { retry: { attempts: 2, initial: 1 } },
    )
  } catch (error) {
    return error
  }
})

const racing = workflow({ name: 'racing' }, async (ctx) => {
  const winner = await Promise.any([
    ctx.step('fails', () => Promise.reject(new Error('first')), { retry: false }),
    ctx.step('works', () => 'second'),
  ])
  const all = await Promise.allSettled([
    ctx.step('a', () => Promise.reject(new RangeError('a')), { retry: false }),
    ctx.step('b', () => 'b'),
  ])
  await Promise.any(
    [1, 2].map((n) => ctx.step(`fail ${n}`, () => Promise.reject(new Error(`${n}`)), { retry: false })),
  )
  return { winner, all }
})

const using = useEngine([one, odd, racing])

async function run(plan: Plan): Promise<{ id: string; outcome: unknown }> {
  const { executionId: id } = await using.client.start(one, plan)
  const outcome = await using.client.result(id, { timeout: '20s' }).catch((error: unknown) => error)
  return { id, outcome }
}

/** The waits between the attempts, in ms. */
function waits(id: string): number[] {
  return triesOf(id).flatMap((now, n, all) => (n === 0 ? [] : [now.atMs - (all[n - 1]?.atMs ?? 0)]))
}

describe('a retry policy', () => {
  const growing: readonly [string, RetryPolicy, readonly number[]][] = [
    ['exponential', { attempts: 5, initial: 20, factor: 3, jitter: 0 }, [20, 60, 180, 540]],
    [
      'exponential up to a cap',
      { attempts: 5, initial: 20, factor: 3, cap: 100, jitter: 0 },
      [20, 60, 100, 100],
    ],
    ['linear', { attempts: 4, initial: 30, backoff: 'linear', jitter: 0 }, [30, 60, 90]],
    ['constant', { attempts: 4, initial: 30, backoff: 'constant', jitter: 0 }, [30, 30, 30]],
  ]
  it.each(growing)('waits %s', async (_, retry, expected) => {
    const { id, outcome } = await run({ does: 'fails always', options: { retry } })
    expect(outcome).toMatchObject({ code: 'EXECUTION_FAILED', cause: { message: 'never' } })
    const waited = waits(id)
    expect(waited).toHaveLength(expected.length)
    // Timers may be late on a loaded machine, never early by more than their grain.
    for (const [n, ms] of expected.entries()) expect(waited[n]).toBeGreaterThan(ms - 2)
  })

  it('waits less at random, by its jitter', async () => {
    const retry = { attempts: 4, initial: 200, backoff: 'constant', jitter: 1 } as const
    const { id } = await run({ does: 'fails always', options: { retry } })
    expect(Math.min(...waits(id))).toBeLessThan(200)
  })

  it('ends at once on errors that it names, by name or by code', async () => {
    for (const [does, nonRetryable] of [
      ['fails as Fatal', 'Fatal'],
      ['fails with code', 'CARD_DECLINED'],
    ] as const) {
      const retry = { attempts: 5, initial: 1, nonRetryable: [nonRetryable] }
      const { id, outcome } = await run({ does, options: { retry } })
      expect(outcome).toMatchObject({ code: 'EXECUTION_FAILED' })
      expect(triesOf(id)).toHaveLength(1)
    }
  })

  it('of one attempt is `false`', async () => {
    const { id } = await run({ does: 'fails always', options: { retry: false } })
    expect(triesOf(id)).toHaveLength(1)
  })

  it('without end and without a wait tries on, more often than a wait can grow', async () => {
    const { executionId: id } = await using.client.start(one, {
      does: 'fails always',
      options: { retry: { attempts: Infinity, initial: 0 } },
    })
    await eventually(() => triesOf(id).length > 1_100, { deadlineMs: 20_000 })
    await using.client.cancel(id)
    await expect(using.client.result(id)).rejects.toMatchObject({ code: 'EXECUTION_CANCELED' })
  })

  it('that makes no sense is refused where the code asks for the step', async () => {
    for (const retry of [
      { attempts: 0 },
      { factor: 0.5 },
      { jitter: 2 },
      { initial: 'soon' },
      { backoff: 'quadratic' },
      { nonRetryable: 'Fatal' },
    ]) {
      const { id, outcome } = await run({ does: 'is sync', options: { retry: retry as RetryPolicy } })
      expect(outcome).toMatchObject({
        code: 'EXECUTION_FAILED',
        cause: { code: expect.stringMatching(/INVALID_(ARGUMENT|DURATION)/) as string },
      })
      expect(triesOf(id)).toHaveLength(0)
    }
  })

  it('keeps the idempotency key over attempts, also over a wait in the database', async () => {
    const retry = { attempts: 3, initial: '1.1s', backoff: 'constant', jitter: 0 } as const
    const { id, outcome } = await run({ does: 'fails twice', options: { retry } })
    expect(outcome).toBe(3)
    expect(triesOf(id).map(({ attempt }) => attempt)).toEqual([1, 2, 3])
    expect(new Set(triesOf(id).map(({ key }) => key)).size).toBe(1)
  })
})

describe('the history', () => {
  it('tells how long an attempt took, and the step where there were several', async () => {
    const retry = { attempts: 3, initial: 30, backoff: 'constant', jitter: 0 } as const
    const { id } = await run({ does: 'takes 20 ms, fails twice', options: { retry } })
    const { events } = await using.client.history(id)
    const { ms, totalMs } = durations(events.find(({ type }) => type === 'step_completed')?.detail)
    expect(ms).toBeGreaterThanOrEqual(19)
    expect(totalMs).toBeGreaterThanOrEqual(3 * 19 + 2 * 29)
  })

  it('keeps it of an attempt that waits for the next in the database', async () => {
    const retry = { attempts: 2, initial: '1.1s', jitter: 0 } as const
    const { id } = await run({ does: 'takes 20 ms, fails twice', options: { retry } })
    const { events } = await using.client.history(id)
    for (const type of ['step_retrying', 'step_failed'])
      expect(durations(events.find((event) => event.type === type)?.detail).ms).toBeGreaterThanOrEqual(19)
  })
})

function durations(detail: unknown): { readonly ms: number; readonly totalMs: number } {
  const { ms, totalMs }: Record<string, unknown> = Object(detail)
  return { ms: Number(ms), totalMs: Number(totalMs) }
}

describe('a time-out', () => {
  it('of an attempt ends the attempt, aborts its signal, and the next one begins', async () => {
    const options = { timeout: 50, retry: { attempts: 2, initial: 1 } }
    const { id, outcome } = await run({ does: 'hangs once', options })
    expect(outcome).toBe(2)
    expect(triesOf(id).map(({ signal }) => signal.aborted)).toEqual([true, false])
  })

  it('of all attempts ends the step in the middle of one', async () => {
    const options = { totalTimeout: 150, timeout: 60, retry: { attempts: Infinity, initial: 1 } }
    const { outcome } = await run({ does: 'hangs', options })
    expect(outcome).toMatchObject({ cause: { code: 'STEP_TIMEOUT', step: 'the step' } })
  })

  it('of all attempts ends the step before a wait that would exceed it', async () => {
    const options = { totalTimeout: '5s', retry: { attempts: Infinity, initial: '1 minute', jitter: 0 } }
    const { id, outcome } = await run({ does: 'fails always', options })
    expect(outcome).toMatchObject({ cause: { message: 'never' } })
    expect(triesOf(id)).toHaveLength(1)
  })

  it('of all attempts counts waits in the database, and the time when no node ran', async () => {
    const node = await using.join()
    const options = {
      totalTimeout: '2s',
      retry: { attempts: Infinity, initial: '1.2s', backoff: 'constant', jitter: 0 },
    } as const
    const { executionId: id } = await node.client.start(one, { does: 'fails always', options })
    await eventually(async () => (await using.types(id)).includes('step_retrying'))
    // As if nobody had run it for an hour.
    const sql = using.database.connect({ max: 1 })
    await sql`update events set at = at - interval '1 hour' where execution_id = ${id}`
    await sql`update executions set claim_epoch = claim_epoch + 1 where execution_id = ${id}`
    await expect(using.client.result(id)).rejects.toMatchObject({
      cause: { code: 'STEP_TIMEOUT', cause: { message: 'never' } },
    })
    expect(triesOf(id)).toHaveLength(1)
    await node.stop()
  })
})

describe('a heartbeat', () => {
  it('brings its details to the next attempt, whole, in memory and through the database', async () => {
    for (const initial of [5, '1.1s']) {
      const retry = { attempts: 3, initial, backoff: 'constant' } as const
      const { id, outcome } = await run({ does: 'beats and fails', options: { retry } })
      expect(outcome).toBe(3)
      expect(triesOf(id).map(({ lastHeartbeat }) => lastHeartbeat)).toEqual([
        undefined,
        { done: new Set([1]), at: new Date(1) },
        { done: new Set([2]), at: new Date(2) },
      ])
    }
  })

  it('that does not come in time fails the attempt', async () => {
    const options = { heartbeatTimeout: 50, retry: { attempts: 2, initial: 1 } }
    const { id, outcome } = await run({ does: 'is silent', options })
    expect(outcome).toBe(2)
    expect(triesOf(id)[0]?.signal.aborted).toBe(true)
    expect(triesOf(id)[1]?.lastHeartbeat).toBe(1)
  })
})

describe('a result', () => {
  it('may come at once', async () => {
    expect((await run({ does: 'is sync' })).outcome).toBe('at once')
  })

  it('is what its schema makes of it', async () => {
    expect((await run({ does: 'gives 7', schema: 'number' })).outcome).toBe(7)
  })

  it('that does not match its schema is a failure, tried again', async () => {
    const options = { retry: { attempts: 2, initial: 1 } }
    const { id, outcome } = await run({ does: 'gives a function', schema: 'number', options })
    expect(outcome).toMatchObject({ cause: { code: 'INVALID_OUTPUT' } })
    expect(triesOf(id)).toHaveLength(2)
  })

  it('that cannot be stored is a failure, not tried again: it has taken effect', async () => {
    const { id, outcome } = await run({ does: 'gives a function' })
    expect(outcome).toMatchObject({ cause: { code: 'UNSERIALIZABLE' } })
    expect(triesOf(id)).toHaveLength(1)
  })
})

describe('an error', () => {
  const told: Record<string, object> = {
    undefined: { name: 'Thrown', message: 'undefined' },
    null: { name: 'Thrown', message: 'null' },
    text: { name: 'Thrown', message: 'just a text' },
    number: { name: 'Thrown', message: '42' },
    symbol: { name: 'Thrown', message: 'Symbol(odd)' },
    object: { name: 'Thrown', message: '{"reason":"plain"}' },
    'no prototype': { name: 'Thrown' },
    frozen: { name: 'TypeError', message: 'frozen' },
    'throwing getters': { name: 'Error' },
    'message that is no text': { name: 'Error', message: '{"deep":1}' },
    'circular cause': { name: 'Error', message: 'round', cause: { message: 'round' } },
    'revoked proxy': { name: 'Thrown' },
    aggregate: {
      name: 'AggregateError',
      message: 'both',
      errors: [{ name: 'RangeError', message: 'one' }, { message: 'two' }],
    },
    huge: { name: 'Error' },
  }
  it.each(Object.keys(errors))(
    'may be odd (%s): it reaches the code, and nothing else suffers',
    async (what) => {
      const { executionId: id } = await using.client.start(odd, what)
      const error = await using.client.result(id, { timeout: '10s' })
      expect(error).toMatchObject({ ...told[what], step: 'odd', attempt: 2 })
    },
  )

  it('of Promise.any and allSettled is told in full', async () => {
    const { executionId: id } = await using.client.start(racing, null)
    await expect(using.client.result(id)).rejects.toMatchObject({
      cause: { name: 'AggregateError', errors: [{ message: '1' }, { message: '2' }] },
    })
  })
})
