// The folder of an embedded PostgreSQL: `cluster/` (the server's data), `password` (0600), `server.log`.
// A cluster is made aside and moved into place when it is whole, so a half-done one is never mistaken for data,
// and nothing that could be data is ever deleted. Where the server's account can't reach the folder (root in a
// 0700 home), `cluster` is a link to a folder under /var/lib/cerebelum.

import { randomBytes } from 'node:crypto'
import {
  chmod,
  chown,
  link,
  lstat,
  mkdir,
  open,
  readFile,
  readdir,
  readlink,
  realpath,
  rename,
  rm,
  rmdir,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { CerebelumError } from '../core/errors.js'
import { systemClock } from '../core/ports.js'
import { canReach, type Account } from './postgres-account.js'
import { SYSTEM_FOLDER } from './postgres-binaries.js'

export interface ServerFolder {
  readonly dataDir: string
  /** Holds `cluster` and what becomes one; the data folder itself unless the account can't reach it. */
  readonly home: string
  /** The cluster's real path. */
  readonly cluster: string
  readonly logFile: string
}

/** Makes the folder when it is missing, and finds its cluster's place. */
export async function openFolder(dataDir: string, account: Account | null): Promise<ServerFolder> {
  const folder = resolve(dataDir)
  try {
    await mkdir(folder, { recursive: true, mode: account === null ? 0o700 : 0o711 })
    const real = await realpath(folder)
    if (await exists(join(real, 'PG_VERSION'))) {
      throw new CerebelumError(
        'SETTINGS',
        `The data folder ${folder} is a PostgreSQL cluster that Cerebelum did not make. Name another folder.`,
      )
    }
    const home = await findHome(real, account)
    return { dataDir: real, home, cluster: join(home, 'cluster'), logFile: join(real, 'server.log') }
  } catch (cause) {
    if (cause instanceof CerebelumError) throw cause
    throw new CerebelumError(
      'SETTINGS',
      `The data folder ${folder} can't be used: ${String(cause)}. ` +
        'Give it to the user that runs Cerebelum, or name another folder.',
      { cause },
    )
  }
}

async function findHome(dataDir: string, account: Account | null): Promise<string> {
  const place = join(dataDir, 'cluster')
  const linked = await readlink(place).catch(() => null)
  if (linked !== null) {
    const home = dirname(resolve(dataDir, linked))
    if (await exists(home)) return home
    throw new CerebelumError(
      'SETTINGS',
      `The data of ${dataDir} is gone: its link "cluster" leads to ${linked}, which does not exist. ` +
        'Bring that folder back, or delete the link to begin with an empty database.',
    )
  }
  if ((await canReach(dataDir, account)) || (await exists(place))) return dataDir
  const home = join(SYSTEM_FOLDER, `data-${randomBytes(6).toString('hex')}`)
  await mkdir(SYSTEM_FOLDER, { recursive: true, mode: 0o755 })
  const system = await lstat(SYSTEM_FOLDER)
  const isSafe = system.isDirectory() && system.uid === 0 && (system.mode & 0o022) === 0
  if (!isSafe || !(await canReach(SYSTEM_FOLDER, account))) {
    throw new CerebelumError(
      'SETTINGS',
      `The account "${account?.name ?? ''}" can't enter ${dataDir}, and ${SYSTEM_FOLDER} is not a folder of root alone. ` +
        'Name a data folder that every user can enter, such as /var/lib/…',
    )
  }
  await mkdir(home, { mode: 0o755 })
  try {
    await symlink(join(home, 'cluster'), place)
    return home
  } catch {
    // Another process linked its own at the same time.
    await rm(home, { recursive: true })
    return dirname(await readlink(place))
  }
}

export async function hasCluster(folder: ServerFolder, major: number): Promise<boolean> {
  const version = await readFile(join(folder.cluster, 'PG_VERSION'), 'utf8').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return null
    throw unusable(folder, error)
  })
  if (version === null) return false
  if (version.trim() === String(major)) return true
  throw new CerebelumError(
    'SETTINGS',
    `The data in ${folder.cluster} is of PostgreSQL ${version.trim()}, the binaries are of ${major}. ` +
      'Install the release of Cerebelum that made it, dump the data, and load it into an empty folder.',
  )
}

function unusable(folder: ServerFolder, cause: unknown): CerebelumError {
  return new CerebelumError(
    'SETTINGS',
    `The data in ${folder.cluster} can't be read: ${String(cause)}. It belongs to the user that made it: run as that user.`,
    { cause },
  )
}

/** The server's password: random, made once, readable by us alone. */
export async function readPassword(folder: ServerFolder, isNew: boolean): Promise<string> {
  const file = join(folder.dataDir, 'password')
  try {
    const found = await readFile(file, 'utf8').catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT' && isNew) return null
      throw error
    })
    if (found !== null) return found.trim()
    const draft = `${file}.${randomBytes(6).toString('hex')}`
    await writeFile(draft, randomBytes(24).toString('hex'), { mode: 0o600, flag: 'wx', flush: true })
    // `link` never overwrites: of two first starts at the same time, both take the one that came first.
    await link(draft, file).catch((error: unknown) => {
      if (codeOf(error) !== 'EEXIST') throw error
    })
    await unlink(draft)
    return (await readFile(file, 'utf8')).trim()
  } catch (cause) {
    throw new CerebelumError(
      'SETTINGS',
      `The password of the embedded PostgreSQL in ${file} can't be read: ${String(cause)}. ` +
        'Run as the user that made the data folder, or bring the file back from a backup.',
      { cause },
    )
  }
}

/**
 * Makes the cluster: `initialize` fills the folder it is given, which then becomes the cluster in one step. When
 * another process was quicker, its cluster stays and this one is dropped.
 */
export async function createCluster(
  folder: ServerFolder,
  account: Account | null,
  initialize: (staging: { readonly cluster: string; readonly folder: string }) => Promise<void>,
): Promise<void> {
  await removeAbandoned(folder.home)
  const staging = join(folder.home, `staging-${process.pid}-${randomBytes(6).toString('hex')}`)
  await mkdir(staging, { mode: 0o700 })
  inUse.add(staging)
  try {
    if (account !== null) await chown(staging, account.uid, account.gid)
    await initialize({ cluster: join(staging, 'cluster'), folder: staging })
    await rename(join(staging, 'cluster'), folder.cluster).catch((error: unknown) => {
      if (codeOf(error) !== 'ENOTEMPTY' && codeOf(error) !== 'EEXIST') throw error
    })
    await flushFolder(folder.home)
    if (!(await exists(join(folder.cluster, 'PG_VERSION')))) {
      throw new CerebelumError(
        'SETTINGS',
        `${folder.cluster} is not empty and not a PostgreSQL cluster, and is not ours to delete. Move it away.`,
      )
    }
  } finally {
    inUse.delete(staging)
    await rm(staging, { recursive: true, force: true })
  }
}

const inUse = new Set<string>()

/** Half-done clusters of processes that are gone. Only folders named as ours are touched, never `cluster`. */
async function removeAbandoned(home: string): Promise<void> {
  const hourMs = 3_600_000
  for (const name of await readdir(home)) {
    const pid = /^staging-(\d+)-[0-9a-f]{12}$/.exec(name)?.[1]
    const path = join(home, name)
    if (pid === undefined || inUse.has(path)) continue
    const found = await lstat(path).catch(() => null)
    if (found === null) continue
    const isAbandoned =
      Number(pid) === process.pid || !isAlive(Number(pid)) || found.mtimeMs < systemClock.wallMs() - hourMs
    // An initdb that outlived its parent may still write into it: then it goes with the next start.
    if (isAbandoned) await rm(path, { recursive: true, force: true }).catch(() => undefined)
  }
}

async function flushFolder(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** A folder for the Unix socket: short (the path's limit is 103 bytes on some systems), the account's own. */
export async function createSocketDir(account: Account | null, parents: readonly string[]): Promise<string> {
  for (const parent of parents) {
    const path = join(parent, `cerebelum-pg-${randomBytes(6).toString('hex')}`)
    if (Buffer.byteLength(join(path, '.s.PGSQL.65535')) > 103 || !(await canReach(parent, account))) continue
    try {
      await mkdir(path, { mode: 0o700 })
      await chmod(path, 0o700)
      if (account !== null) await chown(path, account.uid, account.gid)
      return path
    } catch {
      // Not writable: the next parent may be.
    }
  }
  throw new CerebelumError(
    'SETTINGS',
    `The embedded PostgreSQL finds no folder for its socket: none of ${parents.join(', ')} is writable and short enough. ` +
      'Set TMPDIR to a short path.',
  )
}

/** True for a socket folder that we made and that is still the account's alone. */
export async function isUsableSocketDir(path: string, account: Account | null): Promise<boolean> {
  if (!SOCKET_DIR.test(path)) return false
  const found = await lstat(path).catch(() => null)
  const owner = account?.uid ?? process.getuid?.()
  return found !== null && found.isDirectory() && found.uid === owner && (found.mode & 0o777) === 0o700
}

const SOCKET_DIR = /\/cerebelum-pg-[0-9a-f]{12}$/

/** Removes a socket folder of ours after its server is gone; anything else of that name stays. */
export async function removeSocketDir(path: string): Promise<void> {
  if (!SOCKET_DIR.test(path)) return
  const found = await lstat(path).catch(() => null)
  if (found === null || !found.isDirectory()) return
  for (const name of await readdir(path).catch(() => [])) {
    if (name.startsWith('.s.PGSQL.')) await rm(join(path, name), { force: true })
  }
  // Refused when a stranger put something in: then it stays.
  await rmdir(path).catch(() => undefined)
}

/** What `postmaster.pid` says: the server's pid, and where it listens. */
export interface PidFile {
  readonly pid: number
  readonly port: number
  readonly socketDir: string
}

export async function readPidFile(folder: ServerFolder): Promise<PidFile | null> {
  const text = await readFile(join(folder.cluster, 'postmaster.pid'), 'utf8').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return ''
    throw unusable(folder, error)
  })
  const lines = text.split('\n')
  const pid = Math.abs(Number.parseInt(lines[0] ?? '', 10))
  if (!Number.isSafeInteger(pid) || pid === 0) return null
  return { pid, port: Number.parseInt(lines[3] ?? '', 10) || 0, socketDir: lines[4] ?? '' }
}

/**
 * Removes the pid file of a server that is gone, and no other: one that another process's server wrote meanwhile is
 * put back, for a second server on the same files would destroy them.
 */
export async function removePidFile(folder: ServerFolder, stale: PidFile): Promise<void> {
  const file = join(folder.cluster, 'postmaster.pid')
  const aside = `${file}.${randomBytes(6).toString('hex')}`
  try {
    await rename(file, aside)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return
    throw unusable(folder, error)
  }
  const text = await readFile(aside, 'utf8')
  if (Math.abs(Number.parseInt(text, 10)) !== stale.pid) {
    await link(aside, file).catch((error: unknown) => {
      if (codeOf(error) !== 'EEXIST') throw error
    })
  }
  await unlink(aside)
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}

export function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  )
}
