// `peers`: other engines and queues on the same server in the same run, each at the best of its settings and in a
// database of its own, in turns with ours. First as many workflows at a time as suit it, then one at a time.

import { randomBytes } from 'node:crypto'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import type postgres from 'postgres'
import { migrate } from '../../src/store/migrate.js'
import { createPool } from '../../src/store/pool.js'
import { CostMeter, type Cost } from '../harness/cost.js'
import type { Place } from '../harness/place.js'
import { machineText } from '../harness/report.js'
import { startChild, type Child } from '../nodes/child.js'
import { FOLDER, install, versionOf } from '../peers/install.js'
import type { Kind, Rival, Settings } from '../peers/rivals.js'
import {
  bestOf,
  latenciesOf,
  parseAnswer,
  rangeOf,
  ratesOf,
  ratiosOf,
  type Answer,
  type Latencies,
  type Range,
  type Rates,
} from '../peers/summary.js'

export interface PeersOptions {
  readonly rivals: readonly Rival[]
  /** Of each contestant, over all rounds: for throughput, and once more for latency. */
  readonly seconds: number
  readonly rounds: number
  readonly warmUpSeconds: number
  readonly onProgress: (text: string) => void
}

export interface PeerReport extends Cost, Latencies {
  readonly name: string
  readonly version: string
  readonly kind: Kind
  readonly per_second: number
  readonly settings: Settings
  readonly latency_settings: Settings
  /** Ours in the turns beside it. */
  readonly ours: Rates & Latencies & Cost
  readonly ratio: number
  /** CPU of a workflow, node and database, theirs to ours: what a ratio of rates comes to on cores of one's own. */
  readonly cpu_ratio: number | null
  readonly spread: { readonly theirs: Range; readonly ours: Range; readonly ratio: Range }
  /** Of the machine while these two ran, of which they are a part: the last minute, at each round's end. */
  readonly load_average: Range
  readonly checked: string
}

export interface PeersReport extends Cost {
  readonly name: 'peers'
  readonly unit: 'workflows/s'
  /** Beside the best of those that record each step. */
  readonly ours: number
  readonly reference: number
  readonly reference_name: string
  readonly ratio: number
  readonly spread: { readonly ours: Range; readonly reference: Range; readonly ratio: Range }
  readonly runs: number
  readonly seconds: number
  readonly p50_ms: number
  readonly p99_ms: number
  readonly peers: readonly PeerReport[]
  readonly server: string
  readonly machine: string
  readonly node_version: string
}

type Way = 'work' | 'call'
type Order = { readonly seconds: number; readonly inFlight: number; readonly way: Way; readonly most: number }
type Contestant = Child<Order, unknown>

const OURS: Settings = { inFlight: 2_000, lanes: 3 }
/** So that nothing is without a bound: no rival comes near it, and ours stays within the memory of a run. */
const MOST = 1_000_000

export async function peers(place: Place, options: PeersOptions): Promise<PeersReport> {
  const { rivals, seconds, rounds, onProgress } = options
  if (!place.isPostgres)
    throw new Error('The rivals need PostgreSQL: give --database-url one, or none at all.')
  await install(rivals, onProgress)
  const reports: PeerReport[] = []
  for (const rival of rivals) reports.push(await besideUs(place, rival, options))
  const best = bestOf(reports)
  return {
    name: 'peers',
    unit: 'workflows/s',
    reference_name: `${best.name} ${best.version}`,
    ...costOnly(best.ours),
    ours: best.ours.per_second,
    reference: best.per_second,
    ratio: best.ratio,
    spread: { ours: best.spread.ours, reference: best.spread.theirs, ratio: best.spread.ratio },
    runs: rounds,
    seconds,
    p50_ms: best.ours.p50_ms,
    p99_ms: best.ours.p99_ms,
    peers: reports,
    server: place.server,
    machine: machineText(),
    node_version: process.versions.node,
  }
}

async function besideUs(place: Place, rival: Rival, options: PeersOptions): Promise<PeerReport> {
  const { seconds, rounds, warmUpSeconds, onProgress } = options
  const [mine, theirs] = [await openDatabase(place), await openDatabase(place)]
  const schema = 'cerebelum'
  try {
    await migrate({ url: mine.url, schema })
    const emptyOurs = await storedBytes(mine.sql, schema)
    const probed = await probe(theirs, rival, options)
    const ours = await contestant('ours.mjs', mine.url, { ...OURS, schema, module: ENGINE })
    const [myMeter, theirMeter] = [
      new CostMeter({ ...place, sql: mine.sql }, schema),
      new CostMeter({ ...place, sql: theirs.sql }, rival.schema),
    ]
    const result = { work: twoLists(), call: twoLists() }
    let done = probed.done
    let mineDone = 0
    const loads: number[] = []
    try {
      for (const way of ['work', 'call'] as const) {
        const settings = way === 'work' ? probed.forWork : probed.forCall
        const rivalProcess = await contestant(rival.program, theirs.url, settings)
        try {
          const limit = (all: number): number => (way === 'work' ? all : 1)
          const mySlice = { inFlight: limit(OURS.inFlight), way, most: MOST }
          const theirSlice = { inFlight: limit(settings.inFlight), way, most: MOST }
          const slice = seconds / rounds
          // The first slices fill caches and compile: they are nobody's figure.
          mineDone += (await order(ours, { ...mySlice, seconds: warmUpSeconds })).units
          done += (await order(rivalProcess, { ...theirSlice, seconds: warmUpSeconds })).units
          for (let round = 1; round <= rounds; round++) {
            await settle(mine, theirs)
            const my = await metered(myMeter, way, () => order(ours, { ...mySlice, seconds: slice }))
            await settle(mine, theirs)
            const their = await metered(theirMeter, way, () =>
              order(rivalProcess, { ...theirSlice, seconds: slice }),
            )
            result[way].ours.push(my)
            result[way].theirs.push(their)
            mineDone += my.units
            done += their.units
            loads.push(loadavg()[0] ?? Number.NaN)
            onProgress(roundText(rival, { way, round, rounds, my, their }))
          }
        } finally {
          await rivalProcess.stop()
        }
      }
    } finally {
      await ours.stop()
    }
    await checkOurs(mine.sql, schema, mineDone)
    const { ratio, spread } = ratiosOf(result.work.ours, result.work.theirs)
    const [myRates, theirRates] = [ratesOf(result.work.ours), ratesOf(result.work.theirs)]
    const [myCost, theirCost] = [costOf(myMeter, result.work.ours), costOf(theirMeter, result.work.theirs)]
    return {
      name: rival.name,
      version: await versionOf(rival),
      kind: rival.kind,
      per_second: theirRates.per_second,
      settings: probed.forWork,
      latency_settings: probed.forCall,
      ...latenciesOf(result.call.theirs),
      ...theirCost,
      db_bytes: ((await storedBytes(theirs.sql, rival.schema)) - probed.emptyBytes) / done,
      ours: {
        ...myRates,
        ...latenciesOf(result.call.ours),
        ...myCost,
        db_bytes: ((await storedBytes(mine.sql, schema)) - emptyOurs) / mineDone,
      },
      ratio,
      cpu_ratio: cpuRatio(myCost, theirCost),
      spread: { theirs: theirRates.spread, ours: myRates.spread, ratio: spread },
      load_average: rangeOf(loads),
      checked: await check(theirs.sql, rival, done),
    }
  } finally {
    await mine.drop()
    await theirs.drop()
  }
}

/** Tries every setting for a moment, in a fresh process each. */
async function probe(
  theirs: Database,
  rival: Rival,
  { seconds, rounds, onProgress }: PeersOptions,
): Promise<{ forWork: Settings; forCall: Settings; done: number; emptyBytes: number }> {
  const probeSeconds = Math.min(3, seconds / rounds)
  const tried: { settings: Settings; rate: number; p50: number }[] = []
  let done = 0
  let emptyBytes: number | undefined
  for (const settings of rival.settings) {
    const child = await contestant(rival.program, theirs.url, settings)
    try {
      emptyBytes ??= await storedBytes(theirs.sql, rival.schema)
      const work = { inFlight: settings.inFlight, way: 'work', most: MOST } as const
      const warm = await order(child, { ...work, seconds: probeSeconds / 2 })
      const busy = await order(child, { ...work, seconds: probeSeconds })
      const idle = await order(child, { inFlight: 1, way: 'call', most: MOST, seconds: probeSeconds })
      done += warm.units + busy.units + idle.units
      const p50 = latenciesOf([idle]).p50_ms
      tried.push({ settings, rate: busy.units / busy.seconds, p50 })
      onProgress(
        `${rival.name} with ${JSON.stringify(settings)}: ${Math.round(busy.units / busy.seconds)}/s, ${p50.toFixed(1)} ms alone`,
      )
    } finally {
      await child.stop()
    }
  }
  const [fastest] = tried.toSorted((a, b) => b.rate - a.rate)
  const [soonest] = tried.toSorted((a, b) => a.p50 - b.p50)
  if (fastest === undefined || soonest === undefined) throw new Error(`${rival.name} has no settings to try.`)
  return { forWork: fastest.settings, forCall: soonest.settings, done, emptyBytes: emptyBytes ?? 0 }
}

/** Only the throughput slices are charged: alone, a workflow pays for all the idle polling. */
async function metered(meter: CostMeter, way: Way, work: () => Promise<Answer>): Promise<Answer> {
  return way === 'work' ? meter.measure(work) : work()
}

function costOf(meter: CostMeter, slices: readonly Answer[]): Cost {
  const units = slices.reduce((sum, slice) => sum + slice.units, 0)
  const cpu = slices.reduce((sum, slice) => sum + slice.cpu_ms, 0)
  // The meter's own process only watches.
  return { ...meter.per(units), cpu_ms_node: cpu / units }
}

function cpuRatio(ours: Cost, theirs: Cost): number | null {
  if (ours.cpu_ms_database === null || theirs.cpu_ms_database === null) return null
  return (theirs.cpu_ms_node + theirs.cpu_ms_database) / (ours.cpu_ms_node + ours.cpu_ms_database)
}

function costOnly({ transactions, wal_bytes, db_bytes, cpu_ms_node, cpu_ms_database }: Cost): Cost {
  return { transactions, wal_bytes, db_bytes, cpu_ms_node, cpu_ms_database }
}

function twoLists(): { ours: Answer[]; theirs: Answer[] } {
  return { ours: [], theirs: [] }
}

const HERE = import.meta.url
/** As this runs: compiled, or TypeScript in a test. */
const ENGINE = new URL(`../../src/index${HERE.slice(HERE.lastIndexOf('.'))}`, HERE).href

async function contestant(
  program: string,
  url: string,
  settings: Readonly<Record<string, string | number>>,
): Promise<Contestant> {
  return startChild<Order, unknown>(join(FOLDER, program), [url, JSON.stringify(settings)])
}

async function order(child: Contestant, what: Order): Promise<Answer> {
  return parseAnswer(await child.order(what))
}

interface Database {
  readonly url: string
  readonly sql: postgres.Sql
  drop(): Promise<void>
}

async function openDatabase(place: Place): Promise<Database> {
  const name = `cerebelum_bench_${randomBytes(6).toString('hex')}`
  await place.sql`create database ${place.sql(name)}`
  const at = new URL(place.url)
  at.pathname = `/${name}`
  const sql = createPool({
    url: at.href,
    connections: 1,
    statementTimeoutMs: 600_000,
    settings: false,
    name: 'cerebelum bench',
  })
  return {
    url: at.href,
    sql,
    async drop() {
      await sql.end({ timeout: 5 })
      await place.sql`drop database if exists ${place.sql(name)} with (force)`
    },
  }
}

/**
 * What a turn left behind is cleaned up before the next, so that autovacuum has nothing to do in the other's turn. No
 * checkpoint: the first writes to each page after one cost most WAL, and a slow contestant has few to share them among.
 */
async function settle(...databases: readonly Database[]): Promise<void> {
  for (const { sql } of databases) await sql`vacuum (analyze)`
}

/** Of all that was stored, at the end: within a turn, rows go where dead ones were. */
async function storedBytes(sql: postgres.Sql, schema: string): Promise<number> {
  const [row] = await sql<{ bytes: number }[]>`
    select coalesce(sum(pg_total_relation_size(c.oid)), 0)::float8 as bytes from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = ${schema}::text and c.relkind in ('r', 'm')`
  return row?.bytes ?? 0
}

const CHECK_DEADLINE_MS = 30_000

/** Each one's own tables say what it did: all workflows ended, three steps each where steps are kept. */
async function check(sql: postgres.Sql, rival: Rival, done: number): Promise<string> {
  const until = performance.now() + CHECK_DEADLINE_MS
  for (;;) {
    const { workflows, others, steps } = await rival.count(sql)
    if (workflows === done && others === 0 && (steps === null || steps === done * 3)) {
      return `${workflows} ended, ${steps === null ? 'no steps kept' : `${steps} steps`}`
    }
    // Some record the end of the last few after it was told.
    if (performance.now() > until) {
      throw new Error(
        `${rival.name} ran ${done} workflows, but its tables say ${JSON.stringify({ workflows, others, steps })}. The figures are worthless.`,
      )
    }
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

async function checkOurs(sql: postgres.Sql, schema: string, done: number): Promise<void> {
  const [row] = await sql<{ closed: number; events: number }[]>`
    select
      (select count(*)::int4 from ${sql(`${schema}.executions`)} where status = 'completed') as closed,
      (select count(*)::int4 from ${sql(`${schema}.events`)}) as events`
  if (row?.closed !== done || row.events !== done * 5)
    throw new Error(`Ours ran ${done} workflows, but its tables say ${JSON.stringify(row)}.`)
}

function roundText(
  rival: Rival,
  { way, round, rounds, my, their }: { way: Way; round: number; rounds: number; my: Answer; their: Answer },
): string {
  const rate = ({ units, seconds }: Answer): string => `${Math.round(units / seconds)}/s`
  const latency = (answer: Answer): string => {
    const { p50_ms, p99_ms } = latenciesOf([answer])
    return `${p50_ms.toFixed(1)} / ${p99_ms.toFixed(1)} ms`
  }
  const text = way === 'work' ? rate : latency
  return `${rival.name} ${round}/${rounds}: ours ${text(my)}, theirs ${text(their)}`
}
