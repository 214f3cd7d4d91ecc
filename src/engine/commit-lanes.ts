// The commit lanes of a node. Plain appends and commits that move their row have lanes of their own: one commit of
// the second kind would make its whole batch the large statement, which costs the database three times as much per
// commit (19 against 7 microseconds, measured). An execution has at most one commit under way, so two kinds of lane
// never overtake each other for the same execution.

import { CerebelumError } from '../core/errors.js'
import { Lane } from '../core/lane.js'
import type { Commit, CommitOutcome } from '../store/store.js'

export interface CommitLanesOptions {
  /** Lanes of each kind. */
  readonly lanes: number
  readonly write: (batch: readonly Commit[]) => Promise<readonly CommitOutcome[]>
}

type CommitLane = Lane<Commit, CommitOutcome>

const BATCH_MAX = 500
const QUEUE_MAX = 100_000

export class CommitLanes {
  readonly #appends: readonly CommitLane[]
  readonly #moves: readonly CommitLane[]

  constructor({ lanes, write }: CommitLanesOptions) {
    const make = (name: string): CommitLane[] =>
      Array.from({ length: lanes }, () => new Lane({ name, batchMax: BATCH_MAX, queueMax: QUEUE_MAX, write }))
    this.#appends = make('append')
    this.#moves = make('commit')
  }

  /** @throws CerebelumError OVERLOADED, or what the store threw */
  submit(commit: Commit): Promise<CommitOutcome> {
    const lanes = isPlain(commit) ? this.#appends : this.#moves
    const lane = lanes[commit.key.partition % lanes.length]
    if (lane === undefined) throw new CerebelumError('INTERNAL', 'A node needs at least one commit lane.')
    return lane.submit(commit)
  }

  /** Commits that wait to be written. */
  get depth(): number {
    return [...this.#appends, ...this.#moves].reduce((sum, lane) => sum + lane.depth, 0)
  }

  async idle(): Promise<void> {
    await Promise.all([...this.#appends, ...this.#moves].map((lane) => lane.idle()))
  }
}

function isPlain({ transition, attributes, messages, consumed }: Commit): boolean {
  return (
    transition === undefined && attributes === undefined && messages === undefined && consumed === undefined
  )
}
