// Tells what became of commits whose outcome is unknown, by reading the history and the rows. Events are compared
// in full: versions that hold our events are ours, versions that hold others' are lost.

import type { NewEvent } from '../core/event.js'
import { readRawHistories } from './events.js'
import { keyColumns } from './keys.js'
import type { RawEvent } from './rows.js'
import type { Commit, CommitOutcome } from './store.js'
import type { Database } from './tables.js'

export type Resolution = CommitOutcome | { readonly kind: 'pending' }

/** One answer per commit: `pending` when nothing of it is there and its fence still holds. */
export async function resolveCommits(database: Database, commits: readonly Commit[]): Promise<Resolution[]> {
  const rows = new Map((await readState(database, commits)).map((row) => [row.n, row]))
  const histories = await readRawHistories(
    database,
    commits.map(({ key, expectedVersion }) => ({ key, from: expectedVersion + 1 })),
    Math.max(0, ...commits.map(({ events }) => events.length)),
  )
  return commits.map((commit, n) =>
    resolve(commit, rows.get(n), (histories[n] ?? []).slice(0, commit.events.length)),
  )
}

function resolve(commit: Commit, row: RawState | undefined, events: readonly RawEvent[]): Resolution {
  if (row === undefined) return { kind: 'lost' }
  const isHeld = row.claimed_by === commit.nodeId && row.claim_epoch === commit.claimEpoch
  const endsClaim = commit.transition !== undefined && commit.transition.kind !== 'continue'
  if (events.length > 0) {
    // The last of a release or close is known by its events even after somebody else claimed the execution.
    const isOurs =
      commit.events.every((event, ordinal) => isSame(event, events[ordinal])) && (isHeld || endsClaim)
    return isOurs
      ? { kind: 'committed', at: events.at(-1)?.at ?? row.at, rung: row.is_rung && endsClaim }
      : { kind: 'lost' }
  }
  if (isHeld) return { kind: 'pending' }
  // A release without events: it is given up, by us or for us.
  if (endsClaim && commit.events.length === 0) return { kind: 'committed', at: row.at, rung: row.is_rung }
  return { kind: 'lost' }
}

function isSame(event: NewEvent, stored: RawEvent | undefined): boolean {
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
  readonly at: Date
}

/** The rows of the commits. Index: executions_pkey, one row per commit. */
function readState(database: Database, commits: readonly Commit[]): Promise<RawState[]> {
  const { sql, tables } = database
  const k = keyColumns(commits.map(({ key }) => key))
  return sql<RawState[]>`
    select k.n, e.claimed_by, e.claim_epoch, e.ready_at is not null as is_rung, now() as at
    from unnest(${k.n}::int4[], ${k.region}::text[], ${k.partition}::int2[], ${k.executionId}::text[])
      as k (n, region, partition, execution_id)
    join ${tables.by('executions_pkey')} as e
      on e.region = k.region and e.partition = k.partition and e.execution_id = k.execution_id`
}
