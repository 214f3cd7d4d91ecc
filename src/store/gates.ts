// The statements that move the line of gates, all under the locks of their rows: who is inside is counted anew, from
// what is open, so that a place is never held by somebody who has ended, however that came about.

import type { ExecutionKey } from '../core/execution.js'
import type { Limit, SeenGate } from '../core/gate.js'
import { plainArray, textArray } from './arrays.js'
import { keyColumns } from './keys.js'
import type { Database } from './tables.js'

/**
 * Takes the places from those of these that have ended, and tells at which gates. Needs no lock: it only makes room.
 * Indexes: turns_pkey, the few rows of each; executions_pkey, one row each.
 */
export async function freeEnded({ sql, tables }: Database, keys: readonly ExecutionKey[]): Promise<string[]> {
  if (keys.length === 0) return []
  const k = keyColumns(keys)
  const rows = await sql<{ gate_id: string }[]>`
    delete from ${tables.by('turns_pkey')} as t
    using unnest(${k.region}::text[], ${k.partition}::int2[], ${k.executionId}::text[])
      as k (region, partition, execution_id)
    where t.region = k.region and t.partition = k.partition and t.execution_id = k.execution_id
      and t.state = 'held'
      and not exists (
        select 1 from ${tables.by('executions_pkey')} as e
        where e.region = t.region and e.partition = t.partition and e.execution_id = t.execution_id
          and e.closed_at is null and e.started_at = t.started_at
      )
    returning t.gate_id`
  return rows.map((row) => row.gate_id)
}

/** Locks those of these gates that nobody else is at. Index: gates_pkey. */
export async function lockGates({ sql, tables }: Database, gateIds: readonly string[]): Promise<string[]> {
  if (gateIds.length === 0) return []
  const rows = await sql<{ gate_id: string }[]>`
    select g.gate_id from ${tables.by('gates_pkey')} as g
    where g.gate_id = any(${textArray(gateIds)}::text[])
    order by g.gate_id
    for update skip locked`
  return rows.map((row) => row.gate_id)
}

/** Locks gates that are due and that nobody else is at. Index: gates_due, at most `limit` rows. */
export async function lockDueGates({ sql, tables }: Database, limit: number): Promise<string[]> {
  const rows = await sql<{ gate_id: string }[]>`
    select g.gate_id from ${tables.by('gates_due')} as g
    where g.due_at is not null and g.due_at <= now()
    order by g.due_at
    limit ${limit}::int8
    for update skip locked`
  return rows.map((row) => row.gate_id)
}

/** Which of these are there. Index: gates_pkey. */
export async function readGateIds({ sql, tables }: Database, gateIds: readonly string[]): Promise<string[]> {
  if (gateIds.length === 0) return []
  const rows = await sql<{ gate_id: string }[]>`
    select g.gate_id from ${tables.by('gates_pkey')} as g where g.gate_id = any(${textArray(gateIds)}::text[])`
  return rows.map((row) => row.gate_id)
}

/**
 * The same of all that are inside, also of what was removed, or started anew. Indexes: turns_lined, those inside;
 * executions_pkey, one row each.
 */
export async function freePlaces({ sql, tables }: Database, gateIds: readonly string[]): Promise<void> {
  if (gateIds.length === 0) return
  await sql`
    delete from ${tables.turns} as t
    where t.gate_id = any(${textArray(gateIds)}::text[]) and t.state = 'held'
      and not exists (
        select 1 from ${tables.by('executions_pkey')} as e
        where e.region = t.region and e.partition = t.partition and e.execution_id = t.execution_id
          and e.closed_at is null and e.started_at = t.started_at
      )`
}

export interface LockedGate extends SeenGate {
  readonly gateId: string
  /** The database's time of this reading, in its own words: never before that of the reading before. */
  readonly at: string
  readonly waits: boolean
}

interface RawGate {
  readonly gate_id: string
  readonly running_max: number | null
  readonly tokens_max: number | null
  readonly refill_ms: number | null
  readonly tokens: number | null
  readonly since_ms: number
  readonly at: string
  readonly held: number
  readonly waits: boolean
}

/**
 * The time is that of the statement, which began under the lock: that of the transaction may be before the last change.
 * Index: gates_pkey; turns_lined, those inside and the first in line.
 */
export async function readGates(
  { sql, tables }: Database,
  gateIds: readonly string[],
): Promise<LockedGate[]> {
  const rows = await sql<RawGate[]>`
    select g.gate_id, g.running_max, g.tokens_max, g.refill_ms, coalesce(g.tokens, g.tokens_max::float8) as tokens,
      (extract(epoch from greatest(statement_timestamp() - g.refilled_at, '0 s'::interval)) * 1000)::float8 as since_ms,
      greatest(statement_timestamp(), g.refilled_at)::text as at,
      case when g.running_max is null then 0 else (
        select count(*) from ${tables.by('turns_lined')} as t where t.gate_id = g.gate_id and t.state = 'held'
      )::int4 end as held,
      exists (select 1 from ${tables.by('turns_lined')} as t where t.gate_id = g.gate_id and t.state = 'waiting') as waits
    from ${tables.by('gates_pkey')} as g
    where g.gate_id = any(${textArray(gateIds)}::text[])`
  return rows.map(({ gate_id: gateId, at, held, waits, ...raw }) => ({
    gateId,
    at,
    held,
    waits,
    runningMax: raw.running_max,
    bucket:
      raw.tokens_max === null || raw.refill_ms === null
        ? null
        : {
            tokensMax: raw.tokens_max,
            refillMs: raw.refill_ms,
            tokens: raw.tokens ?? raw.tokens_max,
            sinceMs: raw.since_ms,
          },
  }))
}

/** One in line that was looked at. */
export interface Turn {
  readonly gateId: string
  readonly key: ExecutionKey
  readonly run: number
  readonly stage: number
  /** `gone`: it has ended meanwhile. `busy`: a node has it in its hands and will give it back, or end it. */
  readonly fate: 'passed' | 'gone' | 'busy'
  /** The gate that it waits for now; null: it was the last, and its doorbell rings. */
  readonly nextGateId: string | null
}

interface RawTurn {
  readonly gate_id: string
  readonly region: string
  readonly partition: number
  readonly execution_id: string
  readonly run: number
  readonly stage: number
  readonly fate: string
  readonly next_gate_id: string | null
}

/**
 * Lets the first in line pass, by priority and then by time, as many as there is room for at each gate: to the next gate
 * of theirs, or, behind the last, on to whoever claims them, with the event that says so. For one that a node has in its
 * hands at the moment, because a message came for it, the place is kept.
 * Indexes: turns_lined, `lookedAt` rows per gate; turns_pkey, executions_pkey. Rows written: three per execution passed.
 */
export async function passGates(
  { sql, tables }: Database,
  gates: readonly { readonly gateId: string; readonly room: number; readonly at: string }[],
  lookedAt: number,
): Promise<Turn[]> {
  const rows = await sql<RawTurn[]>`
    with line as (
      select q.gate_id, q.room, q.at, l.region, l.partition, l.execution_id, l.run, l.stage, l.priority, l.queued_at,
        case
          when e.execution_id is null or e.closed_at is not null or e.started_at <> l.started_at then 'gone'
          when e.status = 'queued' and e.claimed_by is null then 'passed'
          else 'busy' end as fate
      from unnest(
        ${textArray(gates.map(({ gateId }) => gateId))}::text[],
        ${plainArray(gates.map(({ room }) => room))}::int4[],
        ${textArray(gates.map(({ at }) => at))}::timestamptz[]
      ) as q (gate_id, room, at)
      cross join lateral (
        select t.region, t.partition, t.execution_id, t.run, t.stage, t.priority, t.queued_at, t.started_at
        from ${tables.by('turns_lined')} as t
        where t.gate_id = q.gate_id and t.state = 'waiting'
        order by t.priority, t.queued_at, t.execution_id
        limit ${lookedAt}::int8
      ) as l
      left join ${tables.by('executions_pkey')} as e
        on e.region = l.region and e.partition = l.partition and e.execution_id = l.execution_id
    ), ranked as (
      select l.gate_id, l.room, l.at, l.region, l.partition, l.execution_id, l.run, l.stage, l.fate,
        row_number() over (
          partition by l.gate_id, l.fate = 'gone' order by l.priority, l.queued_at, l.execution_id
        ) as place
      from line as l
    ), chosen as (
      select r.gate_id, r.at, r.region, r.partition, r.execution_id, r.run, r.stage, n.gate_id as next_gate_id,
        g.rule, g.key
      from ranked as r
      left join ${tables.by('turns_pkey')} as n
        on n.region = r.region and n.partition = r.partition and n.execution_id = r.execution_id
        and n.run = r.run and n.stage = r.stage + 1
      left join ${tables.by('gates_pkey')} as g on g.gate_id = n.gate_id
      where r.fate = 'passed' and r.place <= r.room
      order by r.region, r.partition, r.execution_id
    ), moved as (
      update ${tables.by('executions_pkey')} as e set
        status = case when c.next_gate_id is null then 'running' else e.status end,
        ready_at = case when c.next_gate_id is null then coalesce(e.ready_at, now()) else e.ready_at end,
        version = case when c.next_gate_id is null then e.version + 1 else e.version end,
        note = 'limit ' || c.rule || coalesce(' of key "' || c.key || '"', '')
      from chosen as c
      where e.region = c.region and e.partition = c.partition and e.execution_id = c.execution_id
        and e.run = c.run and e.status = 'queued' and e.claimed_by is null
      returning c.gate_id, c.at, e.region, e.partition, e.execution_id, e.version, e.claim_epoch, c.run, c.stage,
        c.next_gate_id
    ), opened as (
      insert into ${tables.events} (region, partition, execution_id, version, type, detail, at)
      select m.region, m.partition, m.execution_id, m.version, 'admitted',
        '{"claimEpoch":' || m.claim_epoch::text || '}', m.at
      from moved as m where m.next_gate_id is null
      returning 1
    ), stepped as (
      update ${tables.by('turns_pkey')} as t set state = case when t.stage = m.stage then 'held' else 'waiting' end
      from moved as m
      where t.region = m.region and t.partition = m.partition and t.execution_id = m.execution_id
        and t.run = m.run and t.stage in (m.stage, m.stage + 1)
      returning 1
    )
    select m.gate_id, m.region, m.partition, m.execution_id, m.run, m.stage, 'passed'::text as fate, m.next_gate_id
    from moved as m
    union all
    select r.gate_id, r.region, r.partition, r.execution_id, r.run, r.stage, r.fate, null::text
    from ranked as r where r.fate <> 'passed'`
  return rows.map((raw) => ({
    gateId: raw.gate_id,
    key: { region: raw.region, partition: raw.partition, executionId: raw.execution_id },
    run: raw.run,
    stage: raw.stage,
    fate: raw.fate === 'gone' || raw.fate === 'busy' ? raw.fate : 'passed',
    nextGateId: raw.next_gate_id,
  }))
}

/** Deletes turns that are over. Index: turns_pkey, one row each. */
export async function deleteTurns(
  { sql, tables }: Database,
  turns: readonly Pick<Turn, 'key' | 'run' | 'stage'>[],
): Promise<void> {
  if (turns.length === 0) return
  const k = keyColumns(turns.map(({ key }) => key))
  await sql`
    delete from ${tables.turns} as t
    using unnest(
      ${k.region}::text[], ${k.partition}::int2[], ${k.executionId}::text[],
      ${plainArray(turns.map(({ run }) => run))}::int4[], ${plainArray(turns.map(({ stage }) => stage))}::int2[]
    ) as d (region, partition, execution_id, run, stage)
    where t.region = d.region and t.partition = d.partition and t.execution_id = d.execution_id
      and t.run = d.run and t.stage = d.stage`
}

/** Which of these gates somebody waits at, and which nobody stands or runs behind. Index: turns_lined, two rows each. */
export async function readLines(
  { sql, tables }: Database,
  gateIds: readonly string[],
): Promise<Map<string, { readonly waits: boolean; readonly isEmpty: boolean }>> {
  const rows = await sql<{ gate_id: string; waits: boolean; is_empty: boolean }[]>`
    select g.gate_id,
      exists (select 1 from ${tables.by('turns_lined')} as t where t.gate_id = g.gate_id and t.state <> 'held') as waits,
      not exists (select 1 from ${tables.by('turns_lined')} as t where t.gate_id = g.gate_id) as is_empty
    from unnest(${textArray(gateIds)}::text[]) as g (gate_id)`
  return new Map(rows.map((row) => [row.gate_id, { waits: row.waits, isEmpty: row.is_empty }]))
}

export interface GateChange {
  readonly gateId: string
  readonly at: string
  readonly tokens: number | null
  readonly lookInMs: number
  /** All who are inside have been gone through: the next time may be later than it was to be. */
  readonly wasDue: boolean
}

/** Writes what is left in the buckets, and when to look again. Index: gates_pkey. */
export async function updateGates({ sql, tables }: Database, gates: readonly GateChange[]): Promise<void> {
  if (gates.length === 0) return
  await sql`
    update ${tables.by('gates_pkey')} as g set
      tokens = v.tokens, refilled_at = v.at,
      due_at = least(case when not v.was_due then g.due_at end, v.at + v.look_in_ms * interval '1 millisecond')
    from unnest(
      ${textArray(gates.map(({ gateId }) => gateId))}::text[], ${textArray(gates.map(({ at }) => at))}::timestamptz[],
      ${plainArray(gates.map(({ tokens }) => tokens))}::float8[],
      ${plainArray(gates.map(({ lookInMs }) => lookInMs))}::float8[],
      ${plainArray(gates.map(({ wasDue }) => wasDue))}::bool[]
    ) as v (gate_id, at, tokens, look_in_ms, was_due)
    where g.gate_id = v.gate_id`
}

/**
 * Writes these limits to the gates that there are; one of no bound and no rate lets all pass.
 * Index: gates_workflow, the gates of these workflows. Rows written: those that differ.
 */
export async function updateLimits({ sql, tables }: Database, limits: readonly Limit[]): Promise<void> {
  if (limits.length === 0) return
  await sql`
    update ${tables.gates} as g set
      running_max = v.running_max, tokens_max = v.tokens_max, refill_ms = v.refill_ms, due_at = now()
    from unnest(
      ${textArray(limits.map(({ workflow }) => workflow))}::text[],
      ${textArray(limits.map(({ rule }) => rule))}::text[],
      ${plainArray(limits.map(({ runningMax }) => runningMax))}::int4[],
      ${plainArray(limits.map(({ bucket }) => bucket?.tokensMax))}::int4[],
      ${plainArray(limits.map(({ bucket }) => bucket?.refillMs))}::float8[]
    ) as v (workflow, rule, running_max, tokens_max, refill_ms)
    where g.workflow = v.workflow and g.rule = v.rule and (
      g.running_max is distinct from v.running_max or g.tokens_max is distinct from v.tokens_max
      or g.refill_ms is distinct from v.refill_ms
    )`
}

/** Gates that have served their time: the next one in need of them makes them anew. Index: gates_pkey. */
export async function deleteGates({ sql, tables }: Database, gateIds: readonly string[]): Promise<void> {
  if (gateIds.length === 0) return
  await sql`delete from ${tables.gates} as g where g.gate_id = any(${textArray(gateIds)}::text[])`
}
