// Lists of executions, newest first. Each question has the index it goes by: one workflow's, all workflows' (through
// `definitions`, the newest of each), those of a parent, those with attributes, what wants attention, and what is open.

import type { ExecutionStatus } from '../core/execution.js'
import { textArray } from './arrays.js'
import { executionColumns } from './executions.js'
import { filters, hasAttributes, inRange } from './list-filters.js'
import { listHeld, listRinging, listStranded, listWaiting } from './open-lists.js'
import { decodeExecution, type RawExecution } from './rows.js'
import { slices } from './keys.js'
import type { ExecutionRow, ListQuery } from './store.js'
import type { Database } from './tables.js'

/** `ask` retries: each statement on its own, because all of many would seldom get through together. */
export async function listExecutions(
  database: Database,
  query: ListQuery,
  ask: Ask,
): Promise<ExecutionRow[]> {
  const rows = await choose(database, query, ask)
  return rows.map(decodeExecution)
}

type Ask = <T>(work: () => Promise<T>) => Promise<T>

function choose(database: Database, query: ListQuery, ask: Ask): Promise<RawExecution[]> {
  const { parentId, statuses, workflow } = query
  if (parentId !== undefined) return ask(() => listChildren(database, query, parentId))
  if (hasAttributes(query)) return ask(() => listByAttributes(database, query))
  if (statuses !== undefined && statuses.some(isGoing) && !statuses.includes('completed'))
    return listOpen(database, query, { statuses, ask })
  if (workflow !== undefined) return ask(() => listOfWorkflow(database, query, workflow))
  if (statuses?.every(isTroubled) === true) return listTroubled(database, query, { statuses, ask })
  return listAll(database, query, ask)
}

function isTroubled(status: ExecutionStatus): boolean {
  return TROUBLED.has(status)
}

const TROUBLED: ReadonlySet<string> = new Set([
  'failed',
  'canceled',
  'terminated',
  'paused',
  'blocked',
  'dead',
])

function isGoing(status: ExecutionStatus): boolean {
  return status === 'queued' || status === 'waiting' || status === 'running'
}

/** Each status by its own index, and the newest of all. */
function listOpen(
  database: Database,
  query: ListQuery,
  { statuses, ask }: { readonly statuses: readonly ExecutionStatus[]; readonly ask: Ask },
): Promise<RawExecution[]> {
  const troubled = statuses.filter(isTroubled)
  const lists: (() => Promise<RawExecution[]>)[] = []
  for (const status of new Set(statuses)) {
    const only = { ...query, statuses: [status] }
    if (status === 'queued' || status === 'waiting')
      lists.push(() => ask(() => listWaiting(database, only, status)))
    if (status === 'running')
      lists.push(
        () => ask(() => listHeld(database, only)),
        () => ask(() => listRinging(database, only)),
        () => ask(() => listStranded(database, only)),
      )
  }
  if (troubled.length > 0)
    lists.push(() => listTroubled(database, { ...query, statuses: troubled }, { statuses: troubled, ask }))
  return listOfEach(query, lists, (list) => list())
}

async function listAll(database: Database, query: ListQuery, ask: Ask): Promise<RawExecution[]> {
  if (database.tables.dialect === 'postgres') return ask(() => listOfEachWorkflow(database, query))
  const workflows = await ask(() => readWorkflows(database))
  return listOfEach(query, workflows, (workflow) => ask(() => listOfWorkflow(database, query, workflow)))
}

function listTroubled(
  database: Database,
  query: ListQuery,
  { statuses, ask }: { readonly statuses: readonly ExecutionStatus[]; readonly ask: Ask },
): Promise<RawExecution[]> {
  const wanted = [...new Set(statuses)]
  return database.tables.dialect === 'postgres'
    ? ask(() => listOfEachStatus(database, query, wanted))
    : listOfEach(query, wanted, (status) => ask(() => listOfStatus(database, query, status)))
}

/**
 * The newest of several lists, each asked for on its own, a few at a time. (Asked for all of them at once CockroachDB
 * reads the whole index, because it cannot end a range of a join after so many rows.)
 */
async function listOfEach<T>(
  query: ListQuery,
  of: readonly T[],
  list: (one: T) => Promise<RawExecution[]>,
): Promise<RawExecution[]> {
  let newest: RawExecution[] = []
  for (const slice of slices(of, LISTS_AT_ONCE)) {
    const lists = await Promise.all(slice.map(list))
    newest = distinct([newest, ...lists].flat())
      .sort(byAge)
      .slice(0, query.limit)
  }
  return newest
}

const LISTS_AT_ONCE = 5

/** What changed hands between two of the statements is in both of their answers. */
function distinct(rows: readonly RawExecution[]): RawExecution[] {
  return [...new Map(rows.map((row) => [row.execution_id, row])).values()]
}

function byAge(one: RawExecution, other: RawExecution): number {
  const ms = other.started_at.getTime() - one.started_at.getTime()
  if (ms !== 0) return ms
  return one.execution_id < other.execution_id ? 1 : -1
}

/** For CockroachDB. Reads all of `definitions`: a row per version of a workflow. */
async function readWorkflows({ sql, tables }: Database): Promise<string[]> {
  const rows = await sql<{ workflow: string }[]>`select distinct d.workflow from ${tables.definitions} as d`
  return rows.map(({ workflow }) => workflow)
}

/** Index: executions_listed, one range, until `limit` rows of it pass the filters. */
function listOfWorkflow(database: Database, query: ListQuery, workflow: string): Promise<RawExecution[]> {
  const { sql, tables } = database
  return sql<RawExecution[]>`
    select ${executionColumns(database)}
    from ${tables.by('executions_listed')} as e
    where e.workflow = ${workflow}::text and ${inRange(database, query)} and ${filters(database, query)}
    order by e.started_at desc, e.execution_id desc
    limit ${query.limit}::int8`
}

/** For PostgreSQL. Index: executions_listed, one range per workflow, until `limit` rows of it pass the filters. */
function listOfEachWorkflow(database: Database, query: ListQuery): Promise<RawExecution[]> {
  const { sql, tables } = database
  return sql<RawExecution[]>`
    select ${executionColumns(database)}
    from (select distinct d.workflow from ${tables.definitions} as d) as w
    cross join lateral (
      select ${executionColumns(database)}
      from ${tables.executions} as e
      where e.workflow = w.workflow and ${inRange(database, query)} and ${filters(database, query)}
      order by e.started_at desc, e.execution_id desc
      limit ${query.limit}::int8
    ) as e
    order by e.started_at desc, e.execution_id desc
    limit ${query.limit}::int8`
}

/** For CockroachDB. Index: executions_troubled, one range, until `limit` rows of it pass the filters. */
function listOfStatus(
  database: Database,
  query: ListQuery,
  status: ExecutionStatus,
): Promise<RawExecution[]> {
  const { sql, tables } = database
  return sql<RawExecution[]>`
    select ${executionColumns(database)}
    from ${tables.by('executions_troubled')} as e
    where e.status = ${status}::text
      and e.status in ('failed', 'canceled', 'terminated', 'paused', 'blocked', 'dead')
      and ${inRange(database, query)} and ${filters(database, query)}
    order by e.started_at desc, e.execution_id desc
    limit ${query.limit}::int8`
}

/** For PostgreSQL. Index: executions_troubled, one range per status, until `limit` rows of it pass the filters. */
function listOfEachStatus(
  database: Database,
  query: ListQuery,
  statuses: readonly ExecutionStatus[],
): Promise<RawExecution[]> {
  const { sql, tables } = database
  return sql<RawExecution[]>`
    select ${executionColumns(database)}
    from unnest(${textArray(statuses)}::text[]) as w (status)
    cross join lateral (
      select ${executionColumns(database)}
      from ${tables.executions} as e
      where e.status = w.status
        and e.status in ('failed', 'canceled', 'terminated', 'paused', 'blocked', 'dead')
        and ${inRange(database, query)} and ${filters(database, query)}
      order by e.started_at desc, e.execution_id desc
      limit ${query.limit}::int8
    ) as e
    order by e.started_at desc, e.execution_id desc
    limit ${query.limit}::int8`
}

/** Index: executions_children, the children of one parent. */
function listChildren(database: Database, query: ListQuery, parentId: string): Promise<RawExecution[]> {
  const { sql, tables } = database
  return sql<RawExecution[]>`
    select ${executionColumns(database)}
    from ${tables.by('executions_children')} as e
    where e.parent_id = ${parentId}::text and ${inRange(database, query)} and ${filters(database, query)}
    order by e.started_at desc, e.execution_id desc
    limit ${query.limit}::int8`
}

/** Index: executions_attributes, all rows with these attributes. */
function listByAttributes(database: Database, query: ListQuery): Promise<RawExecution[]> {
  const { sql, tables } = database
  return sql<RawExecution[]>`
    select ${executionColumns(database)}
    from ${tables.by('executions_attributes')} as e
    where ${inRange(database, query)} and ${filters(database, query)}
    order by e.started_at desc, e.execution_id desc
    limit ${query.limit}::int8`
}
