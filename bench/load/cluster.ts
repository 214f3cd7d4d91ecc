// `cluster`: many light nodes on one database. How long until they have shared the partitions out, what they cost while
// nothing is to be done, how many partitions move when one comes or goes, what happens when one, a tenth, and half of them
// die at once, how soon work started without a node runs on one, and how long a hand-over takes.

import { loadavg } from 'node:os'
import { performance } from 'node:perf_hooks'
import { createClient } from '../../src/database.js'
import { CostMeter } from '../harness/cost.js'
import { percentile } from '../harness/pairs.js'
import type { Place } from '../harness/place.js'
import { machineText } from '../harness/report.js'
import { startHive, type Hive } from '../nodes/fleet.js'
import { owners, settled, type Ownership } from '../nodes/ownership.js'
import { handOvers, startLatencies } from '../nodes/latencies.js'

export interface ClusterOptions {
  readonly nodes: number
  /** Seconds of idleness that are measured. */
  readonly idle: number
  readonly starts: number
  readonly drains: number
  /** As if each process had a machine of its own. */
  readonly apart: boolean
  readonly onProgress: (text: string) => void
}

export interface DeathReport {
  readonly nodes: number
  /** From the kill until living nodes own all partitions. */
  readonly owned_ms: number
  /** Most statements that all nodes sent within a tenth of a second. */
  readonly peak_statements: number
  /** All statements until then, per survivor. */
  readonly statements_each: number
}

export interface ClusterReport {
  readonly name: 'cluster'
  readonly nodes: number
  readonly partitions: number
  /** From the last node's join until each holds its fair share. */
  readonly settle_ms: number
  readonly idle_statements_per_s: number
  readonly idle_bytes_per_s: number
  readonly idle_wal_bytes_per_s: number | null
  /** Of a core, for all nodes together. */
  readonly idle_database_cpu: number | null
  readonly join_moved: number
  readonly join_ms: number
  readonly leave_moved: number
  readonly leave_ms: number
  /** What moving as little as possible means. */
  readonly fair_moves: number
  readonly deaths: readonly DeathReport[]
  readonly start_p50_ms: number
  readonly start_p99_ms: number
  readonly start_deaf_p50_ms: number
  readonly start_deaf_p99_ms: number
  readonly hand_over_p50_ms: number
  readonly hand_over_p99_ms: number
  readonly apart: boolean
  readonly load_average: number
  readonly machine: string
  readonly node_version: string
  readonly server: string
}

const PARTITIONS_PER_NODE = 16
const HIVE_MAX = 10

export async function cluster(place: Place, options: ClusterOptions): Promise<ClusterReport> {
  const { nodes, apart, onProgress } = options
  const partitions = nodes * PARTITIONS_PER_NODE
  const schema = await place.freshSchema({ partitionCount: partitions })
  const where = { url: place.url, schema, apart }
  const hives = new Set<Hive>()
  const start = async (count: number): Promise<Hive[]> => {
    const sizes = Array.from({ length: Math.ceil(count / HIVE_MAX) }, (_, n) =>
      Math.min(HIVE_MAX, count - n * HIVE_MAX),
    )
    const started = await Promise.all(sizes.map((size) => startHive({ ...where, nodes: size })))
    for (const hive of started) hives.add(hive)
    return started
  }
  try {
    const groups = groupsOf(nodes)
    const dying = []
    for (const size of groups.dying) dying.push(await start(size))
    await start(groups.staying)
    const joinedMs = performance.now()
    await settled({ place, schema, nodes })
    const settleMs = performance.now() - joinedMs
    onProgress(`${nodes} nodes settled after ${Math.round(settleMs)} ms`)
    const idle = await measureIdle({ place, schema, hives, nodes, seconds: options.idle })
    onProgress(`idle: ${idle.statements.toFixed(1)} statements/s and ${Math.round(idle.bytes)} bytes/s each`)
    const coming = await moves({ place, schema, nodes: nodes + 1 }, () => start(1))
    const [newcomer] = coming.result
    const going = await moves({ place, schema, nodes }, async () => {
      if (newcomer === undefined) return
      hives.delete(newcomer)
      await newcomer.stop()
    })
    onProgress(`join moved ${coming.moved} partitions, leave ${going.moved}`)
    const deaths: DeathReport[] = []
    let living = nodes
    for (const group of dying) {
      const size = group.reduce((sum, hive) => sum + hive.nodeIds.length, 0)
      living -= size
      deaths.push(
        await killAll({
          place,
          schema,
          group,
          living,
          staying: [...hives].filter((hive) => !group.includes(hive)),
        }),
      )
      for (const hive of group) hives.delete(hive)
      onProgress(`${size} died at once: all owned after ${Math.round(deaths.at(-1)?.owned_ms ?? 0)} ms`)
    }
    const client = await createClient({ database: { url: place.url, schema } })
    try {
      const heard = await startLatencies({ place, schema, client, count: options.starts })
      const gaps: number[] = []
      for (let drain = 0; drain < options.drains; drain++) {
        const [leaver] = await start(1)
        if (leaver === undefined) break
        await settled({ place, schema, nodes: living + 1 })
        hives.delete(leaver)
        gaps.push(...(await handOvers({ place, schema, client, leaver })))
        onProgress(`drain ${drain + 1}/${options.drains}: ${gaps.length} handed over so far`)
      }
      for (const hive of hives) await hive.order({ deafen: true })
      const deaf = await startLatencies({ place, schema, client, count: options.starts })
      return {
        name: 'cluster',
        nodes,
        partitions,
        settle_ms: settleMs,
        idle_statements_per_s: idle.statements,
        idle_bytes_per_s: idle.bytes,
        idle_wal_bytes_per_s: idle.walBytes,
        idle_database_cpu: idle.databaseCpu,
        join_moved: coming.moved,
        join_ms: coming.ms,
        leave_moved: going.moved,
        leave_ms: going.ms,
        fair_moves: partitions / (nodes + 1),
        deaths,
        start_p50_ms: percentile(heard, 0.5),
        start_p99_ms: percentile(heard, 0.99),
        start_deaf_p50_ms: percentile(deaf, 0.5),
        start_deaf_p99_ms: percentile(deaf, 0.99),
        hand_over_p50_ms: percentile(gaps, 0.5),
        hand_over_p99_ms: percentile(gaps, 0.99),
        apart,
        load_average: loadavg()[0] ?? Number.NaN,
        machine: machineText(),
        node_version: process.versions.node,
        server: place.server,
      }
    } finally {
      await client.close()
    }
  } finally {
    await Promise.all([...hives].map((hive) => hive.stop()))
  }
}

/** One, a tenth and half of them die, in this order; at least one stays. */
function groupsOf(nodes: number): { readonly dying: readonly number[]; readonly staying: number } {
  const dying = [1, Math.max(1, Math.round(nodes / 10)), Math.max(1, Math.floor(nodes / 2))]
  const staying = nodes - dying.reduce((sum, size) => sum + size, 0)
  if (staying < 1) throw new Error(`cluster needs more than ${nodes} nodes`)
  return { dying, staying }
}

async function measureIdle(options: {
  readonly place: Place
  readonly schema: string
  readonly hives: Iterable<Hive>
  readonly nodes: number
  readonly seconds: number
}): Promise<{ statements: number; bytes: number; walBytes: number | null; databaseCpu: number | null }> {
  const { place, schema, hives, nodes, seconds } = options
  const cost = new CostMeter(place, schema)
  const before = await countAll(hives)
  await cost.measure(() => new Promise<void>((resolve) => setTimeout(resolve, seconds * 1_000)))
  const after = await countAll(hives)
  const each = (from: number, to: number): number => (to - from) / nodes / seconds
  const { wal_bytes, cpu_ms_database } = cost.per(nodes * seconds)
  return {
    statements: each(before.statements, after.statements),
    bytes: each(before.bytes, after.bytes),
    walBytes: wal_bytes,
    databaseCpu: cpu_ms_database === null ? null : (cpu_ms_database * nodes) / 1_000,
  }
}

/** How many partitions have another owner when all is settled again, and how long that took. */
async function moves<T>(
  where: { readonly place: Place; readonly schema: string; readonly nodes: number },
  change: () => Promise<T>,
): Promise<{ readonly result: T; readonly moved: number; readonly ms: number }> {
  const before = await owners(where)
  const result = await change()
  const changedMs = performance.now()
  await settled(where)
  return { result, ms: performance.now() - changedMs, moved: movedBetween(before, await owners(where)) }
}

function movedBetween(before: Ownership, after: Ownership): number {
  return [...after].filter(([partition, owner]) => before.get(partition) !== owner).length
}

async function killAll(options: {
  readonly place: Place
  readonly schema: string
  readonly group: readonly Hive[]
  readonly staying: readonly Hive[]
  readonly living: number
}): Promise<DeathReport> {
  const { place, schema, group, staying, living } = options
  const before = await countAll(staying)
  const killedAt = Date.now()
  await Promise.all(group.map((hive) => hive.kill()))
  await settled({ place, schema, nodes: living })
  const ownedAt = Date.now()
  const after = await countAll(staying)
  const during = [...after.tenths].filter(([tenth]) => tenth * 100 >= killedAt && tenth * 100 <= ownedAt)
  return {
    nodes: group.reduce((sum, hive) => sum + hive.nodeIds.length, 0),
    owned_ms: ownedAt - killedAt,
    peak_statements: Math.max(0, ...during.map(([, statements]) => statements)),
    statements_each: (after.statements - before.statements) / living,
  }
}

/** What all of them said, together. */
async function countAll(hives: Iterable<Hive>): Promise<{
  readonly statements: number
  readonly bytes: number
  readonly tenths: ReadonlyMap<number, number>
}> {
  const tenths = new Map<number, number>()
  let statements = 0
  let bytes = 0
  for (const hive of hives) {
    const news = await hive.order({ count: true })
    if (!('counts' in news)) throw new Error('a hive did not count')
    statements += news.counts.statements
    bytes += news.counts.bytes
    for (const [tenth, some] of news.counts.tenths) tenths.set(tenth, (tenths.get(tenth) ?? 0) + some)
  }
  return { statements, bytes, tenths }
}
