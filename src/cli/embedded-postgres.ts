// An embedded PostgreSQL for those who have no database: binaries from npm, data in one folder, a Unix socket
// that only this user can open. Durable as any: fsync, synchronous_commit and full_page_writes stay on.
// Promises: processes that start on one folder share one server, whoever comes first; the last one that stops,
// stops it; after a kill -9 of a process the next start carries on, after one of the server its users start it again.
// Every wait has a deadline.
// Must never: delete data, install process-wide hooks, or stop a server that others still use.

import { chown, writeFile } from 'node:fs/promises'
import { tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { CerebelumError } from '../core/errors.js'
import { delay, silentLogger, systemClock, type Logger } from '../core/ports.js'
import { serverAccount, type Account } from './postgres-account.js'
import { findBinaries, type Binaries } from './postgres-binaries.js'
import {
  createCluster,
  createSocketDir,
  hasCluster,
  isAlive,
  isUsableSocketDir,
  openFolder,
  readPassword,
  readPidFile,
  removePidFile,
  removeSocketDir,
  type PidFile,
  type ServerFolder,
} from './postgres-folder.js'
import { enterServer, SERVER_DATABASE, SERVER_USER } from './postgres-presence.js'
import {
  adviceFor,
  boundLog,
  isServerOf,
  lastLines,
  runToEnd,
  serverPids,
  sizeOf,
  startServer,
  stopServer,
} from './postgres-process.js'
import { Supervisor, type Joined } from './postgres-supervisor.js'

export interface EmbeddedPostgresOptions {
  /** Made when missing. Processes with the same folder share the server. */
  readonly dataDir: string
  readonly log?: Logger
  /** Listen on 127.0.0.1 at this port too, for tools that can't use a socket. Default: no TCP at all. */
  readonly port?: number
  /** Server settings beside or instead of ours; they hold for a server that this call starts, not for one it adopts. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>
  /** All of the start, recovery after a crash included; default 2 minutes. */
  readonly deadlineMs?: number
}

export interface EmbeddedPostgres {
  /** `postgres://user:password@localhost:port/database?host=/socket/folder` */
  readonly url: string
  /** The server ran already: another process started it, or one that was killed left it. */
  readonly adopted: boolean
  /** Of the server that runs now: one that is killed is started again, at the same URL. */
  readonly pid: number
  /**
   * Leaves the server, and stops it when nobody else uses it: the last process to leave stops it, not the one
   * that started it. Close your own connections first. `evenIfUsed` disconnects everybody else.
   */
  stop(options?: { readonly evenIfUsed?: boolean }): Promise<void>
}

/**
 * Starts PostgreSQL on `dataDir`, or joins the server that runs on it.
 *
 * @example
 * const server = await startEmbeddedPostgres({ dataDir: '.cerebelum/postgres' })
 * const store = await openStore({ url: server.url })
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  if (process.platform === 'win32') {
    throw new CerebelumError(
      'SETTINGS',
      'The embedded PostgreSQL does not run on Windows itself. Use WSL, or set CEREBELUM_DATABASE_URL.',
    )
  }
  const account = await serverAccount()
  const binaries = await findBinaries(account)
  const folder = await openFolder(options.dataDir, account)
  const isNew = !(await hasCluster(folder, binaries.major))
  const password = await readPassword(folder, isNew)
  const start: Start = { options, account, binaries, folder, password, log: options.log ?? silentLogger }
  if (isNew) await initialize(start)
  return embedded(start, await enterOrStart(start))
}

interface Start {
  readonly options: EmbeddedPostgresOptions
  readonly account: Account | null
  readonly binaries: Binaries
  readonly folder: ServerFolder
  readonly password: string
  readonly log: Logger
  /** Where its clients look for it; else that of a killed server, else a new one. */
  readonly socketDir?: string
}

async function initialize({ account, binaries, folder, password, log }: Start): Promise<void> {
  log.info({ folder: folder.cluster }, 'making a new embedded PostgreSQL')
  await createCluster(folder, account, async (staging) => {
    const passwordFile = join(staging.folder, 'password')
    await writeFile(passwordFile, password, { mode: 0o600, flag: 'wx' })
    if (account !== null) await chown(passwordFile, account.uid, account.gid)
    await runToEnd({
      program: binaries.initdb,
      args: [
        `--pgdata=${staging.cluster}`,
        `--username=${SERVER_USER}`,
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        // Never the environment's locale: LC_ALL=C alone would make the database SQL_ASCII.
        '--encoding=UTF8',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
      ],
      account,
      logFile: folder.logFile,
      deadlineMs: 120_000,
    })
  })
}

/** Joins, starts, or waits, until a server lets us in. Several processes may be in here at the same time. */
async function enterOrStart(start: Start): Promise<Joined> {
  const { folder, options } = start
  const deadlineMs = options.deadlineMs ?? 120_000
  const until = systemClock.monotonicMs() + deadlineMs
  let last: unknown = 'nothing answered'
  // A pid file whose server is silent for this long belongs to a server that hangs; do not wait for ever.
  let silentSince: number | undefined
  for (let pauseMs = 20; systemClock.monotonicMs() < until; pauseMs = Math.min(pauseMs * 1.5, 250)) {
    const found = await readPidFile(folder)
    if (found === null || !(await isServerOf(found.pid, folder.cluster))) {
      const attempt = await tryStart(start, found, until)
      if (attempt.kind === 'entered') return attempt.joined
      last = attempt.reason
    } else {
      const entry = await enterServer({ ...found, password: start.password })
      if (entry.kind === 'ready') {
        start.log.info({ pid: found.pid }, 'joined the embedded PostgreSQL that is running')
        return { running: found, presence: entry.presence, adopted: true }
      }
      last = entry.error
      if (entry.kind === 'refused') throw refused(folder, entry.error)
      if (entry.kind !== 'silent') silentSince = undefined
      else silentSince ??= systemClock.monotonicMs()
      if (silentSince !== undefined && systemClock.monotonicMs() - silentSince > 20_000) break
    }
    await delay(systemClock, pauseMs)
  }
  const lines = await lastLines(folder.logFile, 0)
  throw new CerebelumError(
    'DATABASE_UNAVAILABLE',
    `The embedded PostgreSQL in ${folder.dataDir} did not answer in time (${deadlineMs} ms): ${String(last)}. ` +
      `A server that is recovering goes on: try again later. ${adviceFor(lines)}\n${lines}`,
    { cause: last },
  )
}

type StartAttempt =
  | { readonly kind: 'entered'; readonly joined: Joined }
  /** Somebody else's server, or what is left of a killed one, is in the way: look again. */
  | { readonly kind: 'in-the-way'; readonly reason: string }

async function tryStart(start: Start, stale: PidFile | null, until: number): Promise<StartAttempt> {
  const { folder, account, binaries, password, log } = start
  // Children of a killed postmaster live on for about a second; PostgreSQL refuses to start beside them.
  const remaining = await serverPids(folder.cluster)
  if (remaining.length > 0)
    return { kind: 'in-the-way', reason: `processes ${remaining.join(', ')} are still ending` }
  if (stale !== null) {
    log.warn({ pid: stale.pid }, 'the last embedded PostgreSQL was not stopped; recovering')
    // PostgreSQL itself takes the file of a dead process over, and no two servers the same one. Only a pid that is
    // another process by now (usual in containers, whose pids repeat) makes it refuse to start for ever.
    if (isAlive(stale.pid)) await removePidFile(folder, stale)
  }
  const { socketDir, discard } = await findSocketDir(start, stale)
  const port = start.options.port ?? 5432
  const from = await sizeOf(folder.logFile)
  const server = await startServer({
    program: binaries.postgres,
    args: ['-D', folder.cluster, ...serverSettings(start.options, socketDir)],
    account,
    logFile: folder.logFile,
  }).catch(async (error: unknown) => {
    await discard()
    throw error
  })
  const address = { socketDir, port, password }
  for (let pauseMs = 15; systemClock.monotonicMs() < until; pauseMs = Math.min(pauseMs * 1.5, 250)) {
    const ended = server.ended()
    if (ended !== undefined) {
      await discard()
      return classifyEnd(ended, await lastLines(folder.logFile, from))
    }
    const entry = await enterServer(address)
    if (entry.kind === 'ready') {
      log.info({ pid: server.pid }, 'started the embedded PostgreSQL')
      const running = { pid: server.pid, port, socketDir }
      return { kind: 'entered', joined: { running, presence: entry.presence, adopted: false } }
    }
    if (entry.kind === 'refused') {
      await stopServer(server.pid, folder.cluster)
      await discard()
      throw refused(folder, entry.error)
    }
    await delay(systemClock, pauseMs)
  }
  return { kind: 'in-the-way', reason: `server ${server.pid} is still starting` }
}

/** The folder that clients of a killed server still look into, or a new one; `discard` never takes another's away. */
async function findSocketDir(
  { account, socketDir }: Start,
  stale: PidFile | null,
): Promise<{ readonly socketDir: string; readonly discard: () => Promise<void> }> {
  for (const known of [socketDir, stale?.socketDir]) {
    if (known === undefined || (stale !== null && isAlive(stale.pid))) continue
    if (await isUsableSocketDir(known, account)) {
      return { socketDir: known, discard: () => Promise.resolve() }
    }
  }
  if (stale !== null) await removeSocketDir(stale.socketDir)
  const made = await createSocketDir(account, [tmpdir(), '/tmp', '/var/tmp', '/run'])
  return { socketDir: made, discard: () => removeSocketDir(made) }
}

function classifyEnd(ended: string, lines: string): StartAttempt {
  // Another process was quicker, or a killed server's shared memory is not free yet.
  if (lines.includes('lock file "postmaster.pid"') || lines.includes('shared memory block')) {
    return { kind: 'in-the-way', reason: lines }
  }
  const code =
    lines.includes('Address already in use') || lines.includes('configuration')
      ? 'SETTINGS'
      : 'DATABASE_UNAVAILABLE'
  throw new CerebelumError(
    code,
    `The embedded PostgreSQL did not start (${ended}). ${adviceFor(lines)}\n${lines}`,
  )
}

function refused(folder: ServerFolder, cause: unknown): CerebelumError {
  return new CerebelumError(
    'SETTINGS',
    `The embedded PostgreSQL in ${folder.dataDir} refuses us: ${String(cause)}. ` +
      'Its password is the one in the file "password" there: bring that file back from a backup.',
    { cause },
  )
}

function embedded(start: Start, joined: Joined): EmbeddedPostgres {
  const { folder, password, log } = start
  const stopBounding = keepLogBounded(folder.logFile)
  const rejoin = (socketDir: string): Promise<Joined> => enterOrStart({ ...start, socketDir })
  const supervisor = new Supervisor({ folder, log, joined, rejoin })
  supervisor.start()
  let stopped: Promise<void> | undefined
  const leave = async (evenIfUsed: boolean): Promise<void> => {
    stopBounding()
    await supervisor.stop()
    const { running, presence } = supervisor.joined
    const answer = await presence.leave()
    try {
      if (answer === 'used' && !evenIfUsed) {
        log.info({ pid: running.pid }, 'left the embedded PostgreSQL running: others use it')
        return
      }
      if (answer === 'gone' && !evenIfUsed) return
      await stopServer(running.pid, folder.cluster)
      await removeSocketDir(running.socketDir)
      log.info({ pid: running.pid }, 'stopped the embedded PostgreSQL')
    } finally {
      await presence.end()
    }
  }
  return {
    url: urlOf(joined.running, password),
    adopted: joined.adopted,
    get pid() {
      return supervisor.joined.running.pid
    },
    stop: ({ evenIfUsed = false } = {}) => (stopped ??= leave(evenIfUsed)),
  }
}

function urlOf({ port, socketDir }: PidFile, password: string): string {
  return `postgres://${SERVER_USER}:${password}@localhost:${port}/${SERVER_DATABASE}?host=${socketDir}`
}

function keepLogBounded(logFile: string): () => void {
  let cancel: () => void
  const arm = (): void => {
    const again = (): void => {
      boundLog(logFile).then(arm, arm)
    }
    cancel = systemClock.after(60_000, again, { unref: true })
  }
  arm()
  return () => cancel()
}

function serverSettings({ port, settings }: EmbeddedPostgresOptions, socketDir: string): string[] {
  const all = {
    unix_socket_directories: socketDir,
    unix_socket_permissions: '0700',
    listen_addresses: port === undefined ? '' : '127.0.0.1',
    port: port ?? 5432,
    // A pool of 20–50 per node and several nodes reach the default of 100 quickly.
    max_connections: 300,
    shared_buffers: `${sharedBuffersMb()}MB`,
    // So that no checkpoint falls into a short run.
    max_wal_size: '8GB',
    checkpoint_timeout: '30min',
    // The only user of /dev/shm, which a container limits to 64 MB.
    max_parallel_workers_per_gather: 0,
    max_parallel_maintenance_workers: 0,
    timezone: 'UTC',
    log_timezone: 'UTC',
    lc_messages: 'C',
    logging_collector: 'off',
    // Conflicts and duplicates are everyday answers here; the client gets them, the log would only grow.
    log_min_messages: 'log',
    log_min_error_statement: 'panic',
    log_checkpoints: 'off',
    log_line_prefix: '%m [%p] ',
    cluster_name: 'cerebelum',
    ...settings,
  }
  return Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${String(value)}`])
}

/** An eighth of the memory that this process may use, from 32 MB to 1 GB. */
function sharedBuffersMb(): number {
  const constrained = process.constrainedMemory()
  const bytes = constrained > 0 ? Math.min(constrained, totalmem()) : totalmem()
  return Math.max(32, Math.min(1024, Math.floor(bytes / 8 / 1_048_576)))
}
