// Hints save waiting, and only that: a node polls rarely where it can be told, and is told at once.

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { StoreClient } from '../../src/client/create-client.js'
import { DEFAULT_LIMITS } from '../../src/core/limits.js'
import { silentLogger, systemClock } from '../../src/core/ports.js'
import { createEngineOn, type Engine } from '../../src/engine/create-engine.js'
import { workflow } from '../../src/workflow/define.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { NOTHING_SEEN, Place, releaseOf, startClaimed } from '../support/store-rows.js'
import { eventually } from '../support/wait.js'

const quick = workflow({ name: 'quick' }, async (ctx) => ctx.step('once', () => 'done'))

let database: TestDatabase
let engine: Engine
/** When the node polled, so that a test can wait until it does so rarely. */
const polledMs: number[] = []

beforeAll(async () => {
  database = await createTestDatabase()
  const store = await database.openStore()
  engine = createEngineOn(
    {
      ...store,
      // Only hints and polls are left.
      glance: () => Promise.resolve(NOTHING_SEEN),
      claim: (request) => {
        polledMs.push(performance.now())
        return store.claim(request)
      },
    },
    { workflows: [quick] },
  )
  await engine.start()
})

afterAll(async () => {
  await engine?.stop()
  await database?.drop()
})

/** A client of another process: no node beside it. */
async function remoteClient(): Promise<StoreClient> {
  const store = await database.openStore()
  return new StoreClient({ store, limits: DEFAULT_LIMITS, clock: systemClock, log: silentLogger })
}

describe('what another process starts', () => {
  it('is begun by an idle node long before it would poll', async ({ skip }) => {
    const client = await remoteClient()
    if (!(await database.openStore()).hasHints) skip('this database has no hints')
    const waits: number[] = []
    for (let round = 0; round < 3; round++) {
      await eventually(() => (polledMs.at(-1) ?? 0) - (polledMs.at(-2) ?? Infinity) > 900, {
        what: 'the node to poll rarely',
      })
      const begun = performance.now()
      const handle = await client.start(quick, undefined)
      expect(await handle.result()).toBe('done')
      waits.push(performance.now() - begun)
    }
    const median = waits.toSorted((a, b) => a - b)[1] ?? Infinity
    // It has just polled and would do so again in a second.
    expect(median, waits.join(' ')).toBeLessThan(600)
  })
})

describe('hints', () => {
  it('tell the partitions in which doorbells ring, and nothing to other installations', async ({ skip }) => {
    const store = await database.openStore()
    if (!store.hasHints) skip('this database has no hints')
    const heard: number[] = []
    const stop = store.onHint((partitions) => heard.push(...partitions))
    const client = await remoteClient()
    const handle = await client.start(quick, undefined)
    const { partition } = store.keyOf(handle.executionId)
    await eventually(
      async () => {
        // A listener that is only just connecting may miss the first.
        await client.signal(handle.executionId, 'again').catch(() => undefined)
        await client.start(quick, undefined, { id: handle.executionId, idPolicy: 'allow-after-close' })
        return heard.includes(partition)
      },
      { what: 'a hint about the partition' },
    )
    await stop()
  })

  it('tell where something is handed back, and when partitions are given up', async ({ skip }) => {
    const store = await database.openStore()
    if (!store.hasHints) skip('this database has no hints')
    const heard = new Set<number>()
    let wereFree = 0
    const stop = store.onHint((partitions, areFree) => {
      for (const partition of partitions) heard.add(partition)
      if (areFree) wereFree++
    })
    const place = new Place()
    // A partition that nobody else rings in; a listener that is only just connecting may miss the first.
    let given = 0
    await eventually(
      async () => {
        const key = { ...place.key(`given ${given++}`, 31_000) }
        await startClaimed(store, 'leaver', [key])
        await store.commit([releaseOf(key, 'leaver', { status: 'running', readyInMs: 0 })])
        return heard.has(31_000)
      },
      { what: 'a hint about what was handed back' },
    )
    expect(wereFree).toBe(0)
    await database.connect({ max: 1 })`update partitions set owner = 'leaver' where id = 0`
    await store.freePartitions('leaver')
    await eventually(() => wereFree === 1, { what: 'a hint about free partitions' })
    await store.freePartitions('leaver')
    await stop()
    expect(wereFree).toBe(1)
  })

  it('are heard again after their connection was cut', async ({ skip }) => {
    const store = await database.openStore()
    if (!store.hasHints) skip('this database has no hints')
    const sql = database.connect()
    const heard = new Set<number>()
    const stop = store.onHint((partitions) => partitions.forEach((partition) => heard.add(partition)))
    await sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'cerebelum hints' and pid <> pg_backend_pid()`
    heard.clear()
    const client = await remoteClient()
    await eventually(
      async () => {
        await client.start(quick, undefined)
        return heard.size > 0
      },
      { what: 'a hint on a new connection', deadlineMs: 25_000 },
    )
    await stop()
  })
})
