// What a live run needs of its node: a narrow port, so that a run knows no loops and no leases.

import type { ExecutionKey, ExecutionStatus } from '../core/execution.js'
import type { Limits } from '../core/limits.js'
import type { Clock, Logger } from '../core/ports.js'
import type { Meters } from '../metrics/meters.js'
import type { Tracing } from '../metrics/tracing.js'
import type { Commit, CommitOutcome, StartOutcome, StartRow, Store } from '../store/store.js'
import type { Registry } from '../workflow/registry.js'
import type { Run } from './run.js'
import type { Slots } from './slots.js'

export interface RunHost {
  readonly nodeId: string
  readonly store: Store
  readonly registry: Registry
  readonly limits: Limits
  readonly clock: Clock
  readonly log: Logger
  readonly meters: Meters
  /** Undefined where no traces are wanted. */
  readonly tracing: Tracing | undefined
  readonly stepSlots: Slots
  readonly isDraining: boolean
  /** Whether this node may still start steps (its lease is trusted). */
  isTrusted(): boolean
  /** Calls back once it may again; also when it never will, because everything was dropped: look at the run first. */
  onceTrusted(begin: () => void): void
  commit(commit: Commit): Promise<CommitOutcome>
  startChild(row: StartRow): Promise<StartOutcome>
  /** Whether this node has a workflow, or any node ever had. */
  isRegistered(workflow: string): Promise<boolean>
  /** The database's time, never later than the true one; undefined while it is not known. */
  databaseTime(): Date | undefined
  /** A timer of a live or suspended run was written. */
  timerWritten(dueAt: Date, key: ExecutionKey): void
  /** The claim was given up; `rung`: the doorbell is set. */
  released(run: Run, rung: boolean): void
  closed(run: Run, status: ExecutionStatus, payload: string | undefined): void
  answered(executionId: string, messageId: string): void
  /** The run is useless here: `reason` says why; what is in the database decides how it goes on. */
  dropped(run: Run, reason: 'lost' | 'unavailable' | 'broken', error?: unknown): void
}
