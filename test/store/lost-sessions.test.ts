// Transactional steps whose connection is lost: before they begin, and between two of their statements. A statement
// must never run on another connection than the transaction it belongs to, or half of a step takes effect.

import type postgres from 'postgres'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/engine/create-engine.js'
import { workflow } from '../../src/workflow/define.js'
import type { TransactionSql } from '../../src/store/store.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { startProxy, type Proxy } from '../support/proxy.js'

let database: TestDatabase
let proxy: Proxy
let engine: Engine
let sql: postgres.Sql
/** Called between the two statements of a pair. */
let between: () => unknown = () => undefined

const pair = workflow({ name: 'pair' }, async (ctx) => {
  await ctx.transaction('both', async (tx) => {
    const table = tx(`${database.schema}.pairs`)
    await tx`insert into ${table} (execution_id, half) values (${ctx.executionId}::text, 'first')`
    await between()
    await tx`insert into ${table} (execution_id, half) values (${ctx.executionId}::text, 'second')`
  })
  return 'done'
})

beforeAll(async () => {
  database = await createTestDatabase()
  sql = database.connect({ max: 1 })
  await sql`create table pairs (execution_id text not null, half text not null)`
  proxy = await startProxy(database.url)
  engine = await createEngine({
    database: { url: proxy.url, schema: database.schema, connections: 2 },
    workflows: [pair],
    leaseMs: 60_000,
  })
  await engine.start()
})
afterAll(async () => {
  await engine.stop()
  await proxy.close()
  await database.drop()
})
beforeEach(() => {
  between = () => undefined
  proxy.plan = () => undefined
})

const halves = async (executionId: string): Promise<string[]> => {
  const rows = await sql<{ half: string }[]>`
    select half from pairs where execution_id = ${executionId}::text order by half`
  return rows.map(({ half }) => half)
}

describe('a connection that is lost', () => {
  it('while nobody uses it, is replaced', async () => {
    const pairs = async (): Promise<unknown[]> => {
      const handles = await Promise.all(Array.from({ length: 4 }, () => engine.client.start(pair, undefined)))
      return Promise.all(handles.map((handle) => handle.result({ timeout: '20s' })))
    }
    await pairs()
    for (let round = 0; round < 3; round += 1) {
      proxy.cutAll()
      expect(await pairs()).toEqual(['done', 'done', 'done', 'done'])
    }
  })

  it('between two statements of a step, undoes the first, and the step is done again', async () => {
    let cuts = 0
    between = async () => {
      if (cuts++ >= 3) return
      proxy.cutAll()
      // Others bring the connections back before the second statement.
      await Promise.all([engine.client.workflows(), engine.client.ping().catch(() => undefined)])
    }
    const handles = await Promise.all(Array.from({ length: 6 }, () => engine.client.start(pair, undefined)))
    for (const handle of handles) {
      expect(await handle.result({ timeout: '20s' })).toBe('done')
      expect(await halves(handle.executionId)).toEqual(['first', 'second'])
    }
  })
})

it('a connection on which the server refuses to roll back is used for nothing any more', async () => {
  // As a server does that was suspended before the statement, whose time is over when it goes on.
  let refusals = 0
  let begun = 0
  between = () => {
    if (begun++ < 3) throw Object.assign(new Error('again'), { code: '40001' })
  }
  proxy.plan = (text) => {
    if (text !== 'rollback' || refusals >= 3) return undefined
    refusals++
    return { kind: 'refuse', code: '57014' }
  }
  const handles = await Promise.all(Array.from({ length: 6 }, () => engine.client.start(pair, undefined)))
  for (const handle of handles) {
    expect(await handle.result({ timeout: '20s' })).toBe('done')
    expect(await halves(handle.executionId)).toEqual(['first', 'second'])
  }
  expect(refusals).toBe(3)
})

it('a transaction that has ended takes no more statements', async () => {
  const store = await database.openStore()
  const key = store.keyOf('nobody')
  const kept: TransactionSql[] = []
  const step = store.transact({
    key,
    nodeId: 'nobody',
    claimEpoch: 1,
    work: async (tx) => {
      kept.push(tx)
      await tx`select 1`
    },
    event: () => ({ type: 'step_completed', seq: 1, name: 'kept' }),
    lock: () => Promise.resolve(0),
    unlock: () => undefined,
  })
  await expect(step).resolves.toMatchObject({ outcome: { kind: 'lost' } })
  for (const late of kept) expect(() => late`select 1`).toThrow('after its end')
  expect(kept).toHaveLength(1)
})
