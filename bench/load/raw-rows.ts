// The raw limit: the rows that a unit of work leaves behind, prepared in advance and written by the fastest multi-row
// insert that we know, with the same durability. Which number of connections and which batch is the fastest is found
// out on the spot, before the first round.

import { performance } from 'node:perf_hooks'
import type postgres from 'postgres'
import { createPool } from '../../src/store/pool.js'
import type { Contestant, Slice } from '../harness/pairs.js'
import type { Place } from '../harness/place.js'
import { readTemplate, type Template } from './raw-template.js'

interface Form {
  readonly connections: number
  /** Units per statement. */
  readonly batch: number
}

/** One statement's parameters: array literals, built before the clock starts. */
interface Batch {
  readonly units: number
  readonly parameters: readonly string[]
}

const CONNECTIONS = [2, 3, 4, 6]
/** Rows per statement: 200, 500 and 1,000 three-step workflows. */
const BATCH_ROWS = [1_200, 3_000, 6_000]

export interface RawRowsOptions {
  /** Whose rows: what one unit of `root` has left in `schema`, in `table` of the user as well. */
  readonly of: { readonly schema: string; readonly root: string; readonly table?: string | undefined }
  /** Makes the user's table. */
  readonly prepare?: ((place: Place, schema: string) => Promise<void>) | undefined
  /** Of each form; 0: none is probed, and the figure is not the limit. */
  readonly probeSeconds: number
  readonly onProgress: (text: string) => void
}

export interface RawRows extends Contestant {
  readonly form: string
  stop(): Promise<void>
}

export async function startRawRows(place: Place, options: RawRowsOptions): Promise<RawRows> {
  const { of, probeSeconds, onProgress, prepare } = options
  const template = await readTemplate(place.sql, of)
  const schema = await place.freshSchema()
  await prepare?.(place, schema)
  if (place.isPostgres) await leaveUnvacuumed(place.sql, schema)
  const pool = createPool({
    url: place.url,
    connections: Math.max(...CONNECTIONS),
    statementTimeoutMs: 120_000,
    settings: false,
    name: 'cerebelum bench raw',
  })
  const statement = template.statementFor(schema)
  const write = (form: Form, batches: readonly Batch[]): Promise<Slice> =>
    writeAll(pool, statement, form, batches)
  const batchOf = (rows: number): number => Math.max(1, Math.round(rows / template.rows))
  const best: { form: Form; rate: number } = { form: { connections: 4, batch: batchOf(3_000) }, rate: 0 }
  // The first writes grow the files; they are nobody's figure.
  const first = await write(best.form, batchesOf(template, probeSeconds === 0 ? 2 : 20, best.form.batch))
  best.rate = first.units / first.seconds
  for (const connections of probeSeconds === 0 ? [] : CONNECTIONS) {
    for (const rows of BATCH_ROWS) {
      const batch = batchOf(rows)
      const form = { connections, batch }
      const expected = best.rate * probeSeconds
      const count = Math.max(connections, Math.ceil(expected / batch))
      const { units, seconds } = await write(form, batchesOf(template, count, batch))
      if (units / seconds > best.rate) Object.assign(best, { form, rate: units / seconds })
    }
  }
  const { form, rate } = best
  onProgress(
    `raw limit: ${template.rows} rows each, ${form.connections} connections, ${form.batch} per statement (${Math.round(rate)}/s when probed)`,
  )
  return {
    name: 'raw rows',
    form: `${form.connections} connections, ${form.batch} per statement`,
    run(seconds) {
      const count = Math.max(form.connections, Math.ceil((rate * seconds) / form.batch))
      return write(form, batchesOf(template, count, form.batch))
    },
    stop: () => pool.end({ timeout: 5 }),
  }
}

/** Fills the tables of a schema with copies of one unit that is in them. */
export async function copyRows(
  place: Place,
  options: {
    readonly of: RawRowsOptions['of']
    readonly count: number
    readonly onProgress: (text: string) => void
  },
): Promise<void> {
  const { of, count, onProgress } = options
  const template = await readTemplate(place.sql, of)
  const statement = template.statementFor(of.schema)
  let told = performance.now()
  for (let from = 0; from < count; from += COPIES) {
    const units = Math.min(COPIES, count - from)
    await place.sql.unsafe(statement, template.parametersFor(units), { prepare: true })
    if (performance.now() - told > 10_000) {
      told = performance.now()
      onProgress(`${from + units} of ${count} copied`)
    }
  }
}

const COPIES = 1_000

function batchesOf(template: Template, count: number, units: number): Batch[] {
  return Array.from({ length: count }, () => ({ units, parameters: template.parametersFor(units) }))
}

/**
 * Rows that are only inserted need no vacuum. A million of them would be looked through while the other contestant has
 * its turn, and be charged to it: measured up to three times the database's CPU per workflow.
 */
async function leaveUnvacuumed(sql: postgres.Sql, schema: string): Promise<void> {
  const tables = await sql<{ name: string }[]>`
    select relname as name from pg_class
    where relnamespace = (select oid from pg_namespace where nspname = ${schema}::text) and relkind = 'r'`
  for (const { name } of tables)
    await sql`alter table ${sql(`${schema}.${name}`)} set (autovacuum_enabled = off)`
}

async function writeAll(
  pool: postgres.Sql,
  statement: string,
  { connections }: Form,
  batches: readonly Batch[],
): Promise<Slice> {
  const waiting = batches.values()
  const begun = performance.now()
  const writer = async (): Promise<void> => {
    for (const { parameters } of waiting) await pool.unsafe(statement, [...parameters], { prepare: true })
  }
  await Promise.all(Array.from({ length: connections }, writer))
  const seconds = (performance.now() - begun) / 1_000
  return { units: batches.reduce((sum, { units }) => sum + units, 0), seconds }
}
