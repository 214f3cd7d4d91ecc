// Tells what became of commits whose outcome is unknown, by reading the history and the rows. Events are compared
// in full: versions that hold our events are ours, versions that hold others' are lost.

import type { NewEvent } from '../core/event.js'
import { plainArray, textArray } from './arrays.js'
import type { Commit, CommitOutcome } from './store.js'
import type { Database } from './tables.js'

export type Resolution = CommitOutcome | { readonly kind: 'pending' }

/** One answer per commit: `pending` when nothing of it is there and its fence still holds. */
export async function resolveCommits(database: Database, commits: readonly Commit[]): Promise<Resolution[]> {
  const rows = await readState(database, commits)
  const events = await readWritten(database, commits)
  return commits.map((commit, n) =>
    resolve(
      commit,
      rows.find((row) => row.n === n),
      events.filter((event) => event.n === n),
    ),
  )
}

function resolve(commit: Commit, row: RawState | undefined, events: readonly RawWritten[]): Resolution {
  if (row === undefined) return { kind: 'lost' }
  const isHeld = row.claimed_by === commit.nodeId && row.claim_epoch === commit.claimEpoch
  const endsClaim = commit.transition !== undefined && commit.transition.kind !== 'continue'
  if (events.length > 0) {
    // The last of a release or close is known by its events even after somebody else claimed the execution.
    const isOurs =
      commit.events.every((event, ordinal) => isSame(event, events[ordinal])) && (isHeld || endsClaim)
    return isOurs
      ? { kind: 'committed', at: row.last_at ?? row.at, rung: row.is_rung && endsClaim }
      : { kind: 'lost' }
  }
  if (isHeld) return { kind: 'pending' }
  // A release without events: it is given up, by us or for us.
  if (endsClaim && commit.events.length === 0) return { kind: 'committed', at: row.at, rung: row.is_rung }
  return { kind: 'lost' }
}

function isSame(event: NewEvent, stored: RawWritten | undefined): boolean {
  return (
    stored !== undefined &&
    stored.type === event.type &&
    stored.seq === (event.seq ?? null) &&
    stored.name === (event.name ?? null) &&
    stored.attempt === (event.attempt ?? null) &&
    stored.detail === (event.detail ?? null) &&
    stored.payload === (event.payload ?? null) &&
    stored.message_id === (event.messageId ?? null)
  )
}

interface RawState {
  readonly n: number
  readonly claimed_by: string | null
  readonly claim_epoch: number
  readonly is_rung: boolean
  readonly last_at: Date | null
  readonly at: Date
}

/** The rows of the commits. Index: executions_pkey and events_pkey, one row each per commit. */
function readState(database: Database, commits: readonly Commit[]): Promise<RawState[]> {
  const { sql, tables } = database
  const key = keyColumns(commits)
  const last = plainArray(commits.map((commit) => commit.expectedVersion + commit.events.length))
  return sql<RawState[]>`
    select x.n, e.claimed_by, e.claim_epoch, e.ready_at is not null as is_rung, h.at as last_at, now() as at
    from unnest(
      ${key.n}::int4[], ${key.region}::text[], ${key.partition}::int2[], ${key.executionId}::text[], ${last}::int4[]
    ) as x (n, region, partition, execution_id, last)
    join ${tables.executions} as e
      on e.region = x.region and e.partition = x.partition and e.execution_id = x.execution_id
    left join ${tables.events} as h
      on h.region = x.region and h.partition = x.partition and h.execution_id = x.execution_id
      and h.version = x.last`
}

interface RawWritten {
  readonly n: number
  readonly type: string
  readonly seq: number | null
  readonly name: string | null
  readonly attempt: number | null
  readonly detail: string | null
  readonly payload: string | null
  readonly message_id: string | null
}

/** The events at the versions of the commits. Index: events_pkey, as many rows as there are events in the commits. */
function readWritten(database: Database, commits: readonly Commit[]): Promise<RawWritten[]> {
  const { sql, tables } = database
  const rows = commits.flatMap((commit, n) => commit.events.map((_, ordinal) => ({ n, commit, ordinal })))
  const key = keyColumns(rows.map((row) => row.commit))
  const n = plainArray(rows.map((row) => row.n))
  const version = plainArray(rows.map((row) => row.commit.expectedVersion + 1 + row.ordinal))
  return sql<RawWritten[]>`
    select x.n, h.type, h.seq, h.name, h.attempt, h.detail, h.payload, h.message_id
    from unnest(
      ${n}::int4[], ${key.region}::text[], ${key.partition}::int2[], ${key.executionId}::text[], ${version}::int4[]
    ) as x (n, region, partition, execution_id, version)
    join ${tables.events} as h
      on h.region = x.region and h.partition = x.partition and h.execution_id = x.execution_id
      and h.version = x.version
    order by x.n, h.version`
}

function keyColumns(commits: readonly Commit[]) {
  return {
    n: plainArray(commits.map((_, n) => n)),
    region: textArray(commits.map((commit) => commit.key.region)),
    partition: plainArray(commits.map((commit) => commit.key.partition)),
    executionId: textArray(commits.map((commit) => commit.key.executionId)),
  }
}
