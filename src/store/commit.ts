// The lane statement: what many executions want written, as one multi-row statement in one round trip, the same
// text on PostgreSQL and CockroachDB. Each table is written by one clause (CockroachDB refuses more), and no row
// is written twice (`batches.ts` sees to that): `executions` by one UPDATE that moves the executions committed and
// rings those that are sent messages, `signals` by one upsert that consumes and delivers.
// Wherever a statement of the store locks several rows of `executions`, it does so in the order of their keys, so
// that no two of them wait for each other in a ring.
//
// It comes in two shapes, because most of the traffic is plain appends that write no row of `executions` at all; and the
// two that are most of it under load, results of steps and ends, have lean statements of their own (`append.ts`,
// `close.ts`), which say the same of them.

import type { Commit, CommitOutcome } from './store.js'
import { appendResults, areResults } from './append.js'
import { instantArray, plainArray, textArray } from './arrays.js'
import { areEnds, closeExecutions } from './close.js'
import { fenceColumns, type Passed } from './fence.js'
import type { Database } from './tables.js'

/** Writes the commits whose fence holds: their outcomes in order, undefined where it did not. */
export async function writeCommits(
  database: Database,
  commits: readonly Commit[],
): Promise<(CommitOutcome | undefined)[]> {
  const [row] = await statementFor(commits)(database, commits)
  if (row === undefined) return commits.map(() => undefined)
  const { at } = row
  const quiet: CommitOutcome = { kind: 'committed', at, rung: false }
  const outcomes: (CommitOutcome | undefined)[] = commits.map(() => (row.passed === null ? quiet : undefined))
  for (const n of indexes(row.passed)) outcomes[n] = quiet
  for (const n of indexes(row.rung)) outcomes[n] = { kind: 'committed', at, rung: true }
  return outcomes
}

/** The leanest that can say what is to be written. */
function statementFor(
  commits: readonly Commit[],
): (database: Database, commits: readonly Commit[]) => Promise<Passed[]> {
  if (!commits.some(writesMore)) return areResults(commits) ? appendResults : writeAppends
  return areEnds(commits) ? closeExecutions : writeAll
}

/** One row with lists instead of a row each: the driver's work per row was a tenth of the node's. */
function indexes(list: string | null): number[] {
  return list === null || list === '' ? [] : list.split(',').map(Number)
}

function writesMore(commit: Commit): boolean {
  return (
    commit.transition !== undefined ||
    commit.attributes !== undefined ||
    (commit.messages?.length ?? 0) > 0 ||
    (commit.consumed?.length ?? 0) > 0
  )
}

/**
 * Plain appends. The fence is read, not written: should the claim be taken in between, then the key of `events`
 * decides, as everywhere. Index: executions_pkey, one row per commit. Rows written: the events and their timers.
 * ("Is not distinct from", because with "=" PostgreSQL may look through all that the node holds instead.)
 */
function writeAppends(database: Database, commits: readonly Commit[]): Promise<Passed[]> {
  const { sql, tables } = database
  const x = fenceColumns(commits)
  const v = eventColumns(commits)
  return sql<Passed[]>`
    with passed as (
      select x.n, e.region, e.partition, e.execution_id
      from unnest(
        ${x.n}::int4[], ${x.region}::text[], ${x.partition}::int2[], ${x.executionId}::text[], ${x.epoch}::int4[]
      ) as x (n, region, partition, execution_id, epoch)
      join ${tables.by('executions_pkey')} as e
        on e.region = x.region and e.partition = x.partition and e.execution_id = x.execution_id
        and e.claimed_by is not distinct from ${x.nodeId}::text and e.claim_epoch = x.epoch
    ), written as (
      select v.n, v.version, v.type, v.seq, v.name, v.attempt, v.detail, v.payload, v.message_id,
        coalesce(v.due_at, now() + v.delay_ms * interval '1 millisecond') as due_at, coalesce(v.at, now()) as at
      from unnest(
        ${v.n}::int4[], ${v.version}::int4[], ${v.type}::text[], ${v.seq}::int4[], ${v.name}::text[],
        ${v.attempt}::int2[], ${v.detail}::text[], ${v.payload}::text[], ${v.messageId}::text[],
        ${v.dueAt}::timestamptz[], ${v.delayMs}::float8[], ${v.at}::timestamptz[]
      ) as v (n, version, type, seq, name, attempt, detail, payload, message_id, due_at, delay_ms, at)
    ), appended as (
      insert into ${tables.events} (
        region, partition, execution_id, version, type, seq, name, attempt, detail, payload, message_id, due_at, at
      )
      select p.region, p.partition, p.execution_id, w.version, w.type, w.seq, w.name, w.attempt, w.detail,
        w.payload, w.message_id, w.due_at, w.at
      from written as w join passed as p on p.n = w.n
      returning 1
    ), timed as (
      insert into ${tables.timers} (region, partition, execution_id, version, due_at)
      select p.region, p.partition, p.execution_id, w.version, w.due_at
      from written as w join passed as p on p.n = w.n
      where w.due_at is not null
      on conflict (region, partition, execution_id, version) do nothing
      returning 1
    )
    select now() as at, null::text as rung,
      case when count(*) < ${commits.length}::int8 then coalesce(string_agg(p.n::text, ','), '') end as passed
    from passed as p`
}

/**
 * Everything. `held` reads the fences; the UPDATE decides those of commits that move their row, by the same
 * condition, so that the row lock decides between two writers. A message whose sender loses in between has rung
 * for nothing and left a gap in the positions: both are harmless, its message is not written.
 * Indexes: executions_pkey, one row per commit and per execution told; events_pkey, timers_pkey, signals_pkey. Rows
 * written: those, the events with their timers, the messages consumed and sent.
 */
function writeAll(database: Database, commits: readonly Commit[]): Promise<Passed[]> {
  const { sql, tables } = database
  const x = fenceColumns(commits)
  const t = transitionColumns(commits)
  const v = eventColumns(commits)
  const c = consumedColumns(commits)
  const m = messageColumns(commits)
  return sql<Passed[]>`
    with x as (
      select x.n, x.region, x.partition, x.execution_id, x.epoch, x.act, x.version, x.status, x.ready_in_ms, x.note,
        x.workflow_version, x.attributes
      from unnest(
        ${x.n}::int4[], ${x.region}::text[], ${x.partition}::int2[], ${x.executionId}::text[], ${x.epoch}::int4[],
        ${t.act}::text[], ${t.version}::int4[], ${t.status}::text[], ${t.readyInMs}::float8[], ${t.note}::text[],
        ${t.workflowVersion}::text[], ${t.attributes}::text[]
      ) as x (
        n, region, partition, execution_id, epoch, act, version, status, ready_in_ms, note, workflow_version,
        attributes
      )
    ), held as (
      select x.n, x.act, e.region, e.partition, e.execution_id
      from x join ${tables.by('executions_pkey')} as e
        on e.region = x.region and e.partition = x.partition and e.execution_id = x.execution_id
        and e.claimed_by is not distinct from ${x.nodeId}::text and e.claim_epoch = x.epoch
    ), sent as (
      select m.n, m.region, m.partition, m.execution_id, m.message_id, m.kind, m.name, m.payload, m.detail,
        row_number() over (partition by m.region, m.partition, m.execution_id order by m.i) as ordinal
      from unnest(
        ${m.n}::int4[], ${m.i}::int4[], ${m.region}::text[], ${m.partition}::int2[], ${m.executionId}::text[],
        ${m.messageId}::text[], ${m.kind}::text[], ${m.name}::text[], ${m.payload}::text[], ${m.detail}::text[]
      ) as m (n, i, region, partition, execution_id, message_id, kind, name, payload, detail)
      join held as h on h.n = m.n
      -- A parent's word counts with its own children only: an id may have become somebody else's.
      -- (A value and not "exists", which a planner may answer by reading the whole table once.)
      where m.kind = 'child' or m.name = (
        select c.parent_id from ${tables.by('executions_pkey')} as c
        where c.region = m.region and c.partition = m.partition and c.execution_id = m.execution_id
      )
    ), moves as (
      select x.n, x.region, x.partition, x.execution_id, x.epoch, x.act, x.version, x.status, x.ready_in_ms,
        x.note, x.workflow_version, x.attributes, 0::int8 as messages, false as forced
      from x where x.act <> 'append'
      union all
      select null::int4, s.region, s.partition, s.execution_id, null::int4, 'ring', null::int4, null::text,
        null::float8, null::text, null::text, null::text, count(*), bool_or(s.kind = 'terminate')
      from sent as s group by s.region, s.partition, s.execution_id
      order by region, partition, execution_id
    ), moved as (
      update ${tables.by('executions_pkey')} as e set
        status = case
          when u.act in ('release', 'close') then u.status
          when u.act = 'ring' and u.forced and e.status in ('paused', 'dead') then 'running'
          else e.status end,
        version = case when u.version > e.version then u.version else e.version end,
        run = case when u.act = 'continue' then e.run + 1 else e.run end,
        run_version = case when u.act = 'continue' then u.version else e.run_version end,
        workflow_version = coalesce(u.workflow_version, e.workflow_version),
        claimed_by = case when u.act in ('release', 'close') then null else e.claimed_by end,
        ready_at = case
          -- A doorbell that rings keeps its instant: a timer may have set it, and nobody may answer with an older one.
          when u.act = 'release' and u.ready_in_ms = 0 then coalesce(e.ready_at, now())
          when u.act = 'release' then least(e.ready_at, now() + u.ready_in_ms * interval '1 millisecond')
          when u.act = 'close' then null
          when u.act = 'ring' and (u.forced or e.status in ('queued', 'running', 'waiting', 'blocked'))
            then case when u.forced then least(e.ready_at, now()) else coalesce(e.ready_at, now()) end
          else e.ready_at end,
        attempts = case when u.version > e.version then 0 else e.attempts end,
        inbox = e.inbox + u.messages::int4,
        attributes = case
          when u.attributes is null then e.attributes
          else coalesce(e.attributes, '{}'::jsonb) || u.attributes::jsonb end,
        note = case when u.act in ('release', 'close') then u.note else e.note end,
        closed_at = case when u.act = 'close' then date_trunc('milliseconds', now()) else e.closed_at end
      from moves as u
      where e.region = u.region and e.partition = u.partition and e.execution_id = u.execution_id
        and case when u.act = 'ring' then e.closed_at is null
          else e.claimed_by = ${x.nodeId}::text and e.claim_epoch = u.epoch end
      returning u.n, u.act, u.messages, e.region, e.partition, e.execution_id, e.inbox, e.ready_at
    ), passed as (
      select h.n, h.region, h.partition, h.execution_id, false as rung
      from held as h where h.act = 'append'
      union all
      select d.n, d.region, d.partition, d.execution_id, d.act = 'release' and d.ready_at is not null
      from moved as d where d.act <> 'ring'
    ), written as (
      select v.n, v.version, v.type, v.seq, v.name, v.attempt, v.detail, v.payload, v.message_id,
        coalesce(v.due_at, now() + v.delay_ms * interval '1 millisecond') as due_at, coalesce(v.at, now()) as at
      from unnest(
        ${v.n}::int4[], ${v.version}::int4[], ${v.type}::text[], ${v.seq}::int4[], ${v.name}::text[],
        ${v.attempt}::int2[], ${v.detail}::text[], ${v.payload}::text[], ${v.messageId}::text[],
        ${v.dueAt}::timestamptz[], ${v.delayMs}::float8[], ${v.at}::timestamptz[]
      ) as v (n, version, type, seq, name, attempt, detail, payload, message_id, due_at, delay_ms, at)
    ), appended as (
      insert into ${tables.events} (
        region, partition, execution_id, version, type, seq, name, attempt, detail, payload, message_id, due_at, at
      )
      select p.region, p.partition, p.execution_id, w.version, w.type, w.seq, w.name, w.attempt, w.detail,
        w.payload, w.message_id, w.due_at, w.at
      from written as w join passed as p on p.n = w.n
      returning 1
    ), timed as (
      insert into ${tables.timers} (region, partition, execution_id, version, due_at)
      select p.region, p.partition, p.execution_id, w.version, w.due_at
      from written as w join passed as p on p.n = w.n
      where w.due_at is not null
      on conflict (region, partition, execution_id, version) do nothing
      returning 1
    ), mailed as (
      insert into ${tables.signals} as s (
        region, partition, execution_id, message_id, position, kind, name, payload, detail, consumed_at,
        answer_ok, answer
      )
      select s.region, s.partition, s.execution_id, s.message_id, (d.inbox - d.messages + s.ordinal)::int4,
        s.kind, s.name, s.payload, s.detail, null::timestamptz, null::bool, null::text
      from sent as s
      join moved as d on d.act = 'ring' and d.region = s.region and d.partition = s.partition
        and d.execution_id = s.execution_id
      join passed as p on p.n = s.n
      union all
      select p.region, p.partition, p.execution_id, c.message_id, 0, '', '', null, null, now(), c.ok, c.answer
      from unnest(
        ${c.n}::int4[], ${c.messageId}::text[], ${c.ok}::bool[], ${c.answer}::text[]
      ) as c (n, message_id, ok, answer)
      join passed as p on p.n = c.n
      on conflict (region, partition, execution_id, message_id) do update set
        consumed_at = excluded.consumed_at, payload = null, answer_ok = excluded.answer_ok,
        answer = excluded.answer
      where excluded.consumed_at is not null and s.answer_ok is null
      returning 1
    )
    select now() as at, string_agg(case when p.rung then p.n::text end, ',') as rung,
      case when count(*) < ${commits.length}::int8 then coalesce(string_agg(p.n::text, ','), '') end as passed
    from passed as p`
}

function eventColumns(commits: readonly Commit[]) {
  const owners = commits.flatMap((commit, n) => commit.events.map(() => n))
  const events = commits.flatMap((commit) => commit.events)
  return {
    n: plainArray(owners),
    version: plainArray(
      commits.flatMap((commit) => commit.events.map((_, ordinal) => commit.expectedVersion + 1 + ordinal)),
    ),
    type: textArray(events.map((event) => event.type)),
    seq: plainArray(events.map((event) => event.seq)),
    name: textArray(events.map((event) => event.name)),
    attempt: plainArray(events.map((event) => event.attempt)),
    detail: textArray(events.map((event) => event.detail)),
    payload: textArray(events.map((event) => event.payload)),
    messageId: textArray(events.map((event) => event.messageId)),
    dueAt: instantArray(events.map((event) => event.dueAt)),
    at: instantArray(events.map((event) => event.at)),
    delayMs: plainArray(events.map((event) => event.delayMs)),
  }
}

function transitionColumns(commits: readonly Commit[]) {
  const transitions = commits.map((commit) => commit.transition)
  return {
    act: textArray(
      commits.map(
        (commit) => commit.transition?.kind ?? (commit.attributes === undefined ? 'append' : 'attributes'),
      ),
    ),
    version: plainArray(commits.map((commit) => commit.expectedVersion + commit.events.length)),
    status: textArray(
      transitions.map((to) => (to === undefined || to.kind === 'continue' ? null : to.status)),
    ),
    readyInMs: plainArray(transitions.map((to) => (to?.kind === 'release' ? to.readyInMs : null))),
    note: textArray(transitions.map((to) => (to?.kind === 'release' ? to.note : null))),
    workflowVersion: textArray(
      transitions.map((to) => (to?.kind === 'continue' ? to.workflowVersion : null)),
    ),
    attributes: textArray(
      commits.map((commit) => (commit.attributes === undefined ? null : JSON.stringify(commit.attributes))),
    ),
  }
}

function consumedColumns(commits: readonly Commit[]) {
  const rows = commits.flatMap((commit, n) => (commit.consumed ?? []).map((consumed) => ({ n, ...consumed })))
  return {
    n: plainArray(rows.map((row) => row.n)),
    messageId: textArray(rows.map((row) => row.messageId)),
    ok: plainArray(rows.map((row) => row.answer?.ok)),
    answer: textArray(rows.map((row) => row.answer?.payload)),
  }
}

function messageColumns(commits: readonly Commit[]) {
  const rows = commits.flatMap((commit, n) => (commit.messages ?? []).map((message) => ({ n, message })))
  return {
    n: plainArray(rows.map((row) => row.n)),
    i: plainArray(rows.map((_, i) => i)),
    region: textArray(rows.map((row) => row.message.key.region)),
    partition: plainArray(rows.map((row) => row.message.key.partition)),
    executionId: textArray(rows.map((row) => row.message.key.executionId)),
    messageId: textArray(rows.map((row) => row.message.messageId)),
    kind: textArray(rows.map((row) => row.message.kind)),
    name: textArray(rows.map((row) => row.message.name)),
    payload: textArray(rows.map((row) => row.message.payload)),
    detail: textArray(rows.map((row) => row.message.detail)),
  }
}
