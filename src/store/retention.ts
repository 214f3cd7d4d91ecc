// How long executions are kept, as rows: the policies, the sweeps that nodes take in turns, and what a sweep finds. It
// walks executions by the index that lists them, from the oldest start on, a page at a time: an index of its own would
// cost every execution an entry more, and this one costs the sweep those pages only that lie before the end of the span.

import { CLOSED_STATUSES, type ClosedStatus, type ParentLink } from '../core/execution.js'
import type { KeptMs } from '../core/retention.js'
import { plainArray, textArray } from './arrays.js'
import { executionColumns, readExecutions } from './executions.js'
import { decodeExecution, decodeParent, type Home, type RawExecution } from './rows.js'
import type { Expired, ExecutionRow, RetentionPolicy, Sweep, SweepNote } from './store.js'
import type { Database } from './tables.js'

/** Writes what differs; a changed policy is swept for from the beginning, soon. Index: retention_pkey. */
export async function writePolicies(
  { sql, tables }: Database,
  policies: readonly RetentionPolicy[],
): Promise<void> {
  if (policies.length === 0) return
  const of = (status: ClosedStatus): string => plainArray(policies.map(({ kept }) => kept[status]))
  await sql`
    insert into ${tables.retention} as r (
      workflow, completed_ms, failed_ms, canceled_ms, terminated_ms, archived, due_at
    )
    select p.workflow, p.completed_ms, p.failed_ms, p.canceled_ms, p.terminated_ms, p.archived,
      case when coalesce(p.completed_ms, p.failed_ms, p.canceled_ms, p.terminated_ms) is not null then now() end
    from unnest(
      ${textArray(policies.map(({ workflow }) => workflow))}::text[], ${of('completed')}::int8[],
      ${of('failed')}::int8[], ${of('canceled')}::int8[], ${of('terminated')}::int8[],
      ${plainArray(policies.map(({ archived }) => archived))}::bool[]
    ) as p (workflow, completed_ms, failed_ms, canceled_ms, terminated_ms, archived)
    order by p.workflow
    on conflict (workflow) do update set
      completed_ms = excluded.completed_ms, failed_ms = excluded.failed_ms, canceled_ms = excluded.canceled_ms,
      terminated_ms = excluded.terminated_ms, archived = excluded.archived, due_at = excluded.due_at,
      passed_at = null, passed_id = null, pass_began_at = null, claim_token = null
    where r.completed_ms is distinct from excluded.completed_ms or r.failed_ms is distinct from excluded.failed_ms
      or r.canceled_ms is distinct from excluded.canceled_ms
      or r.terminated_ms is distinct from excluded.terminated_ms or r.archived <> excluded.archived`
}

interface RawSweep {
  readonly workflow: string
  readonly completed_ms: string | null
  readonly failed_ms: string | null
  readonly canceled_ms: string | null
  readonly terminated_ms: string | null
  readonly archived: boolean
  readonly passed_at: Date | null
  readonly passed_id: string | null
}

/** Takes the sweep that has been due for longest, for a while. Index: retention_due, one row. */
export async function takeSweep(
  database: Database,
  {
    token,
    canArchive,
    holdMs,
  }: { readonly token: number; readonly canArchive: boolean; readonly holdMs: number },
): Promise<Sweep | null> {
  const { sql, tables } = database
  const [row] = await sql<RawSweep[]>`
    with due as (
      select r.workflow from ${tables.retention} as r
      where r.due_at is not null and r.due_at <= now() and (${canArchive}::bool or not r.archived)
      order by r.due_at
      limit 1::int8
      for update skip locked
    )
    update ${tables.retention} as r set
      due_at = now() + ${holdMs}::float8 * interval '1 millisecond', claim_token = ${token}::int4,
      pass_began_at = coalesce(r.pass_began_at, now())
    from due as d
    where r.workflow = d.workflow
    returning ${sweepColumns(database)}`
  return row === undefined ? null : decodeSweep(row, token)
}

/** The one that a lost try took. Reads all of `retention`: a row per workflow. */
export async function readSweep(database: Database, token: number): Promise<Sweep | null> {
  const { sql, tables } = database
  const [row] = await sql<RawSweep[]>`
    select ${sweepColumns(database)} from ${tables.retention} as r where r.claim_token = ${token}::int4`
  return row === undefined ? null : decodeSweep(row, token)
}

function sweepColumns({ sql }: Database) {
  return sql`r.workflow, r.completed_ms, r.failed_ms, r.canceled_ms, r.terminated_ms, r.archived, r.passed_at,
    r.passed_id`
}

function decodeSweep(raw: RawSweep, token: number): Sweep {
  const ms = (value: string | null): number | null => (value === null ? null : Number(value))
  const kept: KeptMs = {
    completed: ms(raw.completed_ms),
    failed: ms(raw.failed_ms),
    canceled: ms(raw.canceled_ms),
    terminated: ms(raw.terminated_ms),
  }
  const { workflow, archived, passed_at: at, passed_id: executionId } = raw
  const passed = at === null || executionId === null ? null : { at, executionId }
  return { workflow, archived, token, kept, passed }
}

/**
 * Gives a sweep up: to go on behind `passed`, or at its end to rest ten times as long as the pass took, so that looking
 * in vain never costs more than a small share. Index: retention_pkey, one row, once.
 */
export async function noteSweep(
  { sql, tables }: Database,
  { sweep, passed, removed, restMinMs, restMaxMs }: SweepNote,
): Promise<void> {
  await sql`
    update ${tables.retention} as r set
      claim_token = null, removed = r.removed + ${removed}::int8,
      passed_at = ${passed?.at.toISOString() ?? null}::timestamptz, passed_id = ${passed?.executionId ?? null}::text,
      pass_began_at = case when ${passed !== null}::bool then r.pass_began_at end,
      due_at = case
        when ${passed !== null}::bool then now()
        else now() + greatest(
          ${restMinMs}::float8 * interval '1 millisecond',
          least(${restMaxMs}::float8 * interval '1 millisecond', (now() - r.pass_began_at) * 10::float8)
        ) end
    where r.workflow = ${sweep.workflow}::text and r.claim_token = ${sweep.token}::int4`
}

interface RawPage extends RawExecution {
  readonly parent_seq: number | null
  readonly parent_run: number | null
  readonly is_over: boolean
  readonly has_children: boolean
}

export interface ExpiredPage {
  readonly found: readonly Expired[]
  /** Behind what the next page begins; null: the pass is through. */
  readonly passed: Sweep['passed']
}

/**
 * One page of a sweep: of the next `limit` executions of a workflow in the order of their starts, those that closed long
 * enough ago. A child stays until its parent's run has closed, because a parent that goes on after a crash starts again
 * what it has no end of; a parent stays as long as any of its children.
 */
export async function findExpired(
  database: Database,
  home: Home,
  { sweep, limit }: { readonly sweep: Sweep; readonly limit: number },
): Promise<ExpiredPage> {
  const rows = await readPage(database, sweep, limit)
  const over = rows
    .filter(({ is_over: isOver, has_children: hasChildren }) => isOver && !hasChildren)
    .flatMap((raw) => {
      const row = decodeExecution(raw)
      return row.closedAt === null ? [] : [{ row, closedAt: row.closedAt, parent: decodeParent(raw, home) }]
    })
  const parents = await readParents(
    database,
    over.flatMap(({ parent }) => parent ?? []),
  )
  const found = over
    .filter(({ parent }) => !isAwaited(parent, parents))
    .map(({ row, closedAt }) => ({ key: row.key, version: row.version, closedAt, row }))
  const last = rows.at(-1)
  const isThrough = last === undefined || rows.length < limit
  return { found, passed: isThrough ? null : { at: last.started_at, executionId: last.execution_id } }
}

async function readParents(
  database: Database,
  links: readonly ParentLink[],
): Promise<ReadonlyMap<string, ExecutionRow>> {
  const keys = new Map(links.map(({ key }) => [key.executionId, key]))
  const rows = await readExecutions(database, [...keys.values()])
  return new Map(rows.flatMap((row) => (row === null ? [] : [[row.key.executionId, row] as const])))
}

function isAwaited(parent: ParentLink | null, parents: ReadonlyMap<string, ExecutionRow>): boolean {
  const row = parent === null ? undefined : parents.get(parent.key.executionId)
  return row !== undefined && row.closedAt === null && row.run === parent?.run
}

/**
 * Indexes: executions_listed, one range of at most `limit` rows from where the sweep is; executions_children, one look for
 * each that is over.
 */
function readPage(database: Database, { workflow, kept, passed }: Sweep, limit: number): Promise<RawPage[]> {
  const { sql, tables } = database
  const shortestMs = Math.min(...CLOSED_STATUSES.map((status) => kept[status] ?? Infinity))
  if (shortestMs === Infinity) return Promise.resolve([])
  const from = passed?.at.toISOString() ?? '-infinity'
  return sql<RawPage[]>`
    with page as (
      select ${executionColumns(database)}, e.parent_seq, e.parent_run, coalesce(e.closed_at <= now() - case e.status
          when 'completed' then ${kept.completed}::float8
          when 'failed' then ${kept.failed}::float8
          when 'canceled' then ${kept.canceled}::float8
          when 'terminated' then ${kept.terminated}::float8 end * interval '1 millisecond', false) as is_over
      from ${tables.by('executions_listed')} as e
      where e.workflow = ${workflow}::text and e.started_at >= ${from}::timestamptz
        and (e.started_at, e.execution_id) > (${from}::timestamptz, ${passed?.executionId ?? ''}::text)
        and e.started_at <= now() - ${shortestMs}::float8 * interval '1 millisecond'
      order by e.started_at, e.execution_id
      limit ${limit}::int8
    )
    select ${executionColumns(database)}, e.parent_seq, e.parent_run, e.is_over,
      case when e.is_over then coalesce((
        select true from ${tables.by('executions_children')} as c where c.parent_id = e.execution_id limit 1
      ), false) else false end as has_children
    from page as e
    order by e.started_at, e.execution_id`
}
