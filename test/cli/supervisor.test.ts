// `serve --processes`: a node per process, kept going, and never left behind.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { supervise } from '../../src/cli/supervisor.js'
import { PROGRAM } from '../support/build.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { startNodeProcess, type NodeProcess } from '../support/node-process.js'
import { runProgram } from '../support/program.js'
import { eventually } from '../support/wait.js'

const WORKFLOWS = fileURLToPath(new URL('fixtures/workflows.mjs', import.meta.url))

let database: TestDatabase
let serve: string[]

beforeAll(async () => {
  database = await createTestDatabase()
  const place = ['--database-url', database.url, '--schema', database.schema]
  serve = ['serve', '--workflows', WORKFLOWS, ...place, '--connections', '3', '--log-level', 'warn']
})
afterAll(() => database.drop())

interface Child {
  readonly pid: number
  readonly url: string
}

/** The processes that said that they serve, in the order in which they did. */
function childrenOf(supervisor: NodeProcess): Child[] {
  const told = supervisor.output().matchAll(/^process \d+: pid (\d+), (http:.+)$/gm)
  return Array.from(told, ([, pid, url = '']) => ({ pid: Number(pid), url }))
}

async function started(processes: number): Promise<{ supervisor: NodeProcess; children: Child[] }> {
  const args = [...serve, '--port', '0', '--processes', String(processes)]
  const supervisor = startNodeProcess({ file: PROGRAM, args })
  const children = await eventually(
    () => {
      if (!supervisor.isRunning()) throw new Error(supervisor.output())
      const seen = childrenOf(supervisor)
      return seen.length === processes && seen
    },
    { deadlineMs: 60_000, what: 'all processes to serve' },
  )
  return { supervisor, children }
}

// A node that was killed leaves its lease, which is none of the next test's.
beforeEach(async () => {
  const sql = database.connect({ max: 1 })
  await sql`delete from leases`
  await sql.end()
})

/** A port that is taken, and the one before it free. */
async function blockPortBehindFreeOne(): Promise<{ blocker: Server; taken: number }> {
  for (;;) {
    const blocker = createServer().listen(0, '127.0.0.1')
    await once(blocker, 'listening')
    const address = blocker.address()
    const taken = typeof address === 'object' && address !== null ? address.port : 0
    const before = createServer().listen(taken - 1, '127.0.0.1')
    const isFree = await once(before, 'listening').then(
      () => true,
      () => false,
    )
    before.close()
    if (isFree) return { blocker, taken }
    blocker.close()
  }
}

async function leases(): Promise<number> {
  const sql = database.connect({ max: 1 })
  const [row] = await sql<{ leases: number }[]>`select count(*)::int4 as leases from leases`
  await sql.end()
  return row?.leases ?? -1
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

test('runs a node in each of its processes, and all drain when it is told to end', async () => {
  const { supervisor, children } = await started(2)
  expect(new Set(children.map(({ url }) => url)).size).toBe(2)
  for (const { url } of children) expect((await fetch(`${url}/healthz`)).status).toBe(200)
  const sql = database.connect({ max: 1 })
  const addresses = await sql<{ address: string }[]>`select address from leases`
  await sql.end()
  expect(addresses.map(({ address }) => address).toSorted()).toEqual(
    children.map(({ url }) => url).toSorted(),
  )
  await expect(supervisor.kill('SIGTERM')).resolves.toEqual({ code: 0, signal: null })
  expect(children.map(({ pid }) => isAlive(pid))).toEqual([false, false])
  expect(await leases()).toBe(0)
})

test('starts a process again that was killed', async () => {
  const { supervisor, children } = await started(2)
  const [victim] = children
  if (victim === undefined) throw new Error('no process to kill')
  process.kill(victim.pid, 'SIGKILL')
  const [, , again] = await eventually(() => childrenOf(supervisor).length === 3 && childrenOf(supervisor), {
    deadlineMs: 60_000,
    what: 'another process',
  })
  expect((await fetch(`${again?.url ?? ''}/healthz`)).status).toBe(200)
  expect(supervisor.output()).toMatch(/process [12] ended \(SIGKILL\); it is started again in 250 ms/)
  expect(isAlive(children[1]?.pid ?? 0)).toBe(true)
  await expect(supervisor.kill('SIGINT')).resolves.toEqual({ code: 0, signal: null })
})

test('that was killed itself leaves no node behind: they drain and go', async () => {
  const { supervisor, children } = await started(2)
  // Their output is its output: it has ended when they have.
  await supervisor.kill('SIGKILL')
  await eventually(() => !children.some(({ pid }) => isAlive(pid)), {
    deadlineMs: 30_000,
    what: 'an empty house',
  })
  expect(await leases()).toBe(0)
})

test('ends with the code of a process that cannot be started, and leaves none behind', async () => {
  const { blocker, taken } = await blockPortBehindFreeOne()
  const { code, stderr } = await runProgram([...serve, '--port', String(taken - 1), '--processes', '2'])
  blocker.close()
  expect(code).toBe(2)
  expect(stderr).toContain(`HTTP cannot listen on 127.0.0.1:${taken}`)
  expect(stderr).toContain('process 2 cannot be started; all are stopped')
  expect(await leases()).toBe(0)
})

describe('supervising', () => {
  /** Processes of a program in one line, and what is said of them. */
  function supervising(code: string, aborted = new AbortController().signal) {
    const said: string[] = []
    const starts: ChildProcess[] = []
    const start = (): ChildProcess => {
      const child = spawn(process.execPath, ['--eval', code], {
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      })
      starts.push(child)
      return child
    }
    const say = (text: string): void => void said.push(text)
    return { said, starts, ended: supervise({ processes: 1, start, say, aborted, graceMs: 300 }) }
  }

  test('a process that fails at each start is tried five times, ever later, and its code is the end', async () => {
    const { said, starts, ended } = supervising('process.exit(7)')
    expect(await ended).toBe(7)
    expect(starts).toHaveLength(5)
    const waits = said.flatMap((text) => /again in (\d+) ms/.exec(text)?.[1] ?? [])
    expect(waits.map(Number)).toEqual([250, 500, 1_000, 2_000])
  })

  test('a process that does not heed SIGTERM is killed after the grace', async () => {
    const stop = new AbortController()
    const stubborn = `process.on('SIGTERM', () => {}); process.send({ ready: 'here' }); setInterval(() => {}, 1000)`
    const { said, starts, ended } = supervising(stubborn, stop.signal)
    await eventually(() => said.length > 0, { what: 'a process that is ready' })
    stop.abort()
    expect(await ended).toBe(1)
    expect(starts.map(({ signalCode }) => signalCode)).toEqual(['SIGKILL'])
  })
})

test.each([
  ['none', ['--processes', '0'], '--processes is "0"'],
  ['too many', ['--processes', '257'], '--processes is "257"'],
  ['more than there are ports', ['--processes', '3', '--port', '65534'], 'they take 65534 to 65536'],
])('of %s processes is refused', async (_name, args, named) => {
  const { code, stderr } = await runProgram([...serve, ...args])
  expect(code).toBe(2)
  expect(stderr).toMatch(/^SETTINGS: /)
  expect(stderr).toContain(named)
})
