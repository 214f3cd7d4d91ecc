// The only place that begins a transaction: BEGIN, the work, COMMIT, on one connection that nobody else uses.

import type postgres from 'postgres'
import { CerebelumError } from '../core/errors.js'
import { sortFailure } from './failures.js'
import type { Sessions } from './sessions.js'
import type { TransactionSql } from './store.js'

/** Runs `work` between BEGIN and COMMIT on one connection; rolls back when it throws. Never retries. */
export function transaction<T>(sessions: Sessions, work: (sql: TransactionSql) => Promise<T>): Promise<T> {
  return sessions.use(async (session) => {
    await session`begin`
    const scope = asTransaction(session)
    let result: T
    try {
      result = await work(scope.sql)
    } catch (error) {
      await rollBack(session, error)
      throw error
    } finally {
      scope.end()
    }
    await session`commit`
    return result
  })
}

/** A failed rollback means a lost connection, and a lost connection rolls back: the first error is the one to tell. */
async function rollBack(session: postgres.Sql, cause: unknown): Promise<void> {
  try {
    await session`rollback`
  } catch (error) {
    if (sortFailure(error) === 'fatal') throw new AggregateError([cause, error], 'rollback failed')
  }
}

/**
 * What a transactional step is given: the connection with savepoints, without the means to end the transaction, and
 * of no more use once it has ended, when the connection is another one's.
 */
function asTransaction(session: postgres.Sql): { readonly sql: TransactionSql; end(): void } {
  let savepoints = 0
  let isOver = false
  async function savepoint(
    ...options: [work: Savepoint] | [name: string, work: Savepoint]
  ): Promise<unknown> {
    const [first, second] = options
    const work = typeof first === 'function' ? first : second
    if (work === undefined) throw refused('savepoint without a function')
    savepoints += 1
    const name = session(`cerebelum_${savepoints}`)
    await session`savepoint ${name}`
    try {
      const result = await work(scoped)
      await session`release savepoint ${name}`
      return result
    } catch (error) {
      await session`rollback to savepoint ${name}`
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
  const guarded = new Proxy(session, {
    apply(target, self, args) {
      if (isOver) throw refused('a statement after its end')
      return Reflect.apply(target, self, args)
    },
  })
  const scoped: TransactionSql = Object.assign(guarded, extras)
  return {
    sql: scoped,
    end() {
      isOver = true
    },
  }
}

type Savepoint = (sql: TransactionSql) => unknown

function refused(what: string): CerebelumError {
  const text = `A transactional step called ${what} on its transaction, which Cerebelum begins and ends by itself. Use tagged templates and savepoint() only.`
  return new CerebelumError('INVALID_ARGUMENT', text)
}
