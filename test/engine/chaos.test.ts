// Everything at once: workflows that do a bit of everything at random, on nodes that come and go, while clients start,
// signal, ask, pause, resume, cancel, terminate and replace what they find. In the end everything has come to an end,
// and the database holds nothing that cannot be. CHAOS_SECONDS makes it longer; what goes wrong says so by itself.

import { expect, it } from 'vitest'
import { z } from 'zod'
import { CerebelumError } from '../../src/core/errors.js'
import type { WorkflowContext } from '../../src/workflow/context.js'
import { workflow } from '../../src/workflow/define.js'
import { useEngine } from '../support/engine.js'
import { findViolations } from '../support/invariants.js'
import { eventually } from '../support/wait.js'

const SECONDS = Number(process.env['CHAOS_SECONDS'] ?? 6)

/** Chance of the test's own; that of the workflows comes from `ctx.random`. */
function below(n: number): number {
  return Math.floor(Math.random() * n)
}

function aWhile(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.random() * ms))
}

const child = workflow({ name: 'child' }, async (ctx, depth: number) => act(ctx, depth))

async function act(ctx: WorkflowContext, depth: number): Promise<unknown> {
  const draw = (n: number): number => Math.floor(ctx.random() * n)
  const seen: unknown[] = []
  const acts: readonly (() => Promise<unknown>)[] = [
    () => ctx.step('step', () => aWhile(20)),
    () => {
      const retry = { attempts: Infinity, initial: 5, cap: 50 }
      return ctx.step('flaky', () => (below(5) < 3 ? Promise.reject(new Error('again')) : 'done'), { retry })
    },
    () => ctx.sleep(draw(80)),
    () => ctx.signal('go', z.unknown(), { timeout: 50 + draw(300) }),
    () => Promise.race([ctx.step('race', () => aWhile(40)), ctx.sleep(20)]),
    async () => (depth > 0 ? ctx.child(child, depth - 1).catch((error: unknown) => String(error)) : null),
    async () => {
      const closePolicy = draw(2) === 0 ? 'terminate' : 'abandon'
      return depth > 0 ? ctx.child(child, depth - 1, { detach: true, closePolicy }) : null
    },
    () => Promise.all([1, 2, 3].map((n) => ctx.step('part', () => n, { compensate: () => n }))),
    async () => (ctx.run < 4 ? ctx.continueAsNew(depth) : null),
    () => ctx.transaction('transaction', async (sql) => (await sql`select 1 as one`).length),
    async () => {
      if (draw(6) === 0) throw new RangeError('on purpose')
    },
  ]
  const many = 2 + draw(4)
  for (let n = 0; n < many; n++) seen.push(await acts[draw(acts.length)]?.())
  return seen
}

const top = workflow({ name: 'top' }, async (ctx, depth: number) => {
  let added = 0
  ctx.onQuery('added', () => added)
  ctx.onUpdate('add', z.unknown(), async () => (added += await ctx.step('add', () => 1)))
  try {
    return await act(ctx, depth)
  } finally {
    if (ctx.isCanceled) await ctx.step('clean up', () => 1)
  }
})

const using = useEngine([child, top], { cache: { executionsMax: 200 } })

/** What may be said to a client that does not look before it acts. */
const EXPECTED: ReadonlySet<string> = new Set([
  'EXECUTION_CLOSED',
  'EXECUTION_NOT_RESUMABLE',
  'UPDATE_REJECTED',
  'UPDATE_TIMEOUT',
  'ENGINE_STOPPED',
])

it('whatever happens, everything ends, and nothing is lost or twice', async () => {
  const engines = [using.engine, await using.join(), await using.join({ cache: { executionsMax: 0 } })]
  const ids: string[] = []
  const surprises: unknown[] = []
  const untilMs = performance.now() + SECONDS * 1_000

  async function meddle(): Promise<void> {
    const { client } = engines[below(engines.length)] ?? using
    const id = ids[below(ids.length)]
    if (id === undefined || ids.length < 40 || below(6) === 0) {
      ids.push((await client.start(top, 2)).executionId)
      return
    }
    const acts: readonly (() => Promise<unknown>)[] = [
      () => client.cancel(id),
      () => client.pause(id),
      () => client.resume(id),
      () => client.resume(id),
      () => client.signal(id, 'go', 1),
      () => client.signal(id, 'go', 2),
      () => client.update(id, 'add', 1, { timeout: 1_000 }),
      () => client.query(id, 'added'),
      async () => (below(4) === 0 ? client.terminate(id) : null),
      async () => {
        const idPolicy = below(2) === 0 ? 'replace' : 'allow-after-close'
        return below(4) === 0 ? client.start(top, 1, { id, idPolicy }) : null
      },
      async () => (below(25) === 0 ? exchange(1 + below(engines.length - 1)) : null),
    ]
    await acts[below(acts.length)]?.()
  }

  /** A new node takes the place of another, which leaves in good order or as if it had crashed. */
  async function exchange(place: number): Promise<void> {
    const old = engines[place]
    engines[place] = await using.join(below(2) === 0 ? {} : { drainMs: 0 })
    await old?.stop()
  }

  async function meddleOn(): Promise<void> {
    while (performance.now() < untilMs) {
      await meddle().catch((error: unknown) => {
        const isExpected = error instanceof CerebelumError && EXPECTED.has(error.code)
        // Asked before its code has said what it answers, or after its end in another run.
        if (!isExpected && !(error instanceof CerebelumError && error.code === 'QUERY_FAILED'))
          surprises.push(error)
      })
    }
  }

  await Promise.all(Array.from({ length: 10 }, () => meddleOn()))
  expect(surprises).toEqual([])

  const sql = using.database.connect({ max: 2 })
  await eventually(
    async () => {
      const open = await sql<{ execution_id: string; status: string }[]>`
        select execution_id, status from executions where closed_at is null`
      for (const { execution_id: id, status } of open)
        if (status === 'paused' || status === 'blocked') await using.client.resume(id).catch(() => undefined)
      expect(open).toEqual([])
      return true
    },
    { deadlineMs: 60_000, everyMs: 200, what: 'the end of all executions' },
  )
  expect(await findViolations(sql, { quiet: true })).toEqual([])
}, 150_000)
