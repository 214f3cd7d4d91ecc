// The load balancers of deploy/ as they stand there. A real HAProxy before three real nodes under load: nodes are killed,
// drained and started again, and no request fails, none is lost, none done twice.

import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PROGRAM } from '../support/build.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { startNodeProcess, type NodeProcess } from '../support/node-process.js'
import { eventually } from '../support/wait.js'

const WORKFLOWS = fileURLToPath(new URL('../cli/fixtures/workflows.mjs', import.meta.url))
const config = (name: string): string =>
  fileURLToPath(new URL(`../../deploy/load-balancers/${name}`, import.meta.url))
const run = promisify(execFile)

// Debian keeps servers where an ordinary user's path does not lead.
const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` }

/** Without it the test is skipped by name: `apt-get install haproxy nginx-light` brings both. */
const isThere = (program: string): boolean => spawnSync(program, ['-v'], { env }).error === undefined

const WORKERS = 10

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  return Promise.all(
    servers.map(async (server) => {
      await eventually(() => server.listening)
      const address = server.address()
      await new Promise((resolve) => server.close(resolve))
      return typeof address === 'object' && address !== null ? address.port : 0
    }),
  )
}

describe.skipIf(!isThere('haproxy'))('HAProxy before three nodes', () => {
  let database: TestDatabase
  let ports: number[]
  let balancer: ChildProcess
  let site: string
  const nodes: NodeProcess[] = []

  const startOne = (slot: number): void => {
    const place = ['--database-url', database.url, '--schema', database.schema]
    const args = ['serve', '--workflows', WORKFLOWS, ...place, '--port', String(ports[slot])]
    nodes[slot] = startNodeProcess({
      file: PROGRAM,
      args: [...args, '--drain-delay-ms', '1500', '--connections', '6'],
      reap: 'afterAll',
    })
  }
  const isUp = async (slot: number): Promise<boolean> =>
    (await fetch(`http://127.0.0.1:${ports[slot]}/readyz`).catch(() => undefined))?.ok === true

  beforeAll(async () => {
    database = await createTestDatabase()
    const [front = 0, ...behind] = await freePorts(4)
    ports = behind
    site = `http://127.0.0.1:${front}`
    for (const slot of [0, 1, 2]) startOne(slot)
    for (const slot of [0, 1, 2])
      await eventually(() => isUp(slot), { deadlineMs: 60_000, what: `node ${slot}` })
    balancer = spawn('haproxy', ['-db', '-f', config('haproxy.cfg')], {
      stdio: 'ignore',
      env: {
        ...env,
        BIND: `127.0.0.1:${front}`,
        ...Object.fromEntries(behind.map((port, slot) => [`NODE_${slot + 1}`, `127.0.0.1:${port}`])),
      },
    })
    await eventually(async () => (await fetch(`${site}/readyz`)).ok, { what: 'the balancer' })
  })
  afterAll(async () => {
    balancer.kill('SIGKILL')
    await Promise.all(nodes.map((node) => node.kill('SIGKILL')))
    await database.drop()
  })

  test('nodes are killed and drained under load: no request fails, is lost or done twice', async () => {
    let isOver = false
    const failures: string[] = []
    const acknowledged: string[] = []
    const ask = async (path: string, init?: RequestInit): Promise<unknown> => {
      const response = await fetch(`${site}/api/v1${path}`, init)
      const body: unknown = await response.json()
      if (response.status >= 300) throw new Error(`${response.status} ${JSON.stringify(body)}`)
      return body
    }
    const worker = async (name: number): Promise<void> => {
      for (let n = 0; !isOver; n++) {
        const key = `worker ${name} request ${n}`
        try {
          const started = await ask('/executions', {
            method: 'POST',
            headers: { 'content-type': 'application/json', 'idempotency-key': key },
            body: JSON.stringify({ workflow: 'greet', input: key }),
          })
          const { executionId } = Object(started)
          acknowledged.push(String(executionId))
          const poll = `/executions/${String(executionId)}/result?timeoutMs=20000`
          // A node that drains answers polls at once, without a result: the next one is asked.
          const result = await eventually(async () => Object(await ask(poll)).result, { deadlineMs: 20_000 })
          if (result !== `Hello ${key}`) failures.push(`${key}: another result`)
        } catch (error) {
          const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : ''
          failures.push(`${key}: ${cause} ${error instanceof Error ? error.message : 'thrown'}`)
        }
      }
    }
    const workers = Array.from({ length: WORKERS }, (_, name) => worker(name))
    const moreDone = async (): Promise<void> => {
      const before = acknowledged.length
      await eventually(() => acknowledged.length > before + 50, { deadlineMs: 30_000, what: 'progress' })
    }
    await moreDone()
    for (const [slot, signal] of [
      [0, 'SIGKILL'],
      [1, 'SIGTERM'],
      [2, 'SIGKILL'],
    ] as const) {
      const { code } = (await nodes[slot]?.kill(signal)) ?? { code: null }
      expect(code).toBe(signal === 'SIGTERM' ? 0 : null)
      await moreDone()
      startOne(slot)
      await eventually(() => isUp(slot), { deadlineMs: 60_000, what: `node ${slot} again` })
      await moreDone()
    }
    isOver = true
    await Promise.all(workers)
    expect(failures).toEqual([])
    expect(new Set(acknowledged).size).toBe(acknowledged.length)
    const sql = database.connect({ max: 1 })
    const rows = await sql`select status, count(*)::int4 as count from executions group by status`
    expect(rows).toEqual([{ status: 'completed', count: acknowledged.length }])
  }, 120_000)
})

test.skipIf(!isThere('nginx'))('the configuration of nginx is one', async () => {
  const { stderr } = await run('nginx', ['-t', '-q', '-c', config('nginx.conf')], { env })
  expect(stderr).not.toContain('emerg')
})
