// Firings under fire: nodes that race for them, and nodes that die at every statement of one. Through all of it each
// nominal time starts one execution, and none is left out.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../../src/client/client.js'
import { StoreClient } from '../../src/client/create-client.js'
import { DEFAULT_LIMITS } from '../../src/core/limits.js'
import { silentLogger, systemClock } from '../../src/core/ports.js'
import type { Store } from '../../src/store/store.js'
import { ScheduleLoop } from '../../src/timers/schedule-loop.js'
import { createTestDatabase, databaseUrl, type TestDatabase } from '../support/database.js'
import { type Fault, type Proxy, startProxy } from '../support/proxy.js'
import { eventually } from '../support/wait.js'

let database: TestDatabase
let client: Client
const loops: ScheduleLoop[] = []

beforeAll(async () => {
  database = await createTestDatabase()
  const store = await database.openStore()
  await store.registerDefinitions([{ workflow: 'w', version: '1' }])
  client = new StoreClient({ store, limits: DEFAULT_LIMITS, clock: systemClock, log: silentLogger })
})
afterEach(() => Promise.all(loops.splice(0).map((loop) => loop.stop())))
afterAll(() => database.drop())

/** The part of a node that fires schedules. Returns the ids that it started, as it was told. */
function fireOn(store: Store): string[] {
  const started: string[] = []
  const onRung = (keys: readonly { executionId: string }[]): void =>
    void started.push(...keys.map(({ executionId }) => executionId))
  const versionOf = (): undefined => undefined
  const loop = new ScheduleLoop({ store, clock: systemClock, log: silentLogger, versionOf, onRung })
  loop.start()
  loops.push(loop)
  return started
}

async function executionsOf(scheduleId: string): Promise<string[]> {
  const sql = database.connect({ max: 1 })
  const rows = await sql<{ execution_id: string }[]>`
    select execution_id from executions where execution_id like ${`${scheduleId}/%`}::text order by execution_id`
  await sql.end()
  return rows.map((row) => row.execution_id)
}

/** What has been started is everything from the first nominal time to the last that was judged, each once. */
async function expectGapless(scheduleId: string, everyMs: number): Promise<void> {
  const { fired, skipped, missed, lastAt } = await client.schedules.describe(scheduleId)
  const times = (await executionsOf(scheduleId)).map((id) => Date.parse(id.slice(scheduleId.length + 1)))
  const [first = 0] = times
  expect(times).toEqual(times.map((_, n) => first + n * everyMs))
  expect(times.at(-1)).toBe(lastAt?.getTime())
  expect({ fired, skipped, missed }).toEqual({ fired: times.length, skipped: 0, missed: 0 })
}

test('four nodes that race for twenty schedules start nothing twice and leave nothing out', async () => {
  const ids = Array.from({ length: 20 }, (_, n) => `race-${n}`)
  const request = { spec: { every: 100 }, workflow: 'w', overlap: 'allow' } as const
  await Promise.all(ids.map((id) => client.schedules.create(id, request)))
  const stores = await Promise.all(Array.from({ length: 4 }, () => database.openStore({ connections: 2 })))
  const started = stores.map(fireOn)
  await eventually(
    async () => {
      const { schedules } = await client.schedules.list()
      return ids.every((id) => (schedules.find(({ scheduleId }) => scheduleId === id)?.fired ?? 0) >= 10)
    },
    { deadlineMs: 60_000, everyMs: 100 },
  )
  await Promise.all(ids.map((id) => client.schedules.pause(id)))
  await Promise.all(loops.splice(0).map((loop) => loop.stop()))
  for (const id of ids) await expectGapless(id, 100)
  // They did race, and each execution was started by one of them.
  expect(started.filter((by) => by.length > 0).length).toBeGreaterThan(1)
  const all = started.flat()
  expect(all.length).toBe(new Set(all).size)
  expect((await Promise.all(ids.map(executionsOf))).flat().toSorted()).toEqual(all.toSorted())
}, 90_000)

describe('a node that dies', () => {
  let proxy: Proxy
  beforeAll(async () => {
    proxy = await startProxy(databaseUrl())
  })
  afterAll(() => proxy.close())

  const STATEMENTS: readonly (readonly [string, RegExp])[] = [
    [
      'the claim',
      /from \S*"?schedules"? as s\s+where s\.due_at is not null and not s\.paused and s\.due_at <= now/,
    ],
    ['the starts', /insert into \S*executions/],
    ['the advance', /update \S*"?schedules"? as s set/],
    ['the commit', /^commit$/],
  ]
  const FAULTS: readonly Fault['kind'][] = ['cut-before', 'lose-answer']
  const cases = STATEMENTS.flatMap(([what, pattern], n) =>
    FAULTS.map((kind, m) => ({ what, pattern, kind, id: `dies-${n}-${m}` })),
  )

  test.each(cases)('at $what ($kind) neither loses nor doubles a firing', async ({ pattern, kind, id }) => {
    const spec = { every: '1 second' }
    await client.schedules.create(id, { spec, workflow: 'w', overlap: 'allow', paused: true })
    const sql = database.connect({ max: 1 })
    await sql`
      update schedules set paused = false, due_at = now(), next_at = date_trunc('second', now()) - interval '5 seconds'
      where schedule_id = ${id}::text`
    const [row] = await sql<{ next_at: Date }[]>`
      select next_at from schedules where schedule_id = ${id}::text`
    await sql.end()
    const firstId = `${id}/${row?.next_at.toISOString()}`

    proxy.door = 'open'
    let isDead = false
    const dying = await database.openStore({ url: proxy.url, retryForMs: 0 })
    proxy.plan = (text) => {
      if (isDead || !pattern.test(text.trim())) return undefined
      isDead = true
      // Nothing of it comes back, as from a node whose machine is gone.
      proxy.door = 'shut'
      return kind === 'cut-before' ? { kind: 'cut-before' } : { kind: 'lose-answer' }
    }
    const told = fireOn(dying)
    await eventually(() => isDead)
    await Promise.all(loops.splice(0).map((loop) => loop.stop()))
    proxy.cutAll()
    expect(told).toEqual([])

    fireOn(await database.openStore({ connections: 2 }))
    await eventually(async () => {
      const { nextAt } = await client.schedules.describe(id)
      return nextAt !== null && nextAt.getTime() > (row?.next_at.getTime() ?? Infinity) + 5_000
    })
    await client.schedules.pause(id)
    expect((await executionsOf(id))[0]).toBe(firstId)
    await expectGapless(id, 1_000)
  })
})
