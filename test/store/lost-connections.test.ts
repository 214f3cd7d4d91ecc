// A connection that is cut, within an answer or while nobody uses it: the driver opens it again, and whatever is answered
// next must be whole. A statement that was never sent must not be answered at all.

import { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type postgres from 'postgres'
import { expect, test, vi } from 'vitest'
import { failureCode } from '../../src/store/failures.js'
import { createPool } from '../../src/store/pool.js'
import { databaseUrl } from '../support/database.js'
import { startProxy } from '../support/proxy.js'

test('the answer after one that was cut has its rows from the first on', async () => {
  const proxy = await startProxy(databaseUrl())
  const pool = createPool({ ...OPTIONS, url: proxy.url })
  const askFive = () =>
    pool<{ n: number }[]>`select n::int4 as n from generate_series(1, 5) as t (n) order by n`
  await askFive()
  proxy.plan = () => ({ kind: 'cut-answer' })
  await expect(askFive()).rejects.toThrow()
  proxy.plan = () => undefined
  const rows = await askFive()
  expect(rows.length).toBe(5)
  expect(rows.map((row) => row.n)).toEqual([1, 2, 3, 4, 5])
  expect(rows.count).toBe(5)
  await pool.end()
  await proxy.close()
})

test('a statement between the failure of a connection and its end is not taken for carried out', async () => {
  const proxy = await startProxy(databaseUrl())
  const pool = createPool({ ...OPTIONS, url: proxy.url })
  const destroy: unknown = Reflect.get(Socket.prototype, 'destroy')
  if (typeof destroy !== 'function') throw new TypeError('sockets are not destroyed that way')
  for (let round = 0; round < 5; round++) {
    await ask(pool)
    const asked = new Promise<unknown>((resolve) => {
      vi.spyOn(Socket.prototype, 'destroy').mockImplementation(function (this: Socket, error) {
        // The driver has heard of the error by then, and of the end not yet.
        if (error !== undefined) process.nextTick(() => process.nextTick(() => resolve(answerOf(pool))))
        Reflect.apply(destroy, this, [error])
        return this
      })
    })
    proxy.cutAll()
    expect(EXPECTED).toContain(await asked)
    vi.restoreAllMocks()
    expect(await ask(pool)).toEqual([{ n: 7 }])
  }
  await pool.end()
  await proxy.close()
})

test('a statement that meets a connection as it breaks fails soon, or is answered', async () => {
  const proxy = await startProxy(databaseUrl())
  const pool = createPool({ ...OPTIONS, url: proxy.url })
  for (let round = 0; round < 60; round++) {
    await ask(pool)
    proxy.cutAll()
    // The socket says that it has failed in one turn of the event loop, and that it is closed in a later one.
    for (let turn = 0; turn < round % 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    // It must hear of it without anybody else who opens the connection again.
    expect(EXPECTED).toContain(await Promise.race([answerOf(pool), sleep(4_000, 'nothing')]))
  }
  await pool.end()
  await proxy.close()
})

const OPTIONS = { connections: 1, statementTimeoutMs: 30_000, settings: false, name: 'test' }
const EXPECTED = ['7', 'CONNECTION_CLOSED', 'ECONNRESET', 'EPIPE']

function ask(pool: postgres.Sql): Promise<{ n: number }[]> {
  return pool<{ n: number }[]>`select 7::int4 as n`
}

function answerOf(pool: postgres.Sql): Promise<string> {
  return ask(pool).then(
    (rows) => rows.map((row) => row.n).join(),
    (error: unknown) => failureCode(error) ?? String(error),
  )
}
