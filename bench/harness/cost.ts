// What a run costs, from counters of the database and of the operating system, before and after. What cannot be
// had (a database elsewhere, CockroachDB's WAL) is null, never a guess.

import { readdir, readFile } from 'node:fs/promises'
import type { Place } from './place.js'

export interface Cost {
  readonly transactions: number | null
  readonly wal_bytes: number | null
  readonly db_bytes: number | null
  readonly cpu_ms_node: number
  readonly cpu_ms_database: number | null
}

/** Clock ticks per second of /proc/PID/stat on every Linux that Node runs on (`getconf CLK_TCK`). */
const TICKS_PER_SECOND = 100

const NAMES = ['transactions', 'wal_bytes', 'db_bytes', 'cpu_ms_node', 'cpu_ms_database'] as const

/** Adds up what several pieces of work cost, without what happens between them. */
export class CostMeter {
  readonly #place: Place
  readonly #schema: string
  readonly #spent: { -readonly [Name in keyof Cost]: Cost[Name] } = {
    transactions: 0,
    wal_bytes: 0,
    db_bytes: 0,
    cpu_ms_node: 0,
    cpu_ms_database: 0,
  }

  constructor(place: Place, schema: string) {
    this.#place = place
    this.#schema = schema
  }

  async measure<T>(work: () => Promise<T>): Promise<T> {
    const before = await readCounters(this.#place, this.#schema)
    const result = await work()
    const after = await readCounters(this.#place, this.#schema)
    for (const name of NAMES) {
      const [from, to, sum] = [before[name], after[name], this.#spent[name]]
      if (name === 'cpu_ms_node') this.#spent.cpu_ms_node += after.cpu_ms_node - before.cpu_ms_node
      else this.#spent[name] = from === null || to === null || sum === null ? null : sum + to - from
    }
    return result
  }

  /** Per unit of work. */
  per(units: number): Cost {
    const each = (value: number | null): number | null => (value === null ? null : value / units)
    return {
      transactions: each(this.#spent.transactions),
      wal_bytes: each(this.#spent.wal_bytes),
      db_bytes: each(this.#spent.db_bytes),
      cpu_ms_node: this.#spent.cpu_ms_node / units,
      cpu_ms_database: each(this.#spent.cpu_ms_database),
    }
  }
}

async function readCounters(place: Place, schema: string): Promise<Cost> {
  const database = await databaseCounters(place, schema)
  const { user, system } = process.cpuUsage()
  return {
    ...database,
    cpu_ms_node: (user + system) / 1_000,
    cpu_ms_database: place.serverPid === undefined ? null : await cpuMsOfTree(place.serverPid),
  }
}

async function databaseCounters(
  { sql, isPostgres }: Place,
  schema: string,
): Promise<Pick<Cost, 'transactions' | 'wal_bytes' | 'db_bytes'>> {
  if (!isPostgres) return { transactions: null, wal_bytes: null, db_bytes: null }
  // Sessions report their counts at most once a second: asking makes this one's fresh, the others' are waited for.
  const [row] = await sql<{ transactions: number; wal: number; bytes: number }[]>`
    select
      (select (xact_commit + xact_rollback)::float8 from pg_stat_database where datname = current_database())
        as transactions,
      pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 as wal,
      (select coalesce(sum(pg_total_relation_size(c.oid)), 0)::float8 from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = ${schema}::text and c.relkind in ('r', 'm')) as bytes`
  return {
    transactions: row?.transactions ?? null,
    wal_bytes: row?.wal ?? null,
    db_bytes: row?.bytes ?? null,
  }
}

/** User and system time of a process and all below it, ended children included. */
async function cpuMsOfTree(root: number): Promise<number | null> {
  let ticks: number | null = null
  // A child that ends while the others are read is found neither among them nor in what the root had read before.
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const before = await readTicks(root)
    ticks = await ticksOfTree(root)
    if (ticks === null || before?.ofEnded === (await readTicks(root))?.ofEnded) break
  }
  return ticks === null ? null : (ticks * 1_000) / TICKS_PER_SECOND
}

const TRIES_MAX = 5

interface Ticks {
  readonly parent: number
  readonly own: number
  /** Of children that have ended. */
  readonly ofEnded: number
}

async function ticksOfTree(root: number): Promise<number | null> {
  const all = new Map<number, Ticks>()
  for (const name of await readdir('/proc').catch(() => [])) {
    const entry = /^\d+$/.test(name) ? await readTicks(Number(name)) : undefined
    if (entry !== undefined) all.set(Number(name), entry)
  }
  if (!all.has(root)) return null
  let ticks = 0
  for (const [pid, { own, ofEnded }] of all) if (isBelow(all, pid, root)) ticks += own + ofEnded
  return ticks
}

async function readTicks(pid: number): Promise<Ticks | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  if (stat === undefined) return undefined
  // The second field is a name in parentheses that may hold anything.
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number)
  const at = (index: number): number => fields[index] ?? 0
  return { parent: at(1), own: at(11) + at(12), ofEnded: at(13) + at(14) }
}

function isBelow(all: ReadonlyMap<number, { parent: number }>, pid: number, root: number): boolean {
  for (let at: number | undefined = pid; at !== undefined && at > 1; at = all.get(at)?.parent) {
    if (at === root) return true
  }
  return false
}
