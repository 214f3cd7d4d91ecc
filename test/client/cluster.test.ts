// The cluster as a client sees it: nodes and their load, partitions and their owners, and who comes and goes.

import { setMaxListeners } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clusterStats, type ClusterChange } from '../../src/client/cluster.js'
import { StoreClient } from '../../src/client/create-client.js'
import { DEFAULT_LIMITS } from '../../src/core/limits.js'
import { silentLogger, systemClock } from '../../src/core/ports.js'
import { createHttpApp } from '../../src/http/app.js'
import type { LeaseRow, Store } from '../../src/store/store.js'
import { workflow } from '../../src/workflow/define.js'
import { useEngine } from '../support/engine.js'
import { IDLE } from '../support/store-rows.js'
import { eventually } from '../support/wait.js'

const waits = workflow({ name: 'waits', version: '7' }, (ctx) => ctx.step('wait', () => held))
let release = (): void => undefined
const held = new Promise<void>((resolve) => (release = resolve))

describe('a cluster', () => {
  const using = useEngine([waits], { zone: 'north', drainMs: 0 })
  afterAll(() => release())

  test('tells of each node where it is, what it can run and what it does', async () => {
    await using.client.start(waits, undefined, { id: 'held' })
    const stats = await eventually(
      async () => {
        const seen = await using.client.clusterStats()
        return seen.nodes[0]?.load.running === 1 && seen
      },
      { what: 'a heartbeat that tells of the execution' },
    )
    expect(stats.nodes).toMatchObject([
      {
        nodeId: using.engine.nodeId,
        region: 'local',
        zone: 'north',
        capacity: 2_000,
        workflows: { waits: '7' },
        partitions: 64,
        executions: { running: 1 },
        isAlive: true,
      },
    ])
    expect(stats.nodes[0]?.load.cpu).toBeGreaterThan(0)
    expect(stats.regions).toMatchObject([{ region: 'local', nodes: 1, partitions: 64, running: 1 }])
    expect(stats.partitions).toHaveLength(64)
    expect(stats.imbalance).toEqual({ partitions: 1, running: 1 })
  })

  test('tells of an event loop that was blocked', async () => {
    const blockedUntilMs = performance.now() + 300
    while (performance.now() < blockedUntilMs);
    const lag = await eventually(
      async () => {
        const [node] = (await using.client.clusterStats()).nodes
        return node !== undefined && node.load.lagMs >= 200 && node.load.lagMs
      },
      { everyMs: 50, what: 'a heartbeat with the lag' },
    )
    expect(lag).toBeLessThan(10_000)
  })

  test('shows a node of another release that says less, or more', async () => {
    const sql = using.database.connect({ max: 1 })
    await sql`
      insert into leases (node_id, region, release, capacity, load, workflows, expires_at)
      values ('other', 'local', '9', 5, '{"running":3,"mood":"good"}', '["waits"]', now() + interval '1 hour')`
    const { nodes } = await using.client.clusterStats()
    await sql`delete from leases where node_id = 'other'`
    expect(nodes.find(({ nodeId }) => nodeId === 'other')).toMatchObject({
      zone: null,
      workflows: { waits: '' },
      load: { running: 3, cached: 0, laneDepth: 0, lagMs: 0, cpu: 0 },
    })
  })

  test('is told the same over HTTP', async () => {
    const app = createHttpApp({ client: using.client, readiness: () => Promise.resolve({ ready: true }) })
    const response = await app.request('/api/v1/cluster')
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({
      nodes: [{ nodeId: using.engine.nodeId, partitions: 64 }],
      imbalance: { partitions: 1 },
    })
    expect((await app.request('/api/v1/cluster?all')).status).toBe(400)
  })

  test('is open to SQL under names that stay', async () => {
    const sql = using.database.connect({ max: 1 })
    const [node] = await sql`
      select node_id, region, zone, capacity, partitions::int4 as partitions, is_alive from node_load`
    expect(node).toEqual({
      node_id: using.engine.nodeId,
      region: 'local',
      zone: 'north',
      capacity: 2_000,
      partitions: 64,
      is_alive: true,
    })
    const [owned] = await sql`
      select count(*)::int4 as owned from partition_ownership
      where owner = ${using.engine.nodeId}::text and is_owner_alive`
    expect(owned).toEqual({ owned: 64 })
  })
})

describe('watching', () => {
  const using = useEngine([waits], { drainMs: 0 })
  let store: Store
  let reads = 0

  beforeAll(async () => {
    const inner = await using.database.openStore()
    store = {
      ...inner,
      readCluster() {
        reads++
        return inner.readCluster()
      },
    }
  })
  const connect = (): StoreClient =>
    new StoreClient({ store, limits: DEFAULT_LIMITS, clock: systemClock, log: silentLogger })

  function follow(client: StoreClient, signal?: AbortSignal) {
    const seen: ClusterChange[] = []
    const told = (): string[] => seen.map(({ kind, node }) => `${kind} ${node.nodeId}`)
    const ended = (async () => {
      for await (const change of client.watchCluster(signal === undefined ? {} : { signal }))
        seen.push(change)
    })()
    return { told, ended }
  }

  test('tells who is there, who joins and who leaves, and ends when told to', async () => {
    const client = connect()
    const abort = new AbortController()
    const { told, ended } = follow(client, abort.signal)
    const first = `joined ${using.engine.nodeId}`
    await eventually(() => told().includes(first), { what: 'the node that is there' })
    const other = await using.join()
    await eventually(() => told().includes(`joined ${other.nodeId}`), { what: 'the node that joins' })
    await other.stop()
    await eventually(() => told().includes(`left ${other.nodeId}`), { what: 'the node that leaves' })
    expect(told()).toEqual([first, `joined ${other.nodeId}`, `left ${other.nodeId}`])
    abort.abort()
    await ended
    await client.close()
  })

  test('costs one query a second however many watch, and none afterwards', async () => {
    const client = connect()
    const abort = new AbortController()
    setMaxListeners(0, abort.signal)
    reads = 0
    const beganMs = performance.now()
    const watchers = Array.from({ length: 20 }, () => follow(client, abort.signal))
    for (const { told } of watchers) await eventually(() => told().length > 0, { what: 'the first word' })
    const seconds = (performance.now() - beganMs) / 1_000
    expect(reads).toBeLessThanOrEqual(2 + seconds)
    abort.abort()
    await Promise.all(watchers.map(({ ended }) => ended))
    await client.close()
  })

  test('ends when its client closes', async () => {
    const client = connect()
    const { told, ended } = follow(client)
    await eventually(() => told().length > 0, { what: 'the first word' })
    await client.close()
    await ended
  })
})

test('imbalance is the largest share over the mean, within each region', () => {
  const lease = (nodeId: string, region: string, running: number): LeaseRow => ({
    nodeId,
    region,
    address: null,
    release: '1',
    capacity: 10,
    report: { ...IDLE, running },
    workflows: [],
    startedAt: new Date(0),
    renewedAt: new Date(0),
    expiresAt: new Date(0),
    expired: nodeId === 'dead',
  })
  const owned = ['a', 'a', 'a', 'b'].map((owner, partition) => ({ partition, region: 'x', owner, epoch: 0 }))
  const stats = clusterStats({
    at: new Date(0),
    leases: [lease('a', 'x', 9), lease('b', 'x', 3), lease('c', 'y', 100), lease('dead', 'x', 1_000)],
    partitions: [...owned, { partition: 4, region: 'y', owner: 'c', epoch: 0 }],
    held: [],
  })
  expect(stats.regions.map(({ region, imbalance }) => [region, imbalance])).toEqual([
    ['x', { partitions: 1.5, running: 1.5 }],
    ['y', { partitions: 1, running: 1 }],
  ])
  expect(stats.imbalance).toEqual({ partitions: 1.5, running: 1.5 })
})
