// Connections for transactions. Each serves one transaction at a time, is opened once and never again: when it is
// lost, every further statement of its transaction fails, instead of running on a fresh connection outside of it.
// The driver's own `sql.begin()` and `sql.reserve()` (3.4.9) promise neither: under load a reservation is skipped, a
// reserved connection that was lost is opened again under its holder, and one that is being opened can get lost.

import pLimit, { type LimitFunction } from 'p-limit'
import type postgres from 'postgres'
import { createSession, type PoolOptions } from './pool.js'

interface Session {
  readonly sql: postgres.Sql
  isLost: boolean
}

export class Sessions {
  private readonly options: PoolOptions
  private readonly limit: LimitFunction
  private readonly open = new Set<Session>()
  private readonly idle: Session[] = []
  private isEnded = false

  /** Opens no connection yet; `connections` at most. */
  constructor(options: PoolOptions) {
    this.options = options
    this.limit = pLimit(options.connections)
    options.meter?.(() => ({
      busy: this.open.size - this.idle.length,
      idle: this.idle.length,
      waiting: this.limit.pendingCount,
      max: options.connections,
    }))
  }

  /** Runs `work` with a connection of its own, which nobody is given again once it is spoiled; waits for its turn. */
  use<T>(work: (sql: postgres.Sql, spoil: () => void) => Promise<T>): Promise<T> {
    return this.limit(async () => {
      if (this.isEnded) throw Object.assign(new Error('the store is closed'), { code: 'CONNECTION_ENDED' })
      const session = this.take()
      try {
        return await work(session.sql, () => {
          session.isLost = true
        })
      } finally {
        if (session.isLost) await this.discard(session)
        else this.idle.push(session)
      }
    })
  }

  /** Waits for transactions under way up to the time-out, then cuts them. Idempotent. */
  async end({ timeout }: { readonly timeout: number }): Promise<void> {
    this.isEnded = true
    await Promise.all([...this.open].map(({ sql }) => sql.end({ timeout })))
  }

  private take(): Session {
    for (let session = this.idle.pop(); session !== undefined; session = this.idle.pop()) {
      if (!session.isLost) return session
      void this.discard(session)
    }
    const session: Session = {
      isLost: false,
      sql: createSession(this.options, () => {
        session.isLost = true
      }),
    }
    this.open.add(session)
    return session
  }

  private async discard(session: Session): Promise<void> {
    this.open.delete(session)
    await session.sql.end({ timeout: 0 })
  }
}
