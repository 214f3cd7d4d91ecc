// The inbox: messages from clients, reading them, and the answers to updates and queries. Messages between
// executions are sent by `commit.ts`, which also consumes.

import type { ExecutionKey } from '../core/execution.js'
import type { Answer, Message, NewMessage } from '../core/message.js'
import { plainArray, textArray } from './arrays.js'
import { groupByIndex, keyColumns } from './keys.js'
import { decodeMessage, type RawMessage } from './rows.js'
import type { MessageOutcome } from './store.js'
import type { Database } from './tables.js'

interface RawSent {
  readonly n: number
  readonly is_sent: boolean
  readonly is_known: boolean
  readonly is_found: boolean
  readonly is_closed: boolean
  readonly is_told: boolean
}

/**
 * Puts messages into inboxes and rings, in the order given per execution. A message id that is there already is a
 * duplicate, also when the execution has closed since. The inbox is counted only once its positions exceed the
 * bound, which most never do.
 * Indexes: signals_pkey, executions_pkey, signals_unread. Rows written: one per message and per execution.
 */
export async function insertMessages(
  database: Database,
  messages: readonly NewMessage[],
  inboxMax: number,
): Promise<MessageOutcome[]> {
  const { sql, tables } = database
  const k = keyColumns(messages.map((message) => message.key))
  const rows = await sql<RawSent[]>`
    with m as (
      select m.n, m.region, m.partition, m.execution_id, m.message_id, m.kind, m.name, m.payload, m.detail,
        s.message_id is not null as is_known
      from unnest(
        ${k.n}::int4[], ${k.region}::text[], ${k.partition}::int2[], ${k.executionId}::text[],
        ${textArray(messages.map((message) => message.messageId))}::text[],
        ${textArray(messages.map((message) => message.kind))}::text[],
        ${textArray(messages.map((message) => message.name))}::text[],
        ${textArray(messages.map((message) => message.payload))}::text[],
        ${textArray(messages.map((message) => message.detail))}::text[]
      ) as m (n, region, partition, execution_id, message_id, kind, name, payload, detail)
      left join ${tables.by('signals_pkey')} as s
        on s.region = m.region and s.partition = m.partition and s.execution_id = m.execution_id
        and s.message_id = m.message_id
    ), fresh as (
      select m.n, m.region, m.partition, m.execution_id, m.message_id, m.kind, m.name, m.payload, m.detail,
        row_number() over (partition by m.region, m.partition, m.execution_id order by m.n) as ordinal
      from m where not m.is_known
    ), rings as (
      select f.region, f.partition, f.execution_id, count(*)::int4 as messages,
        bool_or(f.kind = 'terminate') as forced
      from fresh as f group by f.region, f.partition, f.execution_id
      order by f.region, f.partition, f.execution_id
    ), told as (
      update ${tables.by('executions_pkey')} as e set
        inbox = e.inbox + r.messages,
        status = case when r.forced and e.status in ('paused', 'dead') then 'running' else e.status end,
        ready_at = case
          when r.forced then least(e.ready_at, now())
          when e.status in ('queued', 'running', 'waiting', 'blocked') then coalesce(e.ready_at, now())
          else e.ready_at end
      from rings as r
      where e.region = r.region and e.partition = r.partition and e.execution_id = r.execution_id
        and e.closed_at is null
        and case when e.inbox + r.messages <= ${inboxMax}::int4 then true else r.messages + (
          select count(*) from (
            select 1 from ${tables.by('signals_unread')} as s
            where s.region = e.region and s.partition = e.partition and s.execution_id = e.execution_id
              and s.consumed_at is null
            limit ${inboxMax}::int8
          ) as waiting
        ) <= ${inboxMax}::int8 end
      returning e.region, e.partition, e.execution_id, e.inbox - r.messages as position
    ), sent as (
      insert into ${tables.signals} (
        region, partition, execution_id, message_id, position, kind, name, payload, detail
      )
      select f.region, f.partition, f.execution_id, f.message_id, (t.position + f.ordinal)::int4, f.kind, f.name,
        f.payload, f.detail
      from fresh as f join told as t
        on t.region = f.region and t.partition = f.partition and t.execution_id = f.execution_id
      on conflict (region, partition, execution_id, message_id) do nothing
      returning region, partition, execution_id, message_id
    )
    select m.n, m.is_known, s.message_id is not null as is_sent, e.execution_id is not null as is_found,
      e.closed_at is not null as is_closed, t.execution_id is not null as is_told
    from m
    left join sent as s
      on s.region = m.region and s.partition = m.partition and s.execution_id = m.execution_id
      and s.message_id = m.message_id
    left join told as t
      on t.region = m.region and t.partition = m.partition and t.execution_id = m.execution_id
    left join ${tables.by('executions_pkey')} as e
      on e.region = m.region and e.partition = m.partition and e.execution_id = m.execution_id`
  const outcomes: MessageOutcome[] = messages.map(() => 'not_found')
  for (const row of rows) outcomes[row.n] = outcomeOf(row)
  return outcomes
}

function outcomeOf(row: RawSent): MessageOutcome {
  if (row.is_sent) return 'accepted'
  // Told without being sent: the same message id came in from elsewhere at the same moment.
  if (row.is_known || row.is_told) return 'duplicate'
  if (!row.is_found) return 'not_found'
  return row.is_closed ? 'closed' : 'full'
}

interface Unread {
  readonly key: ExecutionKey
  readonly after: number
}

/** Unread messages after a position, in order. */
export async function readInboxes(
  database: Database,
  wanted: readonly Unread[],
  limit: number,
): Promise<Message[][]> {
  const [first, ...others] = wanted
  if (first === undefined) return []
  return others.length === 0
    ? [await readInbox(database, first, limit)]
    : readSeveralInboxes(database, wanted, limit)
}

/** One alone, as with histories. Index: signals_unread, one range, at most `limit` rows of it. */
async function readInbox(
  { sql, tables }: Database,
  { key, after }: Unread,
  limit: number,
): Promise<Message[]> {
  const rows = await sql<RawMessage[]>`
    select s.message_id, s.position, s.kind, s.name, s.payload, s.detail
    from ${tables.by('signals_unread')} as s
    where s.region = ${key.region}::text and s.partition = ${key.partition}::int2
      and s.execution_id = ${key.executionId}::text and s.position > ${after}::int4 and s.consumed_at is null
    order by s.position
    limit ${limit}::int8`
  return rows.map(decodeMessage)
}

/** Index: signals_unread, one range each, at most `limit` rows of it. */
async function readSeveralInboxes(
  database: Database,
  wanted: readonly Unread[],
  limit: number,
): Promise<Message[][]> {
  const { sql, tables } = database
  const k = keyColumns(wanted.map((entry) => entry.key))
  const after = plainArray(wanted.map((entry) => entry.after))
  const rows = await sql<(RawMessage & { n: number })[]>`
    select k.n, m.message_id, m.position, m.kind, m.name, m.payload, m.detail
    from unnest(
      ${k.n}::int4[], ${k.region}::text[], ${k.partition}::int2[], ${k.executionId}::text[], ${after}::int4[]
    ) as k (n, region, partition, execution_id, after)
    cross join lateral (
      select s.message_id, s.position, s.kind, s.name, s.payload, s.detail
      from ${tables.by('signals_unread')} as s
      where s.region = k.region and s.partition = k.partition and s.execution_id = k.execution_id
        and s.position > k.after and s.consumed_at is null
      order by s.position
      limit ${limit}::int8
    ) as m
    order by k.n, m.position`
  return groupByIndex(wanted.length, rows, decodeMessage)
}

interface RawAnswer {
  readonly n: number
  readonly answer_ok: boolean
  readonly answer: string | null
}

/** Answers in the order asked, null where there is none yet. Index: signals_pkey, one row each. */
export async function readAnswers(
  database: Database,
  wanted: readonly { readonly key: ExecutionKey; readonly messageId: string }[],
): Promise<(Answer | null)[]> {
  if (wanted.length === 0) return []
  const { sql, tables } = database
  const k = keyColumns(wanted.map((entry) => entry.key))
  const messageIds = textArray(wanted.map((entry) => entry.messageId))
  const rows = await sql<RawAnswer[]>`
    select k.n, s.answer_ok, s.answer
    from unnest(
      ${k.n}::int4[], ${k.region}::text[], ${k.partition}::int2[], ${k.executionId}::text[], ${messageIds}::text[]
    ) as k (n, region, partition, execution_id, message_id)
    join ${tables.by('signals_pkey')} as s
      on s.region = k.region and s.partition = k.partition and s.execution_id = k.execution_id
      and s.message_id = k.message_id
    where s.answer_ok is not null`
  return groupByIndex(wanted.length, rows, decodeAnswer).map((found) => found[0] ?? null)
}

function decodeAnswer(raw: RawAnswer): Answer {
  return { ok: raw.answer_ok, payload: raw.answer ?? '' }
}
