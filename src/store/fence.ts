// What the lane statements share: the columns of their fences, and what they answer.

import type { Commit } from './store.js'
import { plainArray, textArray } from './arrays.js'

export interface Passed {
  readonly at: Date
  /** Indexes of those whose fence held, with commas; null: all of them, which is the rule. */
  readonly passed: string | null
  /** Indexes of those released whose doorbell rings. */
  readonly rung: string | null
}

export function fenceColumns(commits: readonly Commit[]) {
  return {
    n: plainArray(commits.map((_, n) => n)),
    region: textArray(commits.map((commit) => commit.key.region)),
    partition: plainArray(commits.map((commit) => commit.key.partition)),
    executionId: textArray(commits.map((commit) => commit.key.executionId)),
    /** One for all: `splitCommits` sees to it. */
    nodeId: commits[0]?.nodeId ?? '',
    epoch: plainArray(commits.map((commit) => commit.claimEpoch)),
  }
}
