// A pool of connections each of which is opened once. The driver (3.4.9) opens a lost connection again under what it
// still holds of the old one, and then answers a statement that it never sent with no rows, as if it had been carried
// out; keeps the beginning of the new connection unsent until a time-out; or counts the rows of the next answer from
// where the lost one stopped. So whoever asks on a connection as it breaks is told that it broke, its client is thrown
// away with it, and what comes next gets a new one.

import type postgres from 'postgres'
import { type Clock, delay, randomFraction } from '../core/ports.js'
import type { PoolReading } from '../metrics/meters.js'
import { type DriverQuery, executorOf, onceOver, routed } from './driver-query.js'

export interface ConnectionsOptions {
  readonly max: number
  readonly clock: Clock
  /** Builds queries, and never executes one. */
  readonly builder: postgres.Sql
  /** A client of one connection that is opened once, by its first query. */
  readonly open: (onLost: () => void) => postgres.Sql
  /** While none can be opened: the longest wait before the next is tried. */
  readonly reconnectMaxMs: number
  /** Is given what reads how many are in use. */
  readonly meter?: ((read: () => PoolReading) => void) | undefined
}

interface Connection {
  readonly sql: postgres.Sql
  readonly execute: (query: DriverQuery) => void
  /** How many before it had failed, one after the other. */
  readonly failures: number
  hasAnswered: boolean
  isLost: boolean
}

/** One client before them all. */
export function pooled(options: ConnectionsOptions): postgres.Sql {
  const connections = new Connections(options)
  const sql = routed(options.builder, (query) => connections.take(query))
  return new Proxy(sql, {
    get(target, name, receiver) {
      if (name === 'end') return (how?: { timeout?: number }) => connections.end(how)
      const value: unknown = Reflect.get(target, name, receiver)
      return value
    },
  })
}

class Connections {
  readonly #options: ConnectionsOptions
  readonly #all = new Set<Connection>()
  readonly #idle: Connection[] = []
  readonly #waiting: DriverQuery[] = []
  readonly #quietWaiters: (() => void)[] = []
  #busy = 0
  /** How many were lost in a row that never answered anything; those opened at the same time count as one. */
  #failures = 0
  #ending: Promise<void> | undefined

  constructor(options: ConnectionsOptions) {
    this.#options = options
    options.meter?.(() => this.#reading())
  }

  #reading(): PoolReading {
    const idle = this.#idle.length
    return { busy: this.#all.size - idle, idle, waiting: this.#waiting.length, max: this.#options.max }
  }

  take(query: DriverQuery): void {
    if (this.#ending !== undefined) return query.reject(ended())
    const connection = this.#idle.pop()
    if (connection !== undefined) this.#give(connection, query)
    else if (this.#all.size < this.#options.max) void this.#open(query)
    else this.#waiting.push(query)
  }

  /** Waits for what is under way, at most so many seconds, then ends it. Idempotent. */
  end({ timeout }: { readonly timeout?: number } = {}): Promise<void> {
    this.#ending ??= this.#end(timeout)
    return this.#ending
  }

  async #end(timeoutSeconds: number | undefined): Promise<void> {
    const { clock } = this.#options
    const quiet = new Promise<void>((resolve) => {
      this.#quietWaiters.push(resolve)
      this.#tellQuiet()
    })
    const over = new AbortController()
    const late = timeoutSeconds === undefined ? [] : [delay(clock, timeoutSeconds * 1_000, over.signal)]
    await Promise.race([quiet, ...late]).finally(() => over.abort())
    for (const query of this.#waiting.splice(0)) query.reject(ended())
    await Promise.all([...this.#all].map(({ sql }) => sql.end({ timeout: 0 })))
  }

  async #open(query: DriverQuery): Promise<void> {
    const { clock } = this.#options
    const connection: Connection = this.#connection(() => this.#lost(connection))
    this.#all.add(connection)
    this.#busy++
    const waitMs = this.#backoffMs()
    if (waitMs > 0) await delay(clock, waitMs)
    this.#busy--
    this.#give(connection, query)
  }

  #connection(onLost: () => void): Connection {
    const sql = this.#options.open(onLost)
    return { sql, execute: executorOf(sql), failures: this.#failures, hasAnswered: false, isLost: false }
  }

  #backoffMs(): number {
    if (this.#failures === 0) return 0
    return Math.min(10 * 3 ** this.#failures, this.#options.reconnectMaxMs) * (0.5 + randomFraction() / 2)
  }

  #give(connection: Connection, query: DriverQuery): void {
    this.#busy++
    onceOver(query, (error) => {
      this.#busy--
      if (isTheEnd(error)) this.#lost(connection)
      else this.#answered(connection)
      if (!connection.isLost) this.#idle.push(connection)
      this.#next()
      this.#tellQuiet()
    })
    connection.execute(query)
  }

  #answered(connection: Connection): void {
    connection.hasAnswered = true
    this.#failures = 0
  }

  #next(): void {
    const query = this.#waiting[0]
    if (query === undefined || (this.#idle.length === 0 && this.#all.size >= this.#options.max)) return
    this.#waiting.shift()
    const connection = this.#idle.pop()
    if (connection === undefined) void this.#open(query)
    else this.#give(connection, query)
  }

  #lost(connection: Connection): void {
    if (connection.isLost) return
    connection.isLost = true
    if (!connection.hasAnswered)
      this.#failures = Math.min(Math.max(this.#failures, connection.failures + 1), FAILURES_MAX)
    this.#all.delete(connection)
    const at = this.#idle.indexOf(connection)
    if (at !== -1) this.#idle.splice(at, 1)
    void connection.sql.end({ timeout: 0 })
    this.#next()
  }

  #tellQuiet(): void {
    if (this.#busy > 0 || this.#waiting.length > 0) return
    for (const resolve of this.#quietWaiters.splice(0)) resolve()
  }
}

const FAILURES_MAX = 10

/** Whether the connection is of no more use: everything but what the server answers and stays. */
function isTheEnd(error: unknown): boolean {
  if (error === undefined) return false
  if (!(error instanceof Error) || error.name !== 'PostgresError') return true
  return 'severity' in error && (error.severity === 'FATAL' || error.severity === 'PANIC')
}

function ended(): Error {
  return Object.assign(new Error('the connections were closed'), { code: 'CONNECTION_ENDED' })
}
