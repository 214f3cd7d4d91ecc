// Statements of the table `schedules`: one row per schedule, small and few beside executions. What a row means and when
// it is due is judged by `core/schedule.ts`; here it is read under its lock and written as a whole.

import { formatSpec } from '../core/schedule-spec.js'
import { instantArray, plainArray, textArray } from './arrays.js'
import { decodeSchedule, type RawSchedule } from './rows.js'
import type { NewSchedule, ScheduleRow } from './store.js'
import type { Database } from './tables.js'

/** The database's time, and the same to the microsecond. */
export async function readClock({ sql }: Database): Promise<{ readonly at: Date; readonly text: string }> {
  const [row] = await sql<{ at: Date; text: string }[]>`select now() as at, now()::text as text`
  return row ?? { at: new Date(Number.NaN), text: '' }
}

/** Index: schedules_pkey. False: the id is taken. */
export async function insertSchedule(
  { sql, tables }: Database,
  row: NewSchedule,
  madeAt: string,
): Promise<boolean> {
  const rows = await sql<object[]>`
    insert into ${tables.schedules} (
      schedule_id, region, spec, jitter_ms, workflow, workflow_version, input, unchecked, attributes, overlap,
      catch_up_ms, paused, note, next_at, due_at, created_at
    ) values (
      ${row.scheduleId}::text, ${row.region}::text, ${formatSpec(row.spec)}::text, ${row.jitterMs}::int8,
      ${row.workflow}::text, ${row.workflowVersion}::text, ${row.input}::text, ${row.unchecked}::bool,
      ${attributesText(row)}::text, ${row.overlap}::text, ${row.catchUpMs}::int8, ${row.paused}::bool,
      ${row.note}::text, ${instant(row.nextAt)}::timestamptz, ${instant(row.dueAt)}::timestamptz,
      ${madeAt}::timestamptz
    )
    on conflict (schedule_id) do nothing
    returning 1`
  return rows.length > 0
}

/** Whatever is in it, also what this release cannot read. Index: schedules_pkey, one row. */
export async function isThere({ sql, tables }: Database, scheduleId: string): Promise<boolean> {
  const rows = await sql<object[]>`
    select 1 from ${tables.schedules} as s where s.schedule_id = ${scheduleId}::text`
  return rows.length > 0
}

/** Index: schedules_pkey, one row. */
export async function isMadeAt(
  { sql, tables }: Database,
  scheduleId: string,
  madeAt: string,
): Promise<boolean> {
  const rows = await sql<object[]>`
    select 1 from ${tables.schedules} as s
    where s.schedule_id = ${scheduleId}::text and s.created_at = ${madeAt}::timestamptz`
  return rows.length > 0
}

/** Index: schedules_pkey, one row. */
export async function readSchedule(
  { sql, tables }: Database,
  scheduleId: string,
): Promise<ScheduleRow | null> {
  const [row] = await sql<RawSchedule[]>`
    select ${columns({ sql, tables })}, s.input
    from ${tables.schedules} as s
    where s.schedule_id = ${scheduleId}::text`
  return row === undefined ? null : decodeSchedule(row)
}

/** Index: schedules_pkey, in its order, until `limit` rows pass the filter. Inputs are left out: a page stays small. */
export async function listSchedules(
  { sql, tables }: Database,
  query: { readonly workflow?: string; readonly after?: string; readonly limit: number },
): Promise<ScheduleRow[]> {
  const { workflow, after = '', limit } = query
  const rows = await sql<RawSchedule[]>`
    select ${columns({ sql, tables })}, null::text as input
    from ${tables.schedules} as s
    where s.schedule_id > ${after}::text
      ${workflow === undefined ? sql`` : sql`and s.workflow = ${workflow}::text`}
    order by s.schedule_id
    limit ${limit}::int8`
  return rows.map(decodeSchedule)
}

/** A row as it stands, still to be decoded: what a newer release wrote must not keep the others of a batch. */
export interface LockedSchedule {
  readonly raw: RawSchedule
  readonly at: Date
}

/** Index: schedules_pkey. Waits for whoever is at the row. */
export async function lockSchedule(
  { sql, tables }: Database,
  scheduleId: string,
): Promise<LockedSchedule | null> {
  const [row] = await sql<(RawSchedule & { at: Date })[]>`
    select ${columns({ sql, tables })}, s.input, now() as at
    from ${tables.schedules} as s
    where s.schedule_id = ${scheduleId}::text
    for update`
  return row === undefined ? null : { raw: row, at: row.at }
}

/** Due schedules that nobody is at. Index: schedules_due, at most `limit` rows. */
export async function lockDueSchedules({ sql, tables }: Database, limit: number): Promise<LockedSchedule[]> {
  const rows = await sql<(RawSchedule & { at: Date })[]>`
    select ${columns({ sql, tables })}, s.input, now() as at
    from ${tables.schedules} as s
    where s.due_at is not null and not s.paused and s.due_at <= now()
    order by s.due_at
    limit ${limit}::int8
    for update skip locked`
  return rows.map((row) => ({ raw: row, at: row.at }))
}

/** When the next one is due, in ms from now, or null. Index: schedules_due, one row. */
export async function readNextSchedule({ sql, tables }: Database): Promise<number | null> {
  const [row] = await sql<{ next_in_ms: number }[]>`
    select (extract(epoch from s.due_at - now()) * 1000)::float8 as next_in_ms
    from ${tables.schedules} as s
    where s.due_at is not null and not s.paused
    order by s.due_at
    limit 1`
  return row === undefined ? null : Math.max(0, row.next_in_ms)
}

/** What firings change, of many rows. Index: schedules_pkey. */
export async function updateProgress({ sql, tables }: Database, rows: readonly ScheduleRow[]): Promise<void> {
  if (rows.length === 0) return
  await sql`
    update ${tables.schedules} as s set
      next_at = p.next_at, due_at = p.due_at, last_at = p.last_at, buffered_at = p.buffered_at,
      last_execution_id = p.last_execution_id, fired = p.fired, skipped = p.skipped, missed = p.missed
    from unnest(
      ${textArray(rows.map((row) => row.scheduleId))}::text[],
      ${instantArray(rows.map((row) => row.nextAt))}::timestamptz[],
      ${instantArray(rows.map((row) => row.dueAt))}::timestamptz[],
      ${instantArray(rows.map((row) => row.lastAt))}::timestamptz[],
      ${instantArray(rows.map((row) => row.bufferedAt))}::timestamptz[],
      ${textArray(rows.map((row) => row.lastExecutionId))}::text[],
      ${plainArray(rows.map((row) => row.fired))}::int8[],
      ${plainArray(rows.map((row) => row.skipped))}::int8[],
      ${plainArray(rows.map((row) => row.missed))}::int8[]
    ) as p (schedule_id, next_at, due_at, last_at, buffered_at, last_execution_id, fired, skipped, missed)
    where s.schedule_id = p.schedule_id`
}

/** What people change, of one row. Index: schedules_pkey. */
export async function updateDefinition({ sql, tables }: Database, row: ScheduleRow): Promise<void> {
  await sql`
    update ${tables.schedules} set
      spec = ${formatSpec(row.spec)}::text, jitter_ms = ${row.jitterMs}::int8, workflow = ${row.workflow}::text,
      workflow_version = ${row.workflowVersion}::text, input = ${row.input}::text,
      unchecked = ${row.unchecked}::bool, attributes = ${attributesText(row)}::text, overlap = ${row.overlap}::text,
      catch_up_ms = ${row.catchUpMs}::int8, paused = ${row.paused}::bool, note = ${row.note}::text,
      revision = ${row.revision}::int8, updated_at = now()
    where schedule_id = ${row.scheduleId}::text`
}

/** Looks at these again only in a while. Index: schedules_pkey. */
export async function postponeSchedules(
  { sql, tables }: Database,
  scheduleIds: readonly string[],
  forMs: number,
): Promise<void> {
  if (scheduleIds.length === 0) return
  await sql`
    update ${tables.schedules} set due_at = now() + ${forMs}::float8 * interval '1 millisecond'
    where schedule_id = any(${textArray(scheduleIds)}::text[])`
}

/** Index: schedules_pkey. */
export async function deleteSchedule({ sql, tables }: Database, scheduleId: string): Promise<void> {
  await sql`delete from ${tables.schedules} where schedule_id = ${scheduleId}::text`
}

/** All but the input. */
function columns({ sql }: Database) {
  return sql`s.schedule_id, s.region, s.spec, s.jitter_ms::text as jitter_ms, s.workflow, s.workflow_version,
    s.unchecked, s.attributes, s.overlap, s.catch_up_ms::text as catch_up_ms, s.paused, s.note,
    s.revision::text as revision, s.next_at, s.due_at, s.last_at, s.buffered_at, s.last_execution_id,
    s.fired::text as fired, s.skipped::text as skipped, s.missed::text as missed, s.created_at, s.updated_at`
}

function attributesText({ attributes }: NewSchedule): string | null {
  return attributes === null ? null : JSON.stringify(attributes)
}

function instant(value: Date | null): string | null {
  return value?.toISOString() ?? null
}
