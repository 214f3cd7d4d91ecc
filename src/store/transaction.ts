// The only place that begins a transaction. The driver's own `sql.begin()` is not safe under load: when BEGIN
// fills a connection's pipeline, the reservation is skipped, and connections are left idle in transaction.
// A reserved connection with our own BEGIN, COMMIT and ROLLBACK is clean under the same load.

import type postgres from 'postgres'
import { CerebelumError } from '../core/errors.js'
import { sortFailure } from './failures.js'
import type { TransactionSql } from './store.js'

/** Runs `work` between BEGIN and COMMIT on one connection; rolls back when it throws. Never retries. */
export async function transaction<T>(
  pool: postgres.Sql,
  work: (sql: TransactionSql) => Promise<T>,
): Promise<T> {
  const reserved = await pool.reserve()
  const release = reserved.release.bind(reserved)
  try {
    await reserved`begin`
    let result: T
    try {
      result = await work(asTransaction(reserved))
    } catch (error) {
      await rollBack(reserved, error)
      throw error
    }
    await reserved`commit`
    return result
  } finally {
    release()
  }
}

/** A failed rollback means a lost connection, and a lost connection rolls back: the first error is the one to tell. */
async function rollBack(reserved: postgres.ReservedSql, cause: unknown): Promise<void> {
  try {
    await reserved`rollback`
  } catch (error) {
    if (sortFailure(error) === 'fatal') throw new AggregateError([cause, error], 'rollback failed')
  }
}

/** What a transactional step is given: the connection with savepoints, without the means to end the transaction. */
function asTransaction(reserved: postgres.ReservedSql): TransactionSql {
  let savepoints = 0
  async function savepoint(
    ...options: [work: Savepoint] | [name: string, work: Savepoint]
  ): Promise<unknown> {
    const [first, second] = options
    const work = typeof first === 'function' ? first : second
    if (work === undefined) throw refused('savepoint without a function')
    savepoints += 1
    const name = reserved(`cerebelum_${savepoints}`)
    await reserved`savepoint ${name}`
    try {
      const result = await work(scoped)
      await reserved`release savepoint ${name}`
      return result
    } catch (error) {
      await reserved`rollback to savepoint ${name}`
      throw error
    }
  }
  const extras = {
    savepoint,
    begin: () => Promise.reject(refused('begin')),
    prepare: () => Promise.reject(refused('prepare')),
    release: () => {
      throw refused('release')
    },
  }
  const scoped: TransactionSql = Object.assign(reserved, extras)
  return scoped
}

type Savepoint = (sql: TransactionSql) => unknown

function refused(what: string): CerebelumError {
  const text = `A transactional step called ${what} on its transaction, which Cerebelum begins and ends by itself. Use tagged templates and savepoint() only.`
  return new CerebelumError('INVALID_ARGUMENT', text)
}
