// A connection that is cut within an answer: the driver opens it again, and what it answers next must be whole.

import { expect, test } from 'vitest'
import { createPool } from '../../src/store/pool.js'
import { databaseUrl } from '../support/database.js'
import { startProxy } from '../support/proxy.js'

test('the answer after one that was cut has its rows from the first on', async () => {
  const proxy = await startProxy(databaseUrl())
  const pool = createPool({
    url: proxy.url,
    connections: 1,
    statementTimeoutMs: 30_000,
    settings: false,
    name: 'test',
  })
  const ask = () => pool<{ n: number }[]>`select n::int4 as n from generate_series(1, 5) as t (n) order by n`
  await ask()
  proxy.plan = () => ({ kind: 'cut-answer' })
  await expect(ask()).rejects.toThrow()
  proxy.plan = () => undefined
  const rows = await ask()
  expect(rows.length).toBe(5)
  expect(rows.map((row) => row.n)).toEqual([1, 2, 3, 4, 5])
  expect(rows.count).toBe(5)
  await pool.end()
  await proxy.close()
})
