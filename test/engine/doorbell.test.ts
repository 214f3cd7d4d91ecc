// Doorbells against claims that are being given up: what rings in between must ring on.

import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { StoreClient } from '../../src/client/create-client.js'
import { DEFAULT_LIMITS } from '../../src/core/limits.js'
import { KEPT_MS_DEFAULT } from '../../src/core/retention.js'
import { silentLogger, systemClock } from '../../src/core/ports.js'
import { Node } from '../../src/engine/node.js'
import type { Commit, CommitOutcome, Store } from '../../src/store/store.js'
import { workflow } from '../../src/workflow/define.js'
import { Registry } from '../../src/workflow/registry.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { eventually } from '../support/wait.js'

let database: TestDatabase

beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.drop())

const nextTurn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(() => resolve())
  })
const waits = workflow({ name: 'waits' }, async (ctx) => ctx.signal('go', z.string()))
const sleeps = workflow({ name: 'sleeps' }, async (ctx) => {
  // The step makes the sleep a commit of its own, before the claim is given up.
  await Promise.all([ctx.sleep(100), ctx.step('meanwhile', () => nextTurn())])
  return 'awake'
})

interface Stand {
  readonly client: StoreClient
  /** Releases that wait at the gate. */
  readonly waiting: () => number
  readonly polls: () => number
  readonly open: () => void
  readonly failReleases: (times: number) => void
}

/** A node whose claims are given up only when the test says so. */
async function stand(work: (stand: Stand) => Promise<void>): Promise<void> {
  const store = await database.openStore()
  let open: () => void = () => undefined
  let gate: Promise<void> | undefined = new Promise<void>((resolve) => (open = resolve))
  let waiting = 0
  let polls = 0
  let failures = 0
  const gated: Store = {
    ...store,
    async commit(batch: readonly Commit[]): Promise<CommitOutcome[]> {
      if (batch.some(({ transition }) => transition?.kind === 'release')) {
        if (failures > 0) {
          failures--
          throw new Error('the database is away')
        }
        waiting++
        await gate
      }
      return store.commit(batch)
    },
    async takeRung(...parameters) {
      const rung = await store.takeRung(...parameters)
      polls++
      return rung
    },
  }
  const common = { store: gated, limits: DEFAULT_LIMITS, clock: systemClock, log: silentLogger }
  const node = new Node({
    ...common,
    registry: new Registry([waits, sleeps]),
    region: 'local',
    zone: null,
    address: null,
    release: 'test',
    capacity: 100,
    lanes: 1,
    leaseMs: 5_000,
    heartbeatMs: 400,
    cacheExecutionsMax: 100,
    cacheBytesMax: 1e6,
    drainMs: 100,
    kept: KEPT_MS_DEFAULT,
    archive: undefined,
  })
  await node.start()
  const client = new StoreClient({ ...common, host: node })
  try {
    await work({
      client,
      waiting: () => waiting,
      polls: () => polls,
      open: () => {
        gate = undefined
        open()
      },
      failReleases: (times) => (failures = times),
    })
  } finally {
    open()
    await client.close()
    await node.stop()
  }
}

it('a signal that comes while the claim is being given up is not lost', () =>
  stand(async ({ client, waiting, polls, open }) => {
    const handle = await client.start(waits, null)
    await eventually(() => waiting() > 0)
    await client.signal(handle.executionId, 'go', 'now')
    const seen = polls()
    await eventually(() => polls() > seen + 2)
    open()
    expect(await handle.result({ timeout: 10_000 })).toBe('now')
  }))

it('a timer that is due while the claim is being given up is not lost', () =>
  stand(async ({ client, waiting, polls, open }) => {
    const handle = await client.start(sleeps, null)
    await eventually(() => waiting() > 0)
    const sql = database.connect()
    await eventually(async () => {
      const [row] = await sql`select ready_at from executions where execution_id = ${handle.executionId}`
      return row?.['ready_at'] !== null
    })
    const seen = polls()
    await eventually(() => polls() > seen + 2)
    open()
    expect(await handle.result({ timeout: 10_000 })).toBe('awake')
  }))

it('a claim that could not be given back is given back later', () =>
  stand(async ({ client, open, failReleases }) => {
    open()
    // The run’s own release, and the one that hands it back.
    failReleases(2)
    const handle = await client.start(sleeps, null)
    expect(await handle.result({ timeout: 20_000 })).toBe('awake')
  }))
