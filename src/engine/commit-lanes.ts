// The commit lanes of a node: one for plain appends, one for commits that move their row. A single commit of the second
// kind would make its whole batch the large statement, which costs the database three times as much per commit (19
// against 7 microseconds, measured). An execution has at most one commit under way, so nothing overtakes its own.

import { Lane } from '../core/lane.js'
import type { Commit, CommitOutcome } from '../store/store.js'

export interface CommitLanesOptions {
  /** Statements of each kind under way at the same time, at most. */
  readonly lanes: number
  readonly write: (batch: readonly Commit[]) => Promise<readonly CommitOutcome[]>
}

const BATCH_MAX = 500
const QUEUE_MAX = 100_000

export class CommitLanes {
  readonly #appends: Lane<Commit, CommitOutcome>
  readonly #moves: Lane<Commit, CommitOutcome>

  constructor({ lanes, write }: CommitLanesOptions) {
    const shared = { batchMax: BATCH_MAX, queueMax: QUEUE_MAX, writersMax: lanes, write }
    this.#appends = new Lane({ ...shared, name: 'append' })
    this.#moves = new Lane({ ...shared, name: 'commit' })
  }

  /** @throws CerebelumError OVERLOADED, or what the store threw */
  submit(commit: Commit): Promise<CommitOutcome> {
    return (isPlain(commit) ? this.#appends : this.#moves).submit(commit)
  }

  /** Commits that wait to be written. */
  get depth(): number {
    return this.#appends.depth + this.#moves.depth
  }

  async idle(): Promise<void> {
    await Promise.all([this.#appends.idle(), this.#moves.idle()])
  }
}

function isPlain({ transition, attributes, messages, consumed }: Commit): boolean {
  return (
    transition === undefined && attributes === undefined && messages === undefined && consumed === undefined
  )
}
