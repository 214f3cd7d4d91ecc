// Transactional steps: once, whatever collides or fails, and never in each other's or the engine's way.

import { beforeAll, describe, expect, it } from 'vitest'
import { NonRetryableError } from '../../src/core/failure.js'
import { workflow } from '../../src/workflow/define.js'
import { useEngine } from '../support/engine.js'

const attempts = new Map<string, number>()

function count(what: string): number {
  const next = (attempts.get(what) ?? 0) + 1
  attempts.set(what, next)
  return next
}

/** More transactions at once than there are connections, with steps whose records compete for the same append. */
const crowd = workflow({ name: 'crowd' }, async (ctx, n: number) => {
  const all = Array.from({ length: n }, (_, index) => [
    ctx.transaction('book', async (sql) => {
      await sql`insert into ${sql(`${using.database.schema}.ledger`)} (id, n) values (${ctx.executionId}, ${index})`
      return index
    }),
    ctx.step('aside', () => index),
  ])
  const results = await Promise.all(all.flat())
  return results.reduce((sum, value) => sum + value, 0)
})

const counterUp = workflow({ name: 'counter-up' }, async (ctx, key: string) =>
  ctx.transaction('count', async (sql) => {
    count(key)
    const table = sql(`${using.database.schema}.counters`)
    const [row] = await sql<{ n: number }[]>`select n from ${table} where id = ${key}`
    await sql`update ${table} set n = ${Number(row?.n) + 1} where id = ${key}`
    // What a serializable database says when two such meet; PostgreSQL's default level would let it pass.
    if (attempts.get(key) === 1) throw Object.assign(new Error('could not serialize'), { code: '40001' })
    return row?.n
  }),
)

const failing = workflow({ name: 'failing' }, async (ctx, how: 'own error' | 'unique key') => {
  try {
    return await ctx.transaction('fail', async (sql) => {
      const table = sql(`${using.database.schema}.ledger`)
      await sql`insert into ${table} (id, n) values (${ctx.executionId}, 1)`
      if (how === 'own error') {
        const details = { shortBy: 5 }
        throw Object.assign(new NonRetryableError('no funds', { cause: new RangeError('5') }), details)
      }
      await sql`insert into ${table} (id, n) values (${ctx.executionId}, 1)`
      return null
    })
  } catch (error) {
    // Caught: the execution goes on, and the rolled back transaction left nothing.
    const rows = await ctx.step('count', async () => {
      const sql = using.database.connect({ max: 1 })
      return (await sql`select 1 from ledger where id = ${ctx.executionId}`).length
    })
    return { error, rows }
  }
})

const large = workflow({ name: 'large' }, async (ctx, size: number) => {
  const text = await ctx.transaction('large', async () => 'x'.repeat(size))
  return text.length
})

const using = useEngine([crowd, counterUp, failing, large])

beforeAll(async () => {
  const sql = using.database.connect({ max: 1 })
  await sql`create table ledger (id text not null, n int4 not null, primary key (id, n))`
  await sql`create table counters (id text not null primary key, n int4 not null)`
})

describe('transactions', () => {
  it('far more than connections, in one execution and in several, do not wait for each other for ever', async () => {
    const handles = await Promise.all(Array.from({ length: 5 }, () => using.client.start(crowd, 40)))
    for (const handle of handles) expect(await handle.result({ timeout: '25s' })).toBe(2 * 780)
    const sql = using.database.connect({ max: 1 })
    expect((await sql`select 1 from ledger`).length).toBe(200)
  })

  it('that cannot be serialized run again, and count once', async () => {
    const sql = using.database.connect({ max: 1 })
    await sql`insert into counters (id, n) values ('c', 10)`
    const handle = await using.client.start(counterUp, 'c')
    expect(await handle.result()).toBe(10)
    expect(attempts.get('c')).toBe(2)
    expect((await sql<{ n: number }[]>`select n from counters where id = 'c'`)[0]?.n).toBe(11)
  })

  it('that throw leave nothing, and the error reaches the code as it was thrown', async () => {
    const own = await using.client.start(failing, 'own error')
    expect(await own.result()).toMatchObject({
      rows: 0,
      error: {
        name: 'NonRetryableError',
        message: 'no funds',
        shortBy: 5,
        step: 'fail',
        cause: { name: 'RangeError' },
      },
    })
  })

  it('that the database refuses say so with its code', async () => {
    const unique = await using.client.start(failing, 'unique key')
    expect(await unique.result()).toMatchObject({ rows: 0, error: { code: '23505' } })
  })

  it('may have a large result, up to the limit of payloads', async () => {
    expect(await (await using.client.start(large, 1_000_000)).result()).toBe(1_000_000)
    const over = await using.client.start(large, 1_100_000)
    await expect(over.result()).rejects.toMatchObject({ cause: { code: 'PAYLOAD_TOO_LARGE' } })
  })
})
