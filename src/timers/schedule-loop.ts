// Fires schedules that are due: claims them in batches, judges each by `core/schedule.ts`, and writes what starts in the
// same transaction. Every node runs it, and any may die or be late at any place: a row that is locked is somebody
// else's, one that was advanced is not due, and a firing's execution id is the same whoever starts it. The loop sleeps
// until the next schedule is due, at most a poll; an idle poll is one statement that reads one row.

import type { ExecutionKey } from '../core/execution.js'
import { Loop } from '../core/loop.js'
import { randomFraction, type Clock, type Logger } from '../core/ports.js'
import { firingId, judgeFirings } from '../core/schedule.js'
import { timesOf } from '../core/schedule-spec.js'
import { type KnownWorkflow, scheduledStart } from '../store/scheduled-start.js'
import type { Meters } from '../metrics/meters.js'
import type { ScheduleChange, SeenSchedule, Store } from '../store/store.js'

export interface ScheduleLoopOptions {
  readonly store: Pick<Store, 'nextSchedule' | 'fireSchedules' | 'keyOf'>
  readonly clock: Clock
  readonly log: Logger
  readonly meters?: Meters
  /** The version of a workflow that this node has. */
  readonly definitionOf: (workflow: string) => KnownWorkflow | undefined
  /** How long a schedule may lie that another process made; default 1 s. */
  readonly pollMs?: number
  /** Doorbells ring. */
  readonly onRung: (keys: readonly ExecutionKey[]) => void
}

/** A batch is judged without a pause: at most this many times `JUDGED_MAX` steps of a cron expression, ~50 µs each. */
const BATCH_MAX = 25
const POLL_MS = 1_000
/** All nodes wake for the same instant: spread a little, most find it done by one statement. */
const SPREAD_MS = 10
/** The first wait for what another node is at; each is twice the one before, up to a poll. */
const HELD_MS_MIN = 5

export class ScheduleLoop {
  private readonly options: ScheduleLoopOptions
  private readonly loop: Loop
  private heldMs = HELD_MS_MIN

  constructor(options: ScheduleLoopOptions) {
    this.options = options
    const { clock, log } = options
    this.loop = new Loop({ name: 'schedules', clock, log, turn: () => this.turn(), afterErrorMs: POLL_MS })
  }

  start(): void {
    this.loop.start()
  }

  stop(): Promise<void> {
    return this.loop.stop()
  }

  /** A schedule was made or changed in this process: look when it is due. */
  poke(): void {
    this.loop.poke()
  }

  private async turn(): Promise<number> {
    const { store, log, onRung, meters, pollMs = POLL_MS } = this.options
    const nextInMs = await store.nextSchedule()
    if (nextInMs === null) return pollMs
    if (nextInMs > 0) return Math.min(pollMs, nextInMs + randomFraction() * SPREAD_MS)
    const { changes, failed } = await store.fireSchedules(BATCH_MAX, (seen) => this.decide(seen))
    for (const { scheduleId, error } of failed) {
      log.error({ err: error, scheduleId }, 'a schedule cannot be judged; it is tried again in a while')
    }
    const starts = changes.flatMap((change) => change.starts)
    for (const { workflow } of starts) if (meters !== undefined) meters.of(workflow).started.schedule++
    const keys = starts.map(({ key }) => key)
    if (changes.length > 0) onRung(keys)
    if (changes.length + failed.length > 0) {
      this.heldMs = HELD_MS_MIN
      return 0
    }
    // Somebody else is at all that is due. A moment later it is not; one who stands still is ended by the database.
    this.heldMs = Math.min(this.heldMs * 2, POLL_MS)
    return this.heldMs
  }

  private decide({ row, at, isOpen }: SeenSchedule): ScheduleChange {
    const { store, definitionOf } = this.options
    const { scheduleId, workflow, lastExecutionId } = row
    const judged = judgeFirings(row, { next: timesOf(row.spec), now: at, isOpen })
    const starts = judged.starts.map((nominal) =>
      scheduledStart(row, store.keyOf(firingId(scheduleId, nominal)), definitionOf(workflow)),
    )
    return {
      row: {
        ...row,
        nextAt: judged.nextAt,
        dueAt: judged.dueAt,
        lastAt: judged.lastAt ?? row.lastAt,
        bufferedAt: judged.bufferedAt,
        lastExecutionId: starts.at(-1)?.key.executionId ?? lastExecutionId,
        fired: row.fired + starts.length,
        skipped: row.skipped + judged.skipped,
        missed: row.missed + judged.missed,
      },
      starts,
      ...(judged.other === undefined || lastExecutionId === null
        ? {}
        : { other: { kind: judged.other, executionId: lastExecutionId } }),
    }
  }
}
