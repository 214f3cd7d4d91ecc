// The connections to the database: one driver, set up for our statements.

import { Socket } from 'node:net'
import postgres from 'postgres'
import { CerebelumError } from '../core/errors.js'
import { randomFraction, systemClock } from '../core/ports.js'
import type { PoolReading } from '../metrics/meters.js'
import { pooled } from './connections.js'
import { type DriverQuery, executorOf, onceOver, routed } from './driver-query.js'

export interface PoolOptions {
  readonly url: string
  readonly connections: number
  readonly statementTimeoutMs: number
  /** Transactions of this client may idle for so long: then the server ends them. Default: for ever. */
  readonly idleInTransactionMs?: number
  /** Session settings at connect; false behind a pooler that refuses them. */
  readonly settings: boolean
  readonly name: string
  /**
   * Every statement is ours, and goes by an index. A plan that the database made while a table was small or its
   * statistics were missing is kept, and would read the table from end to end for as long as it grows; and the rows
   * that it locks would come in the order of the table instead of that of the keys.
   */
  readonly isIndexed?: boolean
  /**
   * PostgreSQL plans a statement for its parameters each time while that looks cheaper than the plan for any, and with
   * one execution in a batch it always does: planning was two fifths of the database's work for a node that is idle.
   * Our statements have one good plan (`plans.test.ts` looks at it). CockroachDB reckons its own cost: not asked there.
   */
  readonly plansOnce?: boolean
  /** The longest wait between two tries to connect; default 1 s. */
  readonly reconnectMaxMs?: number
  /** Called with the payload of every NOTIFY that a LISTEN on this client brings. */
  readonly onNotify?: (payload: string) => void
  /** Is given what reads how many connections are in use. */
  readonly meter?: ((read: () => PoolReading) => void) | undefined
}

/** Opens no connection yet. */
export function createPool(options: PoolOptions): postgres.Sql {
  return pooled({
    max: options.connections,
    clock: systemClock,
    builder: create(options, lostSocket),
    open: (onLost) => createSession(options, onLost),
    reconnectMaxMs: options.reconnectMaxMs ?? RECONNECT_MAX_MS,
    meter: options.meter,
  })
}

/** One connection that is opened once: `onLost` is called when it ends, and what is asked of it then fails. */
export function createSession(options: PoolOptions, onLost: () => void): postgres.Sql {
  const pending = new Set<DriverQuery>()
  let isOpened = false
  const open = (target: SocketTarget): Socket => {
    if (isOpened) return lostSocket()
    isOpened = true
    return connect(target, stallMsOf(options))
  }
  const sql = create({ ...options, connections: 1 }, open, () => {
    onLost()
    // The driver forgets those that were asked between the failure of the socket and its end.
    for (const query of pending) query.reject(lost())
  })
  const execute = executorOf(sql)
  return routed(sql, (query) => {
    pending.add(query)
    onceOver(query, () => pending.delete(query))
    execute(query)
  })
}

function create(
  options: PoolOptions,
  socket: (target: SocketTarget) => Socket,
  onLost?: () => void,
): postgres.Sql {
  const { url, path } = withoutSocketPath(checkUrl(options.url))
  try {
    return drive(options, { url, path, socket, onLost })
  } catch (error) {
    throw unreadableUrl(error)
  }
}

interface Wiring {
  readonly url: string
  readonly path: string | undefined
  readonly socket: (target: SocketTarget) => Socket
  readonly onLost: (() => void) | undefined
}

function drive(options: PoolOptions, { url, path, socket, onLost }: Wiring): postgres.Sql {
  const { onNotify } = options
  return postgres(url, {
    ...unknownToTypes(socket),
    ...(path !== undefined && { path }),
    ...(onLost !== undefined && { onclose: onLost }),
    ...(onNotify !== undefined && { onnotify: (_channel: string, payload: string) => onNotify(payload) }),
    max: options.connections,
    // The types are cast in every statement; asking for them costs a round trip per connection.
    fetch_types: false,
    prepare: true,
    max_lifetime: null,
    idle_timeout: 0,
    connect_timeout: CONNECT_TIMEOUT_SECONDS,
    keep_alive: 15,
    onnotice: () => undefined,
    connection: {
      application_name: options.name,
      ...(options.settings && {
        statement_timeout: options.statementTimeoutMs,
        ...(options.isIndexed === true && { enable_seqscan: 'off' }),
        ...(options.plansOnce === true && { plan_cache_mode: 'force_generic_plan' }),
        ...(options.idleInTransactionMs !== undefined && {
          idle_in_transaction_session_timeout: options.idleInTransactionMs,
        }),
      }),
    },
    types: { date: INSTANT },
  })
}

/**
 * Options that the driver reads and its types do not know. One statement at a time per connection (0 means none
 * behind the first): a short one never waits behind a long one while others are free, and a lost connection leaves
 * one outcome unknown, not a hundred.
 */
function unknownToTypes(socket: (target: SocketTarget) => Socket): object {
  return { max_pipeline: 0, socket }
}

function stallMsOf(options: PoolOptions): number {
  return options.statementTimeoutMs + STALL_MARGIN_MS
}

const CONNECT_TIMEOUT_SECONDS = 5
const RECONNECT_MAX_MS = 1_000
const STALL_MARGIN_MS = 5_000

/** Instants go as text; a Date of a user's own statement works too. */
const INSTANT = {
  to: 1184,
  from: [1082, 1114, 1184],
  serialize: (value: Date | string) => (value instanceof Date ? value.toISOString() : value),
  parse: (text: string) => new Date(text),
}

interface SocketTarget {
  readonly path?: string | false
  readonly host: string | readonly string[]
  readonly port: number | readonly number[]
}

/**
 * The driver's own sockets never set TCP_NODELAY, which halves the throughput; and nothing would end a wait for a
 * server that vanished without a word. The socket is returned while it connects: should it fail, the driver sees
 * the same events as with a socket of its own (a rejected promise here would lose it a place in its pool).
 */
function connect(target: SocketTarget, stallMs: number): Socket {
  const socket = new Socket()
  if (typeof target.path === 'string') {
    socket.connect(target.path)
  } else {
    const turn = Math.floor(randomFraction() * [target.host].flat().length)
    const host = [target.host].flat()[turn] ?? 'localhost'
    const port = [target.port].flat()[turn] ?? 5432
    socket.connect(port, host)
    socket.setNoDelay(true)
    // The driver reads `host` of its socket for the name in the TLS handshake.
    Object.assign(socket, { host, port })
  }
  return endSilence(endStalls(socket, stallMs))
}

/**
 * A server (or what stands before it) that closes without a word: the driver would connect again at once and for
 * ever, and the query that waits for the connection would never hear of it. It gets an error instead.
 */
function endSilence(socket: Socket): Socket {
  socket.once('end', () => {
    const wasHeard = socket.bytesRead > 0
    const error = new Error(
      wasHeard ? 'the database closed the connection' : 'the database closed the connection at once',
    )
    socket.destroy(Object.assign(error, { code: wasHeard ? 'ECONNRESET' : 'ECONNREFUSED' }))
  })
  return socket
}

/** In place of a connection that must not be opened again: it ends once the driver listens. */
function lostSocket(): Socket {
  const socket = new Socket()
  setImmediate(() => socket.destroy(lost()))
  return socket
}

function lost(): Error {
  return Object.assign(new Error('the connection to the database was lost'), { code: 'CONNECTION_CLOSED' })
}

/** Ends a connection on which a request has been out for longer than any statement may take. */
function endStalls(socket: Socket, stallMs: number): Socket {
  let isWaiting = false
  const write = socket.write.bind(socket)
  Object.assign(socket, {
    write: (...parameters: Parameters<typeof write>): boolean => {
      isWaiting = true
      return write(...parameters)
    },
  })
  socket.on('data', () => {
    isWaiting = false
  })
  socket.setTimeout(stallMs, () => {
    if (isWaiting)
      socket.destroy(Object.assign(new Error('no answer from the database'), { code: 'ETIMEDOUT' }))
  })
  return socket
}

/** `?host=/folder` is how a URL names a Unix socket; the driver would send it to the server as a setting. */
function withoutSocketPath(url: string): { readonly url: string; readonly path?: string } {
  const match = /[?&]host=([^&]+)/.exec(url)
  if (match === null) return { url }
  const parsed = parseUrl(url)
  const folder = parsed.searchParams.get('host') ?? ''
  parsed.searchParams.delete('host')
  if (!folder.startsWith('/')) return { url: parsed.href }
  return { url: parsed.href, path: `${folder}/.s.PGSQL.${parsed.port || '5432'}` }
}

function parseUrl(url: string): URL {
  try {
    return new URL(url)
  } catch (error) {
    throw unreadableUrl(error)
  }
}

/** Several hosts make no URL that `URL` reads, so only the beginning is looked at here. */
function checkUrl(url: unknown): string {
  if (typeof url === 'string' && /^postgres(?:ql)?:\/\//i.test(url)) return url
  throw unreadableUrl(
    url === undefined || url === '' ? 'none was given' : 'it does not begin with postgres://',
  )
}

/** Without the URL itself: it may hold a password. */
function unreadableUrl(cause: unknown): CerebelumError {
  const reason = typeof cause === 'string' ? ` (${cause})` : ''
  const text = `The database URL cannot be read${reason}. Give one such as postgres://user:password@host:5432/database.`
  return new CerebelumError('SETTINGS', text, { cause })
}
