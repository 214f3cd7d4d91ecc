// The processes of an embedded PostgreSQL: initdb, the postmaster and what is left of it after a crash.
// They run detached (Ctrl-C in a terminal must not stop the database under a node that is still finishing),
// with an environment of their own (no locale, no secrets of ours), and log to a file of bounded size.

import { spawn, type ChildProcess } from 'node:child_process'
import { constants } from 'node:fs'
import {
  copyFile,
  open,
  readFile,
  readdir,
  readlink,
  stat,
  truncate,
  type FileHandle,
} from 'node:fs/promises'
import { CerebelumError } from '../core/errors.js'
import { delay, systemClock } from '../core/ports.js'
import type { Account } from './postgres-account.js'
import { isAlive } from './postgres-folder.js'

export interface ServerProcess {
  readonly pid: number
  /** Undefined while it runs. */
  ended(): string | undefined
}

export interface Command {
  readonly program: string
  readonly args: readonly string[]
  readonly account: Account | null
  readonly logFile: string
}

/** One log file and one older one are kept, each at most this long. */
const LOG_BYTES_MAX = 16 * 1_048_576

/** Starts a process and leaves it running; it outlives us. */
export async function startServer(command: Command): Promise<ServerProcess> {
  const child = await spawnInto(command)
  child.unref()
  return { pid: child.pid ?? 0, ended: () => endOf(child) }
}

/** Runs a process to its end; throws when it fails or takes too long. */
export async function runToEnd(command: Command & { readonly deadlineMs: number }): Promise<void> {
  const from = await sizeOf(command.logFile)
  const child = await spawnInto(command)
  const cancel = systemClock.after(command.deadlineMs, () => child.kill('SIGKILL'))
  if (endOf(child) === undefined) await new Promise((resolve) => child.once('exit', resolve))
  cancel()
  const ended = endOf(child)
  if (ended === undefined || child.exitCode === 0) return
  const lines = await lastLines(command.logFile, from)
  throw new CerebelumError(
    'DATABASE_UNAVAILABLE',
    `${command.program} failed (${ended}). ${adviceFor(lines)}\n${lines}`,
  )
}

async function spawnInto({ program, args, account, logFile }: Command): Promise<ChildProcess> {
  const log = await openLog(logFile)
  try {
    const child = spawn(program, [...args], {
      cwd: '/',
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      // LC_ALL=C: a locale that is not installed would stop initdb; messages stay English, which we read.
      env: { LC_ALL: 'C', TZ: 'UTC', PATH: process.env['PATH'] ?? '/usr/bin:/bin' },
      ...(account === null ? {} : { uid: account.uid, gid: account.gid }),
    })
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', reject)
    })
    // A later 'error' (a kill that failed) must not end our process.
    child.on('error', () => undefined)
    return child
  } catch (cause) {
    throw new CerebelumError(
      'SETTINGS',
      `${program} can't be started${account === null ? '' : ` as user "${account.name}"`}: ${String(cause)}. ` +
        'The embedded PostgreSQL needs glibc (not musl) and an executable folder; else set CEREBELUM_DATABASE_URL.',
      { cause },
    )
  } finally {
    await log.close()
  }
}

async function openLog(logFile: string): Promise<FileHandle> {
  await boundLog(logFile)
  const { O_APPEND, O_CREAT, O_WRONLY, O_NOFOLLOW } = constants
  return open(logFile, O_APPEND | O_CREAT | O_WRONLY | O_NOFOLLOW, 0o600)
}

/** Keeps the log bounded. The server holds the file open for appending, so it is copied and cut, not renamed. */
export async function boundLog(logFile: string): Promise<void> {
  if ((await sizeOf(logFile)) <= LOG_BYTES_MAX) return
  await copyFile(logFile, `${logFile}.old`)
  await truncate(logFile)
}

export async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    (found) => found.size,
    () => 0,
  )
}

/** The last lines that were logged after `from` bytes. */
export async function lastLines(logFile: string, from: number): Promise<string> {
  const text = await readFile(logFile).catch(() => Buffer.alloc(0))
  const lines = text
    .subarray(Math.max(from, text.length - 16_384))
    .toString('utf8')
    .trimEnd()
    .split('\n')
  return lines.slice(-12).join('\n')
}

export function adviceFor(lines: string): string {
  if (lines.includes('No space left')) return 'The disk is full: make room.'
  if (lines.includes('Address already in use')) return 'The port is taken: choose another or none.'
  if (lines.includes('error while loading shared libraries'))
    return 'A library is missing: install the package again.'
  if (lines.includes('could not look up effective user ID'))
    return 'This user id has no name: add it to /etc/passwd, or run as a user that has one.'
  if (lines.includes('could not map anonymous shared memory') || lines.includes('Cannot allocate memory'))
    return 'Not enough memory: lower shared_buffers.'
  return 'What it logged last:'
}

/** How it ended, undefined while it runs. Asked, not listened for: one that refuses its settings ends before we could. */
function endOf({ exitCode, signalCode }: ChildProcess): string | undefined {
  if (exitCode !== null) return `exit code ${exitCode}`
  return signalCode === null ? undefined : `killed by ${signalCode}`
}

/** True when `pid` is a living process that works in this cluster's folder (a postmaster does, from early on). */
export async function isServerOf(pid: number, cluster: string): Promise<boolean> {
  if (!isAlive(pid)) return false
  if (process.platform !== 'linux') return true
  // A process that has ended and is not yet reaped (no init in the container) has no working directory.
  const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => null)
  return cwd === cluster
}

/** Processes that still work in the cluster; Linux only, elsewhere the pid file is trusted. */
export async function serverPids(cluster: string): Promise<number[]> {
  if (process.platform !== 'linux') return []
  const pids = (await readdir('/proc')).map(Number).filter((pid) => Number.isSafeInteger(pid))
  const found = await Promise.all(pids.map((pid) => isServerOf(pid, cluster)))
  return pids.filter((_, index) => found[index])
}

/** Fast shutdown (clients are disconnected, data is written), immediate when that takes too long. */
export async function stopServer(pid: number, cluster: string): Promise<void> {
  for (const { signal, deadlineMs } of STOPS) {
    if (!(await isServerOf(pid, cluster))) return
    try {
      process.kill(pid, signal)
    } catch {
      // It ended between the two calls.
    }
    const until = systemClock.monotonicMs() + deadlineMs
    while (systemClock.monotonicMs() < until) {
      if (!(await isServerOf(pid, cluster))) return
      await delay(systemClock, 15)
    }
  }
  throw new CerebelumError(
    'DATABASE_UNAVAILABLE',
    `The embedded PostgreSQL (pid ${pid}) does not stop. Its data is safe; stop the process by hand.`,
  )
}

// The last checkpoint may have 1 GB to write. An immediate stop loses nothing: the next start recovers.
const STOPS: readonly { readonly signal: NodeJS.Signals; readonly deadlineMs: number }[] = [
  { signal: 'SIGINT', deadlineMs: 60_000 },
  { signal: 'SIGQUIT', deadlineMs: 10_000 },
]
