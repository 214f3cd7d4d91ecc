// The database away under a running node: killed under a running node, frozen for a while. The node lives on, says that it is
// unready, refuses what it cannot do with a typed error, and goes on by itself; nothing is lost and nothing done twice.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { errorCode } from '../../src/core/errors.js'
import { createEngine, type Engine, type EngineOptions } from '../../src/engine/create-engine.js'
import { createHttpApp } from '../../src/http/app.js'
import { serveHttp, type HttpServer } from '../../src/http/serve.js'
import { migrate } from '../../src/store/migrate.js'
import { workflow } from '../../src/workflow/define.js'
import { silentLogger } from '../../src/core/ports.js'
import { connect } from '../support/connect.js'
import { startOwnPostgres, type OwnPostgres } from '../support/own-postgres.js'
import { eventually } from '../support/wait.js'

let postgres: OwnPostgres
const stops: (() => Promise<void>)[] = []

beforeAll(async () => {
  postgres = await startOwnPostgres()
  await migrate({ url: postgres.url })
  const sql = connect(postgres.url, { max: 1 })
  await sql`create table ledger (execution_id text not null, n int4 not null)`
  await sql.end()
}, 120_000)
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})
afterAll(() => postgres.drop())

const STEPS = 30
const calls = new Map<string, number>()

/** Books in the database's own ledger and calls the outside world, again and again. */
const pays = workflow({ name: 'pays' }, async (ctx) => {
  for (let n = 0; n < STEPS; n++) {
    await ctx.transaction('book', async (sql) => {
      await sql`insert into ledger (execution_id, n) values (${ctx.executionId}::text, ${n}::int4)`
    })
    await ctx.step('call', async (step) => {
      calls.set(step.idempotencyKey, (calls.get(step.idempotencyKey) ?? 0) + 1)
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    })
    await ctx.step('breathe', () => pause(10))
  }
  return STEPS
})
const sleeps = workflow({ name: 'sleeps' }, async (ctx) => {
  await ctx.sleep(600)
  return ctx.signal('wake', z.string())
})

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}

async function nodeOf(options: Partial<EngineOptions> = {}): Promise<{ engine: Engine; http: HttpServer }> {
  const engine = await createEngine({ database: postgres.url, workflows: [pays, sleeps], ...options })
  stops.push(() => engine.stop())
  await engine.start()
  const app = createHttpApp({
    client: engine.client,
    readiness: () =>
      Promise.resolve(
        engine.isReady ? { ready: true } : { ready: false, reason: 'the database does not answer' },
      ),
  })
  const http = await serveHttp(app, { port: 0 })
  stops.push(() => http.close({ graceMs: 0 }))
  return { engine, http }
}

/** How often each payment was booked. */
async function bookings(prefix: string): Promise<number[]> {
  const sql = connect(postgres.url, { max: 1 })
  const rows = await sql<{ count: number }[]>`
    select count(*)::int4 as count from ledger where execution_id like ${`${prefix}-%`}::text
    group by execution_id, n`
  await sql.end()
  return rows.map(({ count }) => count)
}

/** Some work under way: paying executions in the middle, and one that sleeps. */
async function begin(engine: Engine, name: string, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, n) => `${name}-${n}`)
  await engine.client.startMany(ids.map((id) => ({ workflow: pays, id })))
  await engine.client.start(sleeps, null, { id: `${name}-sleeper` })
  await eventually(async () => {
    const { events } = await engine.client.history(`${name}-0`)
    return events.length > 20
  })
  return ids
}

async function finish(engine: Engine, name: string, ids: readonly string[]): Promise<void> {
  for (const id of ids) expect(await engine.client.result(id, { timeout: '60s' })).toBe(STEPS)
  await engine.client.signal(`${name}-sleeper`, 'wake', 'up')
  expect(await engine.client.result(`${name}-sleeper`, { timeout: '60s' })).toBe('up')
  for (const id of ids) {
    const types = (await engine.client.history(id)).events.map(({ type }) => type)
    expect(types.filter((type) => type === 'step_completed')).toHaveLength(STEPS * 3)
    expect(types.filter((type) => type === 'completed')).toHaveLength(1)
  }
}

describe('away under a running node', () => {
  it.each([
    ['killed, for less than the span of the retries', 'kill', 30_000],
    ['killed, for longer', 'kill', 300],
    ['shut down and started again', 'shutDown', 30_000],
  ] as const)(
    'the database is %s, and everything goes on by itself',
    async (_name, end, retryForMs) => {
      calls.clear()
      const { engine, http } = await nodeOf({ database: { url: postgres.url, retryForMs } })
      const prefix = `${end}-${retryForMs}`
      const ids = await begin(engine, prefix, 20)
      const waiting = engine.client.result(ids[0] ?? '', { timeout: '60s' })
      await postgres[end]()

      await eventually(() => !engine.isReady)
      const ready = await fetch(`${http.url}/readyz`)
      expect(ready.status).toBe(503)
      expect(ready.headers.get('retry-after')).toBe('1')
      expect(await ready.json()).toEqual({ ready: false, reason: 'the database does not answer' })
      expect((await fetch(`${http.url}/healthz`)).status).toBe(200)
      if (retryForMs < 1_000) {
        await expect(engine.client.get(prefix)).rejects.toMatchObject({
          code: 'DATABASE_UNAVAILABLE',
          details: { retryAfterMs: 1_000 },
        })
        await expect(engine.client.start(pays, null, { id: `${prefix}-late` })).rejects.toMatchObject({
          code: 'DATABASE_UNAVAILABLE',
        })
        const refused = await fetch(`${http.url}/api/v1/executions/${prefix}-0`)
        expect(refused.status).toBe(503)
        expect(refused.headers.get('retry-after')).toBe('1')
        expect(await refused.json()).toMatchObject({
          code: 'DATABASE_UNAVAILABLE',
          detail: expect.stringMatching(/Nothing was changed: try again/),
        })
        // A later call need not wait for the span again.
        const begun = performance.now()
        await expect(engine.client.get(prefix)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
        expect(performance.now() - begun).toBeLessThan(5_000)
      }

      await postgres.restart()
      await eventually(() => engine.isReady, { deadlineMs: 30_000 })
      expect((await fetch(`${http.url}/readyz`)).status).toBe(200)
      expect(await waiting).toBe(STEPS)
      await finish(engine, prefix, ids)
      const booked = await bookings(prefix)
      expect(booked).toHaveLength(ids.length * STEPS)
      expect(new Set(booked)).toEqual(new Set([1]))
      const counts = [...calls.values()]
      expect(counts).toHaveLength(ids.length * STEPS)
      // A step in flight whose outcome could not be recorded in time may run again; each at most that once.
      expect(counts.filter((count) => count > 1).length).toBeLessThanOrEqual(
        retryForMs < 1_000 ? ids.length : 0,
      )
    },
    120_000,
  )
})

describe('away when a node is asked to stop', () => {
  it('the database keeps nobody: the node leaves in time, and another one goes on later', async () => {
    calls.clear()
    const { engine } = await nodeOf({ drainMs: 300 })
    const ids = await begin(engine, 'stopped', 5)
    const waiting = engine.client.result('stopped-sleeper').catch(errorCode)
    await postgres.kill()
    await eventually(() => !engine.isReady)
    const late = engine.client.start(pays, null, { id: 'stopped-late' }).catch(errorCode)
    const begun = performance.now()
    await engine.stop()
    // 5 s for what is under way, 5 s for the connections: well below what orchestrators grant.
    expect(performance.now() - begun).toBeLessThan(20_000)
    expect(await waiting).toBe('ENGINE_STOPPED')
    expect(['ENGINE_STOPPED', 'DATABASE_UNAVAILABLE', 'OUTCOME_UNKNOWN']).toContain(await late)
    await expect(engine.client.get('stopped-0')).rejects.toMatchObject({ code: 'ENGINE_STOPPED' })
    await postgres.restart()
    const next = await nodeOf()
    await finish(next.engine, 'stopped', ids)
    expect(new Set(await bookings('stopped'))).toEqual(new Set([1]))
  }, 120_000)
})

describe('frozen under running nodes', () => {
  it('the database costs no node its life, no step its single run, and no timer its wake', async () => {
    calls.clear()
    const warnings: string[] = []
    const log = { ...silentLogger, warn: (_fields: object, message: string) => void warnings.push(message) }
    const nodes = [await nodeOf({ log }), await nodeOf({ log })]
    const [first] = nodes
    if (first === undefined) throw new Error('no node')
    const { engine } = first
    const ids = await begin(engine, 'frozen', 20)
    const nodeIds = nodes.map((node) => node.engine.nodeId)
    await postgres.freeze()
    for (const node of nodes) await eventually(() => !node.engine.isReady)
    const late = engine.client.start(pays, null, { id: 'frozen-late' })
    // Longer than the lease and its grace, so that whoever comes first could bury the other.
    await pause(2_500)
    postgres.thaw()
    for (const node of nodes) await eventually(() => node.engine.isReady, { deadlineMs: 30_000 })
    expect((await late).created).toBe(true)
    await finish(engine, 'frozen', [...ids, 'frozen-late'])
    expect(new Set(await bookings('frozen'))).toEqual(new Set([1]))
    expect(nodes.map((node) => node.engine.nodeId)).toEqual(nodeIds)
    expect(warnings.filter((message) => message.includes('nodes died'))).toEqual([])
    expect(Math.max(...calls.values())).toBe(1)
  }, 120_000)
})
