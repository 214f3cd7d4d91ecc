// Who takes part in `peers`: what each one promises, the settings that are tried (its documents' and a few around them),
// and how its rows are counted afterwards.

import type postgres from 'postgres'

/** `durable`: records each step's result before the next begins. `queue`: runs jobs, and keeps no step. */
export type Kind = 'durable' | 'queue'

export interface Settings {
  /** Workflows at the same time in the throughput rounds. */
  readonly inFlight: number
  readonly [name: string]: string | number
}

export interface Rival {
  readonly name: string
  /** The package whose version is reported. */
  readonly package: string
  /** Beside this file; with the settings and a database's URL it is a contestant. */
  readonly program: string
  readonly kind: Kind
  /** Where it keeps its tables. */
  readonly schema: string
  /** Each is tried: the one with the most workflows/s and the one with the least latency are measured. */
  readonly settings: readonly Settings[]
  /** What it has recorded as ended, and with how many steps. `steps` of a queue is null. */
  count(sql: postgres.Sql): Promise<Recorded>
}

export interface Recorded {
  readonly workflows: number
  /** Not (yet) recorded as ended. */
  readonly others: number
  readonly steps: number | null
}

/** A job that has ended is gone: what is left has not ended. */
const GRAPHILE_WORKER = {
  package: 'graphile-worker',
  program: 'graphile-worker.mjs',
  kind: 'queue',
  schema: 'graphile_worker',
  count: (sql: postgres.Sql): Promise<Recorded> =>
    first(sql<Recorded[]>`
      select
        (select coalesce(last_value, 0)::int4 from pg_sequences
          where schemaname = 'graphile_worker' and sequencename like '%jobs_id_seq%') - left_over.jobs as workflows,
        left_over.jobs as others, null::int4 as steps
      from (select count(*)::int4 as jobs from graphile_worker.jobs) as left_over`),
} as const

const PG_BOSS = {
  package: 'pg-boss',
  program: 'pg-boss.mjs',
  kind: 'queue',
  schema: 'pgboss',
  count: (sql: postgres.Sql): Promise<Recorded> =>
    first(sql<Recorded[]>`
      select
        (count(*) filter (where state = 'completed'))::int4 as workflows,
        (count(*) filter (where state <> 'completed'))::int4 as others,
        null::int4 as steps
      from pgboss.job where name = 'three-steps'`),
} as const

export const RIVALS: readonly Rival[] = [
  {
    name: 'dbos',
    package: '@dbos-inc/dbos-sdk',
    program: 'dbos.mjs',
    kind: 'durable',
    schema: 'dbos',
    settings: [
      { inFlight: 20, connections: 10 },
      { inFlight: 50, connections: 20 },
      { inFlight: 100, connections: 20 },
      { inFlight: 200, connections: 50 },
    ],
    count: (sql) =>
      first(sql<Recorded[]>`
        select
          (select count(*)::int4 from dbos.workflow_status where status = 'SUCCESS') as workflows,
          (select count(*)::int4 from dbos.workflow_status where status <> 'SUCCESS') as others,
          (select count(*)::int4 from dbos.operation_outputs) as steps`),
  },
  {
    name: 'openworkflow',
    package: 'openworkflow',
    program: 'openworkflow.mjs',
    kind: 'durable',
    schema: 'openworkflow',
    settings: [
      { inFlight: 20, connections: 10, concurrency: 10 },
      { inFlight: 50, connections: 20, concurrency: 25 },
      { inFlight: 100, connections: 20, concurrency: 50 },
      { inFlight: 200, connections: 50, concurrency: 100 },
    ],
    count: (sql) =>
      first(sql<Recorded[]>`
        select
          (select count(*)::int4 from openworkflow.workflow_runs where status = 'completed') as workflows,
          (select count(*)::int4 from openworkflow.workflow_runs where status <> 'completed') as others,
          (select count(*)::int4 from openworkflow.step_attempts where status = 'completed') as steps`),
  },
  {
    name: 'absurd',
    package: 'absurd-sdk',
    program: 'absurd.mjs',
    kind: 'durable',
    schema: 'absurd',
    settings: [
      { inFlight: 20, connections: 10, concurrency: 10, pollInterval: 0.25 },
      { inFlight: 50, connections: 20, concurrency: 25, pollInterval: 0.05 },
      { inFlight: 100, connections: 20, concurrency: 50, pollInterval: 0.25 },
      { inFlight: 200, connections: 50, concurrency: 100, pollInterval: 0.05 },
    ],
    count: (sql) =>
      first(sql<Recorded[]>`
        select
          (select count(*)::int4 from absurd.t_default where state = 'completed') as workflows,
          (select count(*)::int4 from absurd.t_default where state <> 'completed') as others,
          (select count(*)::int4 from absurd.c_default where status = 'committed') as steps`),
  },
  {
    name: 'graphile-worker',
    ...GRAPHILE_WORKER,
    settings: [
      // As its page on performance has it, and around it.
      { inFlight: 500, connections: 25, concurrency: 24, localQueue: 500 },
      { inFlight: 100, connections: 25, concurrency: 24, localQueue: 25 },
      { inFlight: 100, connections: 10, concurrency: 8, localQueue: 9 },
      { inFlight: 20, connections: 10, concurrency: 4 },
    ],
  },
  {
    name: 'graphile-worker-batches',
    ...GRAPHILE_WORKER,
    settings: [
      { inFlight: 500, connections: 25, concurrency: 24, localQueue: 500, batch: 500 },
      { inFlight: 2_000, connections: 25, concurrency: 24, localQueue: 500, batch: 1_000 },
      { inFlight: 100, connections: 10, concurrency: 8, localQueue: 9, batch: 100 },
    ],
  },
  {
    name: 'pg-boss',
    ...PG_BOSS,
    settings: [
      { inFlight: 500, connections: 20, concurrency: 2, batchSize: 100 },
      { inFlight: 500, connections: 10, concurrency: 2, batchSize: 500 },
      { inFlight: 100, connections: 20, concurrency: 10, batchSize: 10 },
      { inFlight: 20, connections: 10, concurrency: 1, batchSize: 10 },
    ],
  },
  {
    name: 'pg-boss-batches',
    ...PG_BOSS,
    settings: [
      { inFlight: 500, connections: 10, concurrency: 1, batchSize: 100, batch: 500 },
      { inFlight: 2_000, connections: 10, concurrency: 2, batchSize: 500, batch: 500 },
      { inFlight: 4_000, connections: 10, concurrency: 2, batchSize: 1_000, batch: 1_000 },
    ],
  },
]

async function first(rows: Promise<Recorded[]>): Promise<Recorded> {
  const [row] = await rows
  return row ?? { workflows: 0, others: 0, steps: 0 }
}
