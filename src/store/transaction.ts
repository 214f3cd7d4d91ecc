// The only place that begins a transaction: BEGIN, the work, COMMIT, on one connection that nobody else uses.

import type postgres from 'postgres'
import { CerebelumError } from '../core/errors.js'
import type { Sessions } from './sessions.js'
import type { TransactionSql } from './store.js'

/** Runs `work` between BEGIN and COMMIT on one connection; rolls back when it throws. Never retries. */
export function transaction<T>(sessions: Sessions, work: (sql: TransactionSql) => Promise<T>): Promise<T> {
  return sessions.use(async (session, spoil) => {
    /** A server can refuse these too, and then the connection stays in the transaction: nobody may go on there. */
    const orSpoil = (error: unknown): never => {
      spoil()
      throw error
    }
    await session`begin`.catch(orSpoil)
    const scope = asTransaction(session)
    let result: T
    try {
      result = await work(scope.sql)
    } catch (error) {
      // A connection that is closed is rolled back as well: the first error is the one to tell.
      await session`rollback`.catch(spoil)
      throw error
    } finally {
      scope.end()
    }
    await session`commit`.catch(orSpoil)
    return result
  })
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
