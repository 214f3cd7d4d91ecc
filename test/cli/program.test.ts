// The program as a user runs it: commands, exit codes, what it says and where, and what signals do.

import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PROGRAM } from '../support/build.js'
import { createTestDatabase, databaseUrl, type TestDatabase } from '../support/database.js'
import { startNodeProcess, type NodeProcess } from '../support/node-process.js'
import { runProgram } from '../support/program.js'
import { eventually } from '../support/wait.js'

const WORKFLOWS = fileURLToPath(new URL('fixtures/workflows.mjs', import.meta.url))

function start(args: readonly string[]): NodeProcess {
  return startNodeProcess({ file: PROGRAM, args })
}

let database: TestDatabase
let place: string[]

beforeAll(async () => {
  database = await createTestDatabase()
  place = ['--database-url', database.url, '--schema', database.schema]
})
afterAll(async () => {
  const sql = database.connect({ max: 1 })
  await sql`drop schema if exists ${sql(`${database.schema}_example`)} cascade`
  await database.drop()
})

describe('the command line', () => {
  test('explains itself', async () => {
    const { code, stdout } = await runProgram(['--help'])
    expect(code).toBe(0)
    for (const command of ['example', 'serve', 'migrate', 'nodes', 'partitions', 'dead-letters'])
      expect(stdout).toContain(command)
  })

  test.each([
    ['an unknown command', ['fly']],
    ['an unknown option', ['example', '--fast']],
    ['a required option that is missing', ['serve']],
  ])('that has %s ends with 2 and shows the way', async (_name, args) => {
    const { code, stderr } = await runProgram(args)
    expect(code).toBe(2)
    expect(stderr).toContain('error:')
  })

  test.each([
    ['a wrong setting', ['migrate', '--log-level', 'loud'], '--log-level'],
    ['too many flights', ['example', '--flights', '20001'], '--flights'],
    ['a wrong time-out', ['example', '--approval-timeout', 'soon'], 'approval time-out'],
    ['a module that is not there', ['serve', '--workflows', './nowhere.mjs'], 'nowhere.mjs'],
    ['a module without workflows', ['serve', '--workflows', PROGRAM.replace('main.js', 'flags.js')], 'flags'],
  ])('that has %s ends with 2 and one line', async (_name, args, named) => {
    const { code, stderr } = await runProgram(args)
    expect(code).toBe(2)
    expect(stderr).toMatch(/^(SETTINGS|INVALID_DURATION): .+\n$/)
    expect(stderr).toContain(named)
  })

  test('shows a stack only when asked to', async () => {
    const args = ['migrate', '--partitions', 'many']
    expect((await runProgram(args)).stderr).not.toMatch(/\n\s+at /)
    expect((await runProgram([...args, '--log-level', 'debug'])).stderr).toMatch(/^SETTINGS: [\s\S]+\n\s+at /)
  })
})

describe('the database', () => {
  test('that does not answer ends the start with 3', async () => {
    const url = 'postgres://nobody:hunter2@127.0.0.1:1/nowhere'
    const { code, stderr } = await runProgram(['migrate', '--database-url', url])
    expect(code).toBe(3)
    expect(stderr).toMatch(/^DATABASE_UNAVAILABLE: /m)
    expect(stderr).not.toContain('hunter2')
  })

  test('that was not migrated ends a node with 4, and says what to do', async () => {
    const args = ['serve', '--workflows', WORKFLOWS, '--database-url', databaseUrl()]
    const { code, stderr } = await runProgram([...args, '--schema', 'nobody_made_this', '--port', '0'])
    expect(code).toBe(4)
    expect(stderr).toMatch(/^DATABASE_SCHEMA: .*cerebelum migrate/m)
  })

  test('is migrated by any number of processes at once, time and again', async () => {
    const ends = await Promise.all([1, 2, 3].map(() => runProgram(['migrate', ...place])))
    expect(ends.map(({ code }) => code)).toEqual([0, 0, 0])
  })
})

describe('serve', () => {
  const serve = async (more: readonly string[] = []): Promise<{ node: NodeProcess; url: string }> => {
    const node = start(['serve', '--workflows', WORKFLOWS, ...place, '--port', '0', ...more])
    const [, url = ''] = await node.waitForOutput(/"url":"(http:[^"]+)".*"msg":"serving"/, {
      deadlineMs: 60_000,
    })
    return { node, url }
  }

  test('runs the workflows of a module, and drains when it is told to end', async () => {
    const { node, url } = await serve()
    await eventually(async () => (await fetch(`${url}/readyz`)).ok, { what: 'a ready node' })
    const started = await fetch(`${url}/api/v1/executions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ workflow: 'greet', input: 'Ada', id: 'greet-ada' }),
    })
    expect(started.status).toBe(201)
    const result = await fetch(`${url}/api/v1/executions/greet-ada/result?timeoutMs=20000`)
    expect(await result.json()).toMatchObject({ result: 'Hello Ada' })
    await expect(node.kill('SIGTERM')).resolves.toEqual({ code: 0, signal: null })
    const sql = database.connect({ max: 1 })
    expect(await sql`select node_id from leases`).toEqual([])
  })

  test('answers a long poll before it ends, and then waits for no idle connection', async () => {
    const { node, url } = await serve()
    await fetch(`${url}/api/v1/executions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ workflow: 'naps', id: 'naps-1' }),
    })
    const poll = fetch(`${url}/api/v1/executions/naps-1/result?timeoutMs=60000`)
    // It is known to be waiting when a later request on the same node has been answered.
    await fetch(`${url}/api/v1/executions/naps-1`)
    const ended = node.kill('SIGTERM')
    expect((await poll).status).toBe(202)
    const answeredAtMs = performance.now()
    expect((await ended).code).toBe(0)
    // Idle connections are kept for 5 s.
    expect(performance.now() - answeredAtMs).toBeLessThan(3_500)
  })

  test('whose port is taken ends with 2', async () => {
    const blocker = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => blocker.once('listening', resolve))
    const address = blocker.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const args = ['serve', '--workflows', WORKFLOWS, ...place, '--port', String(port), '--log-level', 'error']
    const { code, stderr } = await runProgram(args)
    blocker.close()
    expect(code).toBe(2)
    expect(stderr).toContain(`HTTP cannot listen on 127.0.0.1:${port}`)
  })
})

describe('the example', () => {
  const flights = ['example', '--flights', '40', '--approval-timeout', '1s']

  test('writes its summary to standard output and all else to standard error', async () => {
    const { code, stdout, stderr } = await runProgram([...flights, ...place, '--port', '0', '--exit'])
    expect(stderr).toContain('http: http://127.0.0.1:')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^executions\t40$/m)
    expect(stdout).toMatch(/^audit\tclean/m)
    expect(stderr).not.toContain('audit')
  })

  test('ends with 5 when the audit finds a payment too many', async () => {
    const sql = database.connect({ max: 1 })
    const payments = sql(`${database.schema}_example.payments`)
    const [row] = await sql<{ id: string }[]>`
      insert into ${payments} (execution_id, amount_cents, reference, attempts)
      select execution_id, amount_cents, reference, attempts from ${payments} limit 1
      returning execution_id as id`
    const { code, stderr } = await runProgram([...flights, ...place, '--port', '0', '--exit'])
    expect(code).toBe(5)
    expect(stderr).toContain(`${row?.id}: to be paid once, paid 2 times`)
  })

  test('that is interrupted before its end says so by its code', async () => {
    const runs = ['--run', 'interrupted', '--approval-timeout', '1 hour']
    const example = start(['example', '--flights', '200', ...place, '--port', '0', ...runs])
    await example.waitForOutput(/^started 200/m, { deadlineMs: 60_000 })
    await expect(example.kill('SIGINT')).resolves.toEqual({ code: 130, signal: null })
  })

  test('beside a running one joins it, on another port', async () => {
    const both = ['--run', 'both', '--approval-timeout', '1s']
    const first = start(['example', '--flights', '60', ...place, ...both])
    const [, url] = await first.waitForOutput(/^http: (.+)$/m, { deadlineMs: 60_000 })
    const second = start(['example', '--flights', '60', ...place, ...both])
    const [, other] = await second.waitForOutput(/^http: (.+)$/m, { deadlineMs: 60_000 })
    expect(other).not.toBe(url)
    for (const one of [first, second]) await one.waitForOutput(/^audit\tclean/m, { deadlineMs: 60_000 })
    for (const one of [first, second]) await one.waitForOutput(/^serving on/m)
    await expect(first.kill('SIGTERM')).resolves.toEqual({ code: 0, signal: null })
    expect((await fetch(`${other}/readyz`)).status).toBe(200)
    await expect(second.kill('SIGINT')).resolves.toEqual({ code: 0, signal: null })
  })
})
