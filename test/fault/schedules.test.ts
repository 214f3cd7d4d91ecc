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
  const definitionOf = (): undefined => undefined
  const loop = new ScheduleLoop({ store, clock: systemClock, log: silentLogger, definitionOf, onRung })
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

describe('a node that dies on its way', () => {
  let proxy: Proxy
  beforeAll(async () => {
    proxy = await startProxy(databaseUrl())
  })
  afterAll(() => proxy.close())

  const ADVANCE = /update \S*"?schedules"? as s set/
  const STATEMENTS: readonly (readonly [string, RegExp])[] = [
    [
      'the claim',
      /from \S*"?schedules"? as s\s+where s\.due_at is not null and not s\.paused and s\.due_at <= now/,
    ],
    ['the starts', /insert into \S*executions/],
    ['the advance', ADVANCE],
    ['the commit', /^commit$/],
  ]
  const FAULTS = ['cut-before', 'lose-answer'] as const satisfies readonly Fault['kind'][]
  const cases = STATEMENTS.flatMap(([what, pattern], n) =>
    FAULTS.map((kind, m) => ({ what, pattern, kind, id: `dies-${n}-${m}` })),
  )

  /** A schedule with six firings that are due, and a node that comes as far as the statement on its way to them. */
  async function interrupted({ id, pattern, kind }: Interruption) {
    const spec = { every: '1 second' }
    await client.schedules.create(id, { spec, workflow: 'w', overlap: 'allow', paused: true })
    const sql = database.connect({ max: 1 })
    const [row] = await sql<{ next_at: Date }[]>`
      update schedules set paused = false, due_at = now(), next_at = date_trunc('second', now()) - interval '5 seconds'
      where schedule_id = ${id}::text
      returning next_at`
    await sql.end()
    const nextAt = row?.next_at ?? new Date(Number.NaN)
    let isMet = false
    proxy.plan = (text) => {
      if (isMet || !pattern.test(text.trim())) return undefined
      isMet = true
      return { kind }
    }
    const told = fireOn(await database.openStore({ url: proxy.url, retryForMs: 0 }))
    await eventually(() => isMet)
    // Nothing more is begun by it.
    const stopped = Promise.all(loops.splice(0).map((loop) => loop.stop()))
    return { nextAt, told, stopped }
  }

  async function expectTakenOver(id: string, nextAt: Date): Promise<void> {
    fireOn(await database.openStore({ connections: 2 }))
    await eventually(
      async () => {
        const info = await client.schedules.describe(id)
        return info.lastAt !== null && info.lastAt.getTime() >= nextAt.getTime() + 5_000
      },
      { deadlineMs: 25_000 },
    )
    await client.schedules.pause(id)
    expect((await executionsOf(id))[0]).toBe(`${id}/${nextAt.toISOString()}`)
    await expectGapless(id, 1_000)
  }

  test.each(cases)('at $what ($kind), neither loses nor doubles a firing', async (interruption) => {
    const { nextAt, told, stopped } = await interrupted(interruption)
    await stopped
    expect(told).toEqual([])
    await expectTakenOver(interruption.id, nextAt)
  })

  test('and stays there with its locks, keeps no firing from others', { timeout: 60_000 }, async () => {
    const id = 'stands-still'
    const { nextAt, told, stopped } = await interrupted({ id, pattern: ADVANCE, kind: 'keep-answer' })
    await expectTakenOver(id, nextAt)
    proxy.cutAll()
    await stopped
    expect(told).toEqual([])
  })
})

interface Interruption {
  readonly id: string
  readonly pattern: RegExp
  readonly kind: 'cut-before' | 'lose-answer' | 'keep-answer'
}
