// A process's presence on an embedded server: one idle connection that holds a shared advisory lock, so that
// the last process to leave, and only that one, stops the server. A process that is killed drops its connection
// and with it its presence; no lock file can go stale.
// Beside the store the only place that speaks SQL: it manages the server and never touches the engine's tables.

import postgres from 'postgres'
import { delay, systemClock } from '../core/ports.js'

export interface ServerAddress {
  readonly socketDir: string
  readonly port: number
  readonly password: string
}

export interface Presence {
  /**
   * Gives the presence up. `last`: nobody else is here, and nobody can enter until `end`; the server may be
   * stopped. `used`: others are connected. `gone`: the server does not answer any more.
   */
  leave(): Promise<'last' | 'used' | 'gone'>
  end(): Promise<void>
}

/** What a server answered: `starting` also while it recovers; `silent` when nobody listens. */
export type Entry =
  | { readonly kind: 'ready'; readonly presence: Presence }
  | { readonly kind: 'starting' | 'stopping' | 'silent' | 'full'; readonly error: unknown }
  | { readonly kind: 'refused'; readonly error: unknown }

export const SERVER_USER = 'cerebelum'
export const SERVER_DATABASE = 'postgres'
/** Any number that no application takes for its own advisory locks. */
const PRESENCE_LOCK = 7_323_470_143

export async function enterServer(address: ServerAddress): Promise<Entry> {
  const sql = postgres({
    host: address.socketDir,
    port: address.port,
    user: SERVER_USER,
    password: address.password,
    database: SERVER_DATABASE,
    ssl: false,
    max: 1,
    connect_timeout: 5,
    idle_timeout: 0,
    // The driver's default ends a connection after 30–60 minutes; the lock must last.
    max_lifetime: null,
    fetch_types: false,
    onnotice: () => undefined,
    connection: { application_name: 'cerebelum presence', statement_timeout: 5_000 },
  })
  try {
    await sql`select pg_advisory_lock_shared(${PRESENCE_LOCK}::bigint)`
    return { kind: 'ready', presence: presenceOf(sql) }
  } catch (error) {
    await sql.end({ timeout: 0 })
    return { kind: refusalOf(error), error }
  }
}

function presenceOf(sql: postgres.Sql): Presence {
  return {
    async leave() {
      try {
        await sql`select pg_advisory_unlock_shared(${PRESENCE_LOCK}::bigint)`
        const [row] = await sql<
          { alone: boolean }[]
        >`select pg_try_advisory_lock(${PRESENCE_LOCK}::bigint) as alone`
        if (row?.alone !== true) return 'used'
        return (await othersLeave(sql)) ? 'last' : 'used'
      } catch {
        // The connection broke under the question: the server was stopped or killed by someone else.
        return 'gone'
      }
    },
    end: () => sql.end({ timeout: 0 }),
  }
}

/** Clients without a presence (a node that was given the URL, a person's psql) get 5 s to go: a busy machine needs one or two. */
async function othersLeave(sql: postgres.Sql): Promise<boolean> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const [row] = await sql<{ others: boolean }[]>`
      select exists (
        select 1 from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()
      ) as others`
    if (row?.others === false) return true
    await delay(systemClock, 100)
  }
  return false
}

function refusalOf(error: unknown): Exclude<Entry['kind'], 'ready'> {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
  const message = error instanceof Error ? error.message : ''
  switch (code) {
    case '57P03': // cannot_connect_now
      return message.includes('shutting down') ? 'stopping' : 'starting'
    case '57P01': // admin_shutdown: it was stopped while we waited for the lock
    case '57P02': // crash_shutdown
      return 'stopping'
    case '57014': // query_canceled: someone who is about to stop it holds the lock for long
      return 'stopping'
    case '53300': // too_many_connections
      return 'full'
    case 'ENOENT':
    case 'ECONNREFUSED':
    case 'ECONNRESET':
    case 'EPIPE':
    case 'CONNECTION_CLOSED':
    case 'CONNECTION_ENDED':
    case 'CONNECTION_DESTROYED':
    case 'CONNECT_TIMEOUT':
      return 'silent'
    default:
      return 'refused'
  }
}
