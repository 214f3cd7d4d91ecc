// How many partitions change hands when nodes come and go, and how soon all have an owner again: the real lease holders
// and assignment in simulated time, with nothing wrong but that.

import { expect, it } from 'vitest'
import { Chance } from './chance.js'
import { Cluster } from './cluster.js'
import { LEASE_MS } from './machine.js'
import { Timeline } from './timeline.js'

const PARTITIONS = 64
const SETTLE_MS = 5_000
/** How often nodes look at each other at least. */
const LOOK_MS = 1_000

interface Quiet {
  readonly cluster: Cluster
  /** Lets time pass and says whose partitions are another's now. */
  readonly moved: (change: () => void) => Promise<number>
  readonly owners: () => (string | null)[]
  /** Until every partition has an owner that lives, in ms. */
  readonly untilOwned: (change: () => void) => Promise<number>
}

async function withQuietCluster(nodes: number, work: (quiet: Quiet) => Promise<void>): Promise<void> {
  const timeline = new Timeline(1_000_000)
  const chance = new Chance(nodes)
  const cluster = new Cluster({
    timeline,
    chance: chance.branch(),
    partitions: PARTITIONS,
    // None shares a machine: deaths are learned of by leases alone.
    hosts: 1_000_000,
    hasHints: true,
    lossProbability: 0,
    bug: undefined,
    trace: () => undefined,
  })
  const owners = (): (string | null)[] => cluster.tables.leases.partitions.map(({ owner }) => owner)
  const living = (): Set<string> => new Set(cluster.staying.map(({ node }) => node.nodeId))
  const pass = (ms: number): Promise<void> => timeline.run(timeline.nowMs + ms)
  const release = timeline.hold(chance.branch())
  try {
    for (let n = 0; n < nodes; n++) timeline.after(chance.between(0, 100), () => cluster.join() !== undefined)
    await pass(SETTLE_MS)
    await work({
      cluster,
      owners,
      async moved(change) {
        const before = owners()
        change()
        await pass(SETTLE_MS)
        const after = owners()
        expect(after.every((owner) => owner !== null && living().has(owner))).toBe(true)
        return after.filter((owner, partition) => owner !== before[partition]).length
      },
      async untilOwned(change) {
        const sinceMs = timeline.nowMs
        change()
        const isOwned = (): boolean => {
          const alive = living()
          return owners().every((owner) => owner !== null && alive.has(owner))
        }
        while (!isOwned() && timeline.nowMs < sinceMs + SETTLE_MS) await pass(10)
        return timeline.nowMs - sinceMs
      },
    })
  } finally {
    for (const machine of cluster.machines) machine.kill()
    release()
  }
}

it.each([4, 8, 16])(
  'of %i nodes and one more, partitions move as many as it then owns, and few more',
  async (nodes) => {
    await withQuietCluster(nodes, async ({ cluster, moved, owners }) => {
      let newcomer = ''
      const count = await moved(() => (newcomer = cluster.join().node.nodeId))
      const owned = owners().filter((owner) => owner === newcomer).length
      expect(owned).toBeGreaterThanOrEqual(Math.floor(PARTITIONS / (nodes + 1)))
      // Who has one more than others is told by the order of the ids, which the newcomer changes.
      expect(count).toBeLessThanOrEqual(owned + nodes / 2)
    })
  },
)

it.each([4, 8, 16])(
  'when one of %i nodes dies or leaves, its partitions move, and few more',
  async (nodes) => {
    await withQuietCluster(nodes, async ({ cluster, moved, owners }) => {
      for (const go of ['kill', 'drain'] as const) {
        const [machine] = cluster.staying
        const owned = owners().filter((owner) => owner === machine?.node.nodeId).length
        expect(owned).toBeGreaterThan(0)
        expect(await moved(() => machine?.[go]())).toBeLessThanOrEqual(owned + nodes / 2)
      }
    })
  },
)

it.each([1, 10, 50])(
  'a hundred nodes own all partitions soon after %i of them died at once',
  async (deaths) => {
    await withQuietCluster(100, async ({ cluster, untilOwned }) => {
      const owners = cluster.staying.slice(0, deaths)
      const ms = await untilOwned(() => owners.forEach((machine) => machine.kill()))
      // The last of the dead runs out, and the last of the living looks; what is nobody's is claimed from by all meanwhile.
      expect(ms).toBeLessThan(LEASE_MS + LOOK_MS + 200)
    })
  },
  60_000,
)
