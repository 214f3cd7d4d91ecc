// `cerebelum capacity`: what it plans by, what it says without a measurement, and the measurement that it offers.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { EXIT } from '../../src/cli/exit-codes.js'
import { connect } from '../support/connect.js'
import { databaseUrl } from '../support/database.js'
import { runProgram } from '../support/program.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cerebelum-capacity-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const THROUGHPUT = {
  name: 'throughput',
  ours: 10_000,
  cpu_ms_node: 0.1,
  cpu_ms_database: 0.05,
  db_bytes: 1_500,
  wal_bytes: 3_000,
  machine: 'a machine',
  server: 'a server',
}

async function resultsFile(name: string, results: object): Promise<string> {
  const file = join(folder, name)
  await writeFile(file, JSON.stringify(results))
  return file
}

const capacity = (...args: string[]): ReturnType<typeof runProgram> => runProgram(['capacity', ...args])

test('without a measurement it says so, offers one, and plans nothing', async () => {
  const { code, stdout, stderr } = await capacity(
    '--workflows-per-second',
    '100',
    '--results',
    join(folder, 'none.json'),
  )
  expect(code).toBe(EXIT.usage)
  expect(stdout).toBe('')
  expect(stderr).toMatch(/^SETTINGS: .*none\.json.*--measure.*npm run bench/)
})

test('it plans by the newest result, and says which and when', async () => {
  const file = await resultsFile('several.json', {
    throughput: { ...THROUGHPUT, measured_at: '2026-01-01T00:00:00.000Z' },
    calibration: { ...THROUGHPUT, name: 'calibration', ours: 5_000, measured_at: '2026-02-01T00:00:00.000Z' },
    failover: { name: 'failover', p50_ms: 3 },
  })
  const demand = ['--workflows-per-second', '20000', '--payload', '0', '--waiting', '1000', '--regions', '3']
  const { code, stdout, stderr } = await capacity(...demand, '--price-node', '10', '--results', file)
  expect({ code, stderr }).toEqual({
    code: EXIT.ok,
    stderr: expect.stringMatching(/by calibration of 2026-02-01T00:00:00.000Z on a machine, a server: 5000 /),
  })
  expect(stdout).toMatch(/^nodes, one core each\t5 in 3 regions$/m)
  expect(stdout).toMatch(/^cost per month\t50\.00$/m)
  const json = await capacity(...demand, '--json', '--results', file)
  expect(JSON.parse(json.stdout)).toMatchObject({
    plan: { nodes: 5, databaseCores: 2, bytesPerWorkflow: 1_500, costPerMonth: null },
    demand: { workflowsPerSecond: 20_000, waiting: 1_000, regions: 3 },
    headroom: 0.2,
    source: { by: 'calibration', at: '2026-02-01T00:00:00.000Z' },
  })
})

test('one result, as the benchmark prints it with --json, will do; what was not measured is told', async () => {
  const file = await resultsFile('one.json', {
    ...THROUGHPUT,
    cpu_ms_database: null,
    db_bytes: null,
    wal_bytes: null,
  })
  const { code, stdout, stderr } = await capacity('--workflows-per-second', '1', '--results', file)
  expect(code).toBe(EXIT.ok)
  expect(stderr).toMatch(/by throughput of 2\d{3}-/)
  expect(stdout).toMatch(/^cores of the database\tnot measured there$/m)
  expect(stdout).toMatch(/^size of the database\tnot measured there$/m)
})

test.each([
  [['--workflows-per-second', 'many'], /--workflows-per-second is "many"/],
  [['--workflows-per-second', '1', '--steps', '1.5'], /--steps is "1.5"/],
  [['--workflows-per-second', '1', '--regions', '0'], /--regions is "0"/],
  [['--workflows-per-second', '1', '--kept', 'long'], /--kept "long"/],
  [['--workflows-per-second', '1', '--price-node', '-1'], /--price-node is "-1"/],
  [[], /--workflows-per-second/],
])('%j is a wrong setting', async (args, text) => {
  const { code, stderr } = await capacity(...args)
  expect({ code, stderr }).toEqual({ code: EXIT.usage, stderr: expect.stringMatching(text) })
})

test('a file that holds something else is refused by name', async () => {
  const file = await resultsFile('strange.json', { throughput: { name: 'throughput', ours: 'fast' } })
  const { code, stderr } = await capacity('--workflows-per-second', '1', '--results', file)
  expect({ code, stderr }).toEqual({ code: EXIT.usage, stderr: expect.stringContaining(file) })
})

test('--measure runs such workflows on the database, keeps the result, and leaves nothing behind', async () => {
  const file = join(folder, 'new', 'measured.json')
  const sql = connect(databaseUrl(), { max: 1 })
  /** Schemas in which workflows of a calibration were registered. */
  const calibrated = async (): Promise<string[]> => {
    const rows = await sql<{ name: string }[]>`
      select table_schema::text as name from information_schema.tables
      where table_schema like 'cerebelum_calibration_%'`
    return rows.map(({ name }) => name)
  }
  const args = ['--workflows-per-second', '10', '--steps', '2', '--payload', '300', '--results', file]
  const { code, stdout, stderr } = await capacity(
    ...args,
    '--measure',
    '--seconds',
    '2',
    '--json',
    '--database-url',
    databaseUrl(),
  )
  expect({ code, stderr }).toEqual({ code: EXIT.ok, stderr: expect.stringContaining('calibration') })
  const { plan, source, measured } = JSON.parse(stdout)
  expect(source).toMatchObject({ by: 'calibration' })
  expect(measured).toMatchObject({ steps: 2, payloadBytes: 300 })
  expect(measured.workflowsPerSecond).toBeGreaterThan(0)
  expect(plan.nodes).toBeGreaterThanOrEqual(1)
  // Four values of 300 bytes are in it, where it can be told.
  if (plan.bytesPerWorkflow !== null) expect(plan.bytesPerWorkflow).toBeGreaterThan(1_200)
  expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ calibration: { steps: 2 } })
  expect(await calibrated()).toEqual([])
  await sql.end({ timeout: 5 })
})
