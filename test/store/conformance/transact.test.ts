// Transactional steps: the writes of the step and its event, both or neither, once.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { CerebelumError } from '../../../src/core/errors.js'
import type { ExecutionKey } from '../../../src/core/execution.js'
import type { TransactionSql } from '../../../src/store/store.js'
import { conformance } from '../../support/conformance.js'
import { commitOf, Place, startClaimed, stepCompleted } from '../../support/store-rows.js'

conformance('transact', (context) => {
  beforeAll(async () => {
    await context.sql`create table if not exists payments (id text not null primary key)`
    await context.sql`create schema if not exists ${context.sql(theirs())}`
    await context.sql`
      create table if not exists ${context.sql(`${theirs()}.events`)} (id text not null primary key)`
  })
  afterAll(async () => {
    await context.sql`drop schema if exists ${context.sql(theirs())} cascade`
  })

  /** A schema of the user's own, with a table that has the name of one of ours. */
  const theirs = (): string => `${context.database.schema}_theirs`

  async function claimed(): Promise<{ key: ExecutionKey; node: string }> {
    const place = new Place()
    const key = place.key('one')
    await startClaimed(context.store, place.node('a'), [key])
    return { key, node: place.node('a') }
  }

  function step<T>(
    { key, node }: { key: ExecutionKey; node: string },
    work: (sql: TransactionSql) => Promise<T>,
    overrides: { readonly claimEpoch?: number; readonly version?: number } = {},
  ) {
    return context.store.transact({
      key,
      nodeId: node,
      claimEpoch: overrides.claimEpoch ?? 1,
      work,
      event: (result) => stepCompleted(1, JSON.stringify(result)),
      lock: () => Promise.resolve(overrides.version ?? 1),
      unlock: () => undefined,
    })
  }

  function pay(sql: TransactionSql, id: string) {
    return sql`insert into ${sql(`${context.database.schema}.payments`)} (id) values (${id}::text)`
  }

  async function payments(id: string): Promise<number> {
    const rows = await context.sql`select 1 from payments where id like ${`${id}%`}::text`
    return rows.length
  }

  async function typesOf(key: ExecutionKey): Promise<string[]> {
    const [history] = await context.store.readHistories([{ key, from: 1 }], 100)
    return (history ?? []).map(({ type }) => type)
  }

  test('the writes and the event are committed together', async () => {
    const one = await claimed()
    const { executionId } = one.key
    const { outcome, result } = await step(one, async (sql) => {
      await pay(sql, executionId)
      return { paid: executionId }
    })
    expect(outcome).toMatchObject({ kind: 'committed' })
    expect(result).toEqual({ paid: executionId })
    expect(await payments(executionId)).toBe(1)
    const [history] = await context.store.readHistories([{ key: one.key, from: 2 }], 10)
    expect(history).toMatchObject([{ type: 'step_completed', payload: JSON.stringify(result), version: 2 }])
  })

  test.each([
    ['the claim is lost', { claimEpoch: 2 }],
    ['the version is taken', { version: 0 }],
  ])('nothing is written when %s', async (_why, overrides) => {
    const one = await claimed()
    const { outcome, result } = await step(
      one,
      async (sql) => {
        await pay(sql, one.key.executionId)
        return 'done'
      },
      overrides,
    )
    expect({ outcome, result }).toEqual({ outcome: { kind: 'lost' }, result: 'done' })
    expect(await payments(one.key.executionId)).toBe(0)
    expect(await typesOf(one.key)).toEqual(['started'])
  })

  test("an error of the step's code undoes its writes and comes out as it is", async () => {
    const one = await claimed()
    const poor = Object.assign(new Error('insufficient funds'), { code: 'ECONNREFUSED' })
    const failing = step(one, async (sql) => {
      await pay(sql, one.key.executionId)
      throw poor
    })
    await expect(failing).rejects.toBe(poor)
    expect(await payments(one.key.executionId)).toBe(0)
    expect(await typesOf(one.key)).toEqual(['started'])
  })

  test("what the database refuses of the step's own statements is the step's error", async () => {
    const one = await claimed()
    const twice = step(one, async (sql) => {
      await pay(sql, one.key.executionId)
      await pay(sql, one.key.executionId)
    })
    await expect(twice).rejects.toMatchObject({ name: 'PostgresError', code: '23505' })
    const missing = step(one, (sql) => sql`select 1 from no_such_table_of_theirs`)
    await expect(missing).rejects.toMatchObject({ name: 'PostgresError', code: '42P01' })
    expect(await payments(one.key.executionId)).toBe(0)
  })

  test('a key of a table of the user is told from the key of the history', async () => {
    const one = await claimed()
    const table = `${theirs()}.events`
    const twice = step(one, async (sql) => {
      for (let n = 0; n < 2; n++)
        await sql`insert into ${sql(table)} (id) values (${one.key.executionId}::text)`
    })
    await expect(twice).rejects.toMatchObject({ name: 'PostgresError', code: '23505' })
  })

  test('a value that cannot be recorded undoes the writes', async () => {
    const one = await claimed()
    const failing = context.store.transact({
      key: one.key,
      nodeId: one.node,
      claimEpoch: 1,
      work: (sql) => pay(sql, one.key.executionId),
      event: () => {
        throw new CerebelumError('PAYLOAD_TOO_LARGE', 'too large')
      },
      lock: () => Promise.resolve(1),
      unlock: () => undefined,
    })
    await expect(failing).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' })
    expect(await payments(one.key.executionId)).toBe(0)
  })

  test('a savepoint that is rolled back undoes its part only', async () => {
    const one = await claimed()
    const { executionId } = one.key
    const { outcome } = await step(one, async (sql) => {
      await pay(sql, `${executionId} kept`)
      const part = sql.savepoint(async (inner) => {
        await pay(inner, `${executionId} undone`)
        throw new Error('not this one')
      })
      // A conflict of the whole transaction is not ours to swallow.
      await part.catch((error: unknown) => {
        if (!(error instanceof Error) || error.message !== 'not this one') throw error
      })
      await sql.savepoint('named', (inner) => pay(inner, `${executionId} named`))
      return null
    })
    expect(outcome).toMatchObject({ kind: 'committed' })
    expect(await payments(`${executionId} kept`)).toBe(1)
    expect(await payments(`${executionId} named`)).toBe(1)
    expect(await payments(`${executionId} undone`)).toBe(0)
  })

  test('the right to append is taken after the work, and given up before every other try, and only then', async () => {
    const one = await claimed()
    const order: string[] = []
    await context.store.transact({
      key: one.key,
      nodeId: one.node,
      claimEpoch: 1,
      work: () => Promise.resolve(order.push('work')),
      event: () => stepCompleted(1),
      lock: () => {
        order.push('lock')
        return Promise.resolve(1)
      },
      unlock: () => void order.push('unlock'),
    })
    expect(order.join(' ')).toMatch(/^(work (lock unlock )?)*work lock$/)
  })

  test('more steps at once than there are connections all get through, each in order of its own', async () => {
    const many = await Promise.all(Array.from({ length: 25 }, claimed))
    const outcomes = await Promise.all(
      many.map((one) =>
        step(one, async (sql) => {
          await pay(sql, one.key.executionId)
          return 1
        }),
      ),
    )
    expect(new Set(outcomes.map(({ outcome }) => outcome.kind))).toEqual(new Set(['committed']))
    for (const { key } of many) expect(await payments(key.executionId)).toBe(1)
    const [first] = many
    if (first === undefined) throw new Error('25 of them')
    expect(
      await context.store.commit([commitOf(first.key, first.node, { expectedVersion: 2 })]),
    ).toMatchObject([{ kind: 'committed' }])
  })
})
