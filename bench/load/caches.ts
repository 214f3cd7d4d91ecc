// `caches`: what suspended executions in memory bring. The same executions, with histories of some lengths, are woken by
// updates again and again, on a node that keeps them and on one that keeps none and so reads and replays every time.

import { loadavg } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { createEngine, workflow, type Engine } from '../../src/index.js'
import { openStore } from '../../src/store/open.js'
import { median, runPairs, type Contestant, type PairResult } from '../harness/pairs.js'
import type { Place } from '../harness/place.js'
import { machineText } from '../harness/report.js'

export interface CachesOptions {
  /** Lengths of the histories. */
  readonly events: readonly number[]
  readonly executions: number
  /** Of each contestant and length, over all rounds. */
  readonly seconds: number
  readonly rounds: number
  readonly onProgress: (text: string) => void
}

export interface CacheRow extends PairResult {
  readonly events: number
  /** Of those that woke on the node that keeps them. */
  readonly hit_rate: number
  /** What of a wake-up without the cache is reading: more than that no other cache could save. */
  readonly read_ms: number
}

export interface CachesReport {
  readonly name: 'caches'
  readonly unit: string
  readonly rows: readonly CacheRow[]
  readonly server: string
  readonly machine: string
  readonly load_average: number
  readonly node_version: string
}

const woken = workflow({ name: 'woken' }, async (ctx, steps: number) => {
  let pokes = 0
  ctx.onUpdate('poke', z.number(), (by) => (pokes += by))
  for (let n = 0; n < steps; n++) await ctx.step('step', () => ({ n, text: 'x'.repeat(50) }))
  await ctx.signal('end', z.null())
})

export async function caches(place: Place, options: CachesOptions): Promise<CachesReport> {
  const rows: CacheRow[] = []
  for (const events of options.events) {
    options.onProgress(`histories of ${events} events`)
    rows.push(await measureOne(place, events, options))
  }
  return {
    name: 'caches',
    unit: 'wake-ups/s',
    rows,
    server: place.server,
    machine: machineText(),
    load_average: loadavg()[0] ?? 0,
    node_version: process.versions.node,
  }
}

async function measureOne(place: Place, events: number, options: CachesOptions): Promise<CacheRow> {
  const { executions, seconds, rounds, onProgress } = options
  const kept = await startWoken(place, { events, executions, cache: {} })
  const none = await startWoken(place, { events, executions, cache: { executionsMax: 0 } })
  try {
    const result = await runPairs({
      ours: kept.contestant,
      reference: none.contestant,
      rounds,
      seconds,
      onProgress,
    })
    const { hits, misses, stale } = kept.engine.stats().cache
    const read_ms = await readMs(place, none)
    return { events, ...result, hit_rate: hits / Math.max(1, hits + misses + stale), read_ms }
  } finally {
    await kept.engine.stop()
    await none.engine.stop()
  }
}

interface Woken {
  readonly engine: Engine
  readonly schema: string
  readonly ids: readonly string[]
  readonly contestant: Contestant
}

async function startWoken(
  place: Place,
  of: {
    readonly events: number
    readonly executions: number
    readonly cache: { readonly executionsMax?: number }
  },
): Promise<Woken> {
  const schema = await place.freshSchema()
  const engine = await createEngine({
    database: { url: place.url, schema },
    workflows: [woken],
    cache: of.cache,
  })
  await engine.start()
  const requests = Array.from({ length: of.executions }, () => ({ workflow: woken, input: of.events }))
  const ids = (await engine.client.startMany(requests)).map(({ executionId }) => executionId)
  const totals = new Map(ids.map((id) => [id, 0]))
  await Promise.all(ids.map((id) => poke(engine, id, totals)))
  // Answered on the way, too: what counts begins when all have come to where they wait.
  while (engine.running > 0) await sleep(20)
  return { engine, schema, ids, contestant: contestantOf(engine, ids, { totals, ...of }) }
}

function contestantOf(
  engine: Engine,
  ids: readonly string[],
  of: { readonly totals: Map<string, number>; readonly cache: { readonly executionsMax?: number } },
): Contestant {
  return {
    name: of.cache.executionsMax === 0 ? 'without' : 'with the cache',
    async run(forSeconds) {
      const begun = performance.now()
      const until = begun + forSeconds * 1_000
      let units = 0
      const worker = async (id: string): Promise<void> => {
        while (performance.now() < until) {
          await poke(engine, id, of.totals)
          units++
        }
      }
      await Promise.all(ids.map(worker))
      return { units, seconds: (performance.now() - begun) / 1_000 }
    },
  }
}

/** An answer that is wrong would be a state that was not what the history says. */
async function poke(engine: Engine, id: string, totals: Map<string, number>): Promise<void> {
  const expected = (totals.get(id) ?? 0) + 1
  const answer = await engine.client.update(id, 'poke', 1)
  if (answer !== expected)
    throw new Error(`execution ${id} answered ${String(answer)} instead of ${expected}`)
  totals.set(id, expected)
}

async function readMs(place: Place, { schema, ids }: Woken): Promise<number> {
  const store = await openStore({ url: place.url, schema, connections: 1 })
  try {
    const times: number[] = []
    for (const id of ids.slice(0, SAMPLES)) {
      const begun = performance.now()
      await store.readHistories([{ key: store.keyOf(id), from: 1 }], EVENTS_MAX)
      times.push(performance.now() - begun)
    }
    return median(times)
  } finally {
    await store.close()
  }
}

const SAMPLES = 30
const EVENTS_MAX = 100_000
