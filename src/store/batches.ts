// Splits what a lane hands over into statements. Pure. Between commits a split is always allowed, within one never.
// What forces a split: too many bytes; another node's commits; two commits of one execution; one `executions` row that
// would be both moved by its own commit and rung by another's message; one `signals` row that would be both consumed
// and sent.

import type { ExecutionKey } from '../core/execution.js'
import type { Commit } from './store.js'

export interface Entry {
  /** Index in what the caller handed over. */
  readonly index: number
  readonly commit: Commit
}

/** Batches in the order to write them; every entry is in exactly one. */
export function splitCommits(entries: readonly Entry[]): Entry[][] {
  const batches: Entry[][] = []
  let batch = emptyBatch()
  for (const entry of entries) {
    const characters = charactersOf(entry.commit)
    if (!fits(batch, entry.commit, characters)) {
      batches.push(batch.entries)
      batch = emptyBatch()
    }
    add(batch, entry, characters)
  }
  if (batch.entries.length > 0) batches.push(batch.entries)
  return batches
}

interface Batch {
  readonly entries: Entry[]
  readonly committed: Set<string>
  readonly moved: Set<string>
  readonly rung: Set<string>
  characters: number
}

function emptyBatch(): Batch {
  return { entries: [], committed: new Set(), moved: new Set(), rung: new Set(), characters: 0 }
}

function fits(batch: Batch, commit: Commit, characters: number): boolean {
  const [first] = batch.entries
  if (first === undefined) return true
  if (batch.entries.length >= COMMITS_MAX || batch.characters + characters > CHARACTERS_MAX) return false
  // Before and after a node joined again: its id is written once for all.
  if (commit.nodeId !== first.commit.nodeId) return false
  // Two of one execution, which only a claim that is given back twice makes: one after the other.
  if (batch.committed.has(idOf(commit.key))) return false
  if (movesRow(commit) && batch.rung.has(idOf(commit.key))) return false
  return commit.messages?.some((message) => batch.moved.has(idOf(message.key))) !== true
}

function add(batch: Batch, entry: Entry, characters: number): void {
  const { commit } = entry
  batch.entries.push(entry)
  batch.characters += characters
  batch.committed.add(idOf(commit.key))
  if (movesRow(commit)) batch.moved.add(idOf(commit.key))
  for (const message of commit.messages ?? []) batch.rung.add(idOf(message.key))
}

function movesRow(commit: Commit): boolean {
  return (
    commit.transition !== undefined || commit.attributes !== undefined || (commit.consumed?.length ?? 0) > 0
  )
}

function idOf(key: ExecutionKey): string {
  return key.executionId
}

function charactersOf(commit: Commit): number {
  let characters = 0
  for (const event of commit.events) characters += (event.payload?.length ?? 0) + (event.detail?.length ?? 0)
  for (const message of commit.messages ?? []) characters += message.payload?.length ?? 0
  for (const consumed of commit.consumed ?? []) characters += consumed.answer?.payload.length ?? 0
  return characters
}

// CockroachDB refuses a raft command above 64 MB, and a statement is held in memory several times over.
const CHARACTERS_MAX = 4_000_000
const COMMITS_MAX = 1_000
