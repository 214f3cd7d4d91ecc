// Transitions that reserve a connection, on a pool that has not opened its connections yet: the driver can lose a
// connection that a reservation opens, one after the other, until the whole store stands still.

import { afterAll, beforeAll, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../support/database.js'

let database: TestDatabase

beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.drop())

it('a pool of three stays one of three after transitions that found none of it open', async () => {
  const store = await database.openStore({ connections: 3 })
  const key = store.keyOf('nobody')
  await Promise.all([store.remove(key), store.remove(key), store.remove(key), store.readExecutions([key])])
  // Two of the three wait for a lock: the third must be there.
  const sql = database.connect({ max: 1 })
  await sql`begin`
  await sql`select 1 from partitions where id = 0 for update`
  const waiting = [store.takePartitions('a', [0]), store.takePartitions('a', [0])]
  expect(await store.readExecutions([key])).toEqual([null])
  await sql`commit`
  expect(await Promise.all(waiting)).toEqual([[0], [0]])
})
