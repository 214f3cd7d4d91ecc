// What a client may use of an engine in its own process: shortcuts that save a round trip or a wait, never more.

import type { StartOutcome, StartRow } from '../store/store.js'
import type { ExecutionKey, ExecutionStatus } from '../core/execution.js'
import type { Workflow } from '../workflow/define.js'

export interface Host {
  definition(name: string): Workflow | undefined
  /** Whether any workflow here declares a schema for this signal. */
  declaresSignal(name: string): boolean
  /** The node that can run a start of this workflow at once, or null: leave the doorbell ringing. */
  claimant(workflow: string): string | null
  /** A start was written; if it was claimed by this node, it runs from memory. */
  started(row: StartRow, outcome: StartOutcome): void
  /** A claimed start that could not be written. */
  startFailed(row: StartRow): void
  /** Doorbells were rung. */
  poke(keys: readonly ExecutionKey[]): void
  /** A schedule was made or changed, or started something. */
  scheduleChanged(rung: readonly ExecutionKey[]): void
  /** An execution was ended from outside: what this process still does for it is stopped. */
  ended(executionId: string): void
  /** For the count: a new run of an id was started. */
  restarted(row: StartRow): void
  /** For the count: an execution was closed from outside. */
  terminated(executionId: string, workflow?: string): void
  /** Asks live or replayed state; undefined when this process does not know the workflow. */
  query(executionId: string, name: string, args: unknown): Promise<{ readonly value: unknown } | undefined>
  /** Calls back when an execution closes in this process; returns the function that stops it. */
  onClosed(
    listener: (executionId: string, status: ExecutionStatus, payload: string | undefined) => void,
  ): () => void
  onAnswered(listener: (executionId: string, messageId: string) => void): () => void
}
