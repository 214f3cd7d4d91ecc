// The raw limit: the rows that a three-step workflow leaves behind (one of `executions`, five of `events`), prepared in
// advance and written by the fastest multi-row insert that we know, with the same durability. Which number of
// connections and which batch is the fastest is found out on the spot, before the first round.

import { performance } from 'node:perf_hooks'
import type postgres from 'postgres'
import { newId } from '../../src/core/ids.js'
import { partitionOf } from '../../src/core/partition.js'
import { plainArray, textArray } from '../../src/store/arrays.js'
import { createPool } from '../../src/store/pool.js'
import type { Contestant, Slice } from '../harness/pairs.js'
import type { Place } from '../harness/place.js'

/** One statement's parameters: array literals, built before the clock starts. */
interface Batch {
  readonly workflows: number
  readonly executions: { readonly region: string; readonly partition: string; readonly executionId: string }
  readonly events: {
    readonly region: string
    readonly partition: string
    readonly executionId: string
    readonly version: string
    readonly type: string
    readonly seq: string
    readonly name: string
    readonly attempt: string
    readonly detail: string
    readonly payload: string
  }
}

interface Shape {
  readonly connections: number
  readonly batch: number
}

const CONNECTIONS = [2, 3, 4, 6]
const BATCHES = [200, 500, 1_000]
const PARTITIONS = 64
const REGION = 'local'

export async function startRawRows(
  place: Place,
  options: { readonly probeSeconds: number; readonly onProgress: (text: string) => void },
): Promise<Contestant & { stop(): Promise<void>; readonly shape: string }> {
  const schema = await place.freshSchema()
  if (place.isPostgres) await leaveUnvacuumed(place.sql, schema)
  const pool = createPool({
    url: place.url,
    connections: Math.max(...CONNECTIONS),
    statementTimeoutMs: 120_000,
    settings: false,
    name: 'cerebelum bench raw',
  })
  let best: { shape: Shape; rate: number } = { shape: { connections: 4, batch: 500 }, rate: 0 }
  // The first writes grow the files; they are nobody's figure.
  await write(pool, schema, { connections: 4, batch: 500 }, prepare(20, 500))
  for (const connections of CONNECTIONS) {
    for (const batch of BATCHES) {
      const shape = { connections, batch }
      const work = Math.max(connections * batch, Math.round((best.rate || 5_000) * options.probeSeconds))
      const { units, seconds } = await write(pool, schema, shape, prepare(Math.ceil(work / batch), batch))
      const rate = units / seconds
      if (rate > best.rate) best = { shape, rate }
    }
  }
  const { shape } = best
  options.onProgress(
    `raw limit: ${shape.connections} connections, ${shape.batch} workflows per statement (${Math.round(best.rate)}/s when probed)`,
  )
  return {
    name: 'raw rows',
    shape: `${shape.connections} connections, ${shape.batch} per statement`,
    run(seconds) {
      const batches = prepare(
        Math.max(shape.connections, Math.ceil((best.rate * seconds) / shape.batch)),
        shape.batch,
      )
      return write(pool, schema, shape, batches)
    },
    stop: () => pool.end({ timeout: 5 }),
  }
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

async function write(
  pool: postgres.Sql,
  schema: string,
  shape: Shape,
  batches: readonly Batch[],
): Promise<Slice> {
  const waiting = batches.values()
  const begun = performance.now()
  const writer = async (): Promise<void> => {
    for (const batch of waiting) await insert(pool, schema, batch)
  }
  await Promise.all(Array.from({ length: shape.connections }, writer))
  const seconds = (performance.now() - begun) / 1_000
  return { units: batches.reduce((sum, { workflows }) => sum + workflows, 0), seconds }
}

async function insert(sql: postgres.Sql, schema: string, { executions: x, events: v }: Batch): Promise<void> {
  await sql`
    with opened as (
      insert into ${sql(`${schema}.executions`)} (
        region, partition, execution_id, workflow, workflow_version, status, version, claim_epoch, closed_at
      )
      select x.region, x.partition, x.execution_id, 'three-steps', '1', 'completed', 5, 1, now()
      from unnest(
        ${x.region}::text[], ${x.partition}::int2[], ${x.executionId}::text[]
      ) as x (region, partition, execution_id)
      returning 1
    )
    insert into ${sql(`${schema}.events`)} (
      region, partition, execution_id, version, type, seq, name, attempt, detail, payload
    )
    select v.region, v.partition, v.execution_id, v.version, v.type, v.seq, v.name, v.attempt, v.detail, v.payload
    from unnest(
      ${v.region}::text[], ${v.partition}::int2[], ${v.executionId}::text[], ${v.version}::int4[],
      ${v.type}::text[], ${v.seq}::int4[], ${v.name}::text[], ${v.attempt}::int2[], ${v.detail}::text[],
      ${v.payload}::text[]
    ) as v (region, partition, execution_id, version, type, seq, name, attempt, detail, payload)`
}

function prepare(batches: number, workflows: number): Batch[] {
  return Array.from({ length: batches }, () => prepareBatch(workflows))
}

const DETAIL = JSON.stringify({ workflow: 'three-steps', workflowVersion: '1', run: 1 })

/** The same events as the engine writes for `three-steps`, column by column. */
function prepareBatch(workflows: number): Batch {
  const ids = Array.from({ length: workflows }, () => newId())
  const partitions = ids.map((id) => partitionOf(id, PARTITIONS))
  const each = <T>(of: (n: number, version: number) => T): T[] =>
    ids.flatMap((_, n) => [1, 2, 3, 4, 5].map((version) => of(n, version)))
  const isStep = (version: number): boolean => version > 1 && version < 5
  return {
    workflows,
    executions: {
      region: textArray(ids.map(() => REGION)),
      partition: plainArray(partitions),
      executionId: textArray(ids),
    },
    events: {
      region: textArray(each(() => REGION)),
      partition: plainArray(each((n) => partitions[n])),
      executionId: textArray(each((n) => ids[n])),
      version: plainArray(each((_, version) => version)),
      type: textArray(each((_, version) => TYPES[version - 1])),
      seq: plainArray(each((_, version) => (isStep(version) ? version - 1 : null))),
      name: textArray(each((_, version) => NAMES[version - 1])),
      attempt: plainArray(each((_, version) => (isStep(version) ? 1 : null))),
      detail: textArray(each((_, version) => (version === 1 ? DETAIL : null))),
      payload: textArray(
        each((n, version) => JSON.stringify(version === 1 ? { n } : { value: n + Math.min(version - 1, 3) })),
      ),
    },
  }
}

const TYPES = ['started', 'step_completed', 'step_completed', 'step_completed', 'completed']
const NAMES = ['three-steps', 'one', 'two', 'three', null]
