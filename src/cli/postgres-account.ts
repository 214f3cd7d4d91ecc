// Which account runs the embedded PostgreSQL. The server refuses to run as root, so root lends it the system
// account `postgres` (made when missing); everybody else runs it as themselves.
// Never changes the permissions of a folder that is not ours: what the account can't reach is reported.

import { execFile } from 'node:child_process'
import { readFile, realpath, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { CerebelumError } from '../core/errors.js'

export interface Account {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

const NAME = 'postgres'

/** The account to run the server as, or null: our own. */
export async function serverAccount(): Promise<Account | null> {
  if (process.getuid?.() !== 0) return null
  return (await findAccount()) ?? (await createAccount())
}

async function findAccount(): Promise<Account | null> {
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '')
  for (const line of passwd.split('\n')) {
    const [name, , uid, gid] = line.split(':')
    if (name === NAME) return { name, uid: Number(uid), gid: Number(gid) }
  }
  // An account that comes from a directory service is not in the file.
  const [uid, gid] = await Promise.all([run('id', ['-u', NAME]), run('id', ['-g', NAME])])
  return uid === null || gid === null ? null : { name: NAME, uid: Number(uid), gid: Number(gid) }
}

async function createAccount(): Promise<Account> {
  // Debian's and Red Hat's tools first, then BusyBox's.
  await run('groupadd', ['--system', NAME])
  await run('useradd', [
    '--system',
    '--gid',
    NAME,
    '--no-create-home',
    '--home-dir',
    '/',
    '--shell',
    '/bin/false',
    NAME,
  ])
  const made = await findAccount()
  if (made !== null) return made
  await run('addgroup', ['-S', NAME])
  await run('adduser', ['-S', '-D', '-H', '-h', '/', '-s', '/bin/false', '-G', NAME, NAME])
  const account = await findAccount()
  if (account !== null) return account
  throw new CerebelumError(
    'SETTINGS',
    `PostgreSQL does not run as root, and the system account "${NAME}" could not be made (no useradd here?). ` +
      `Run as an ordinary user (in a container: USER node), add the account to /etc/passwd ` +
      `("${NAME}:x:999:999::/:/bin/false"), or set CEREBELUM_DATABASE_URL to a database of your own.`,
  )
}

async function run(command: string, args: readonly string[]): Promise<string | null> {
  try {
    return (await promisify(execFile)(command, [...args], { timeout: 20_000 })).stdout.trim()
  } catch {
    // Missing tool or unknown account: the caller looks at what exists afterwards.
    return null
  }
}

/** True when `account` may read the file (or enter the folder) `path` and enter every folder above it, by owner, group and mode. */
export async function canReach(path: string, account: Account | null): Promise<boolean> {
  if (account === null) return true
  const real = await realpath(path).catch(() => null)
  if (real === null) return false
  const found = await stat(real)
  if (!permits(found, account, found.isDirectory() ? 0o1 : 0o4)) return false
  for (let folder = dirname(real); ; folder = dirname(folder)) {
    if (!permits(await stat(folder), account, 0o1)) return false
    if (folder === dirname(folder)) return true
  }
}

function permits(of: { uid: number; gid: number; mode: number }, account: Account, wanted: number): boolean {
  const shift = of.uid === account.uid ? 6 : of.gid === account.gid ? 3 : 0
  return ((of.mode >> shift) & wanted) === wanted
}
