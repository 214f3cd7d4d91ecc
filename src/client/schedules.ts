// Schedules, as a client sees them: what starts executions by the clock. Every firing starts one execution whose id is
// `<schedule id>/<instant>`, once in the whole cluster. A call that returns has committed; all may be retried blindly.

import type { Duration } from '../core/duration.js'
import type { Attributes } from '../core/execution.js'
import type { OverlapPolicy } from '../core/schedule.js'
import type { CheckedSpec, ScheduleSpec } from '../core/schedule-spec.js'
import type { Workflow } from '../workflow/define.js'
import type { Handle } from './client.js'

export interface ScheduleRequest {
  readonly spec: ScheduleSpec
  readonly workflow: Workflow | string
  readonly input?: unknown
  readonly attributes?: Attributes
  /** What becomes of a firing while the execution of the one before is open; default `skip`. */
  readonly overlap?: OverlapPolicy
  /** Firings that could not start (no node, no database) for this long are missed; default 1 hour, at least 10 s. */
  readonly catchUp?: Duration
  /** Each firing is put off by its own part of this, so that schedules of the same instant spread; default none. */
  readonly jitter?: Duration
  /** Made, and left paused. */
  readonly paused?: boolean
  /** For people. */
  readonly note?: string
}

export interface ScheduleInfo {
  readonly scheduleId: string
  readonly spec: CheckedSpec
  readonly workflow: string
  readonly workflowVersion: string
  readonly attributes: Attributes
  readonly overlap: OverlapPolicy
  readonly catchUpMs: number
  readonly jitterMs: number
  readonly paused: boolean
  readonly note: string | null
  /** Counts changes; firings do not change it. */
  readonly revision: number
  /** Nominal time of the next firing; null: there is none any more. */
  readonly nextAt: Date | null
  readonly lastAt: Date | null
  readonly lastExecutionId: string | null
  /** Nominal time of the firing that waits for the last execution to close. */
  readonly bufferedAt: Date | null
  /** Firings by the clock and triggers that started something, that the overlap policy dropped, that came too late. */
  readonly fired: number
  readonly skipped: number
  readonly missed: number
  readonly createdAt: Date
  readonly updatedAt: Date
}

export interface ScheduleDetails extends ScheduleInfo {
  readonly input: unknown
  /** The next nominal times, at most ten; none while paused. */
  readonly upcoming: readonly Date[]
}

export interface ScheduleFilter {
  readonly workflow?: string
  /** 1 to 1,000; default 100. */
  readonly limit?: number
  readonly cursor?: string
}

export interface SchedulePage {
  readonly schedules: readonly ScheduleInfo[]
  /** Pass it on for the next page; absent on the last. */
  readonly cursor?: string
}

export interface Schedules {
  /**
   * Makes a schedule; the same one made again is left as it is. @throws SCHEDULE_EXISTS | INVALID_SCHEDULE |
   * UNKNOWN_WORKFLOW | INVALID_INPUT | INVALID_ID | INVALID_DURATION
   *
   * @example
   * await client.schedules.create('nightly', {
   *   spec: { cron: '30 2 * * *', timeZone: 'Europe/Berlin' },
   *   workflow: report,
   * })
   */
  create(scheduleId: string, request: ScheduleRequest): Promise<{ readonly created: boolean }>
  /** @throws SCHEDULE_NOT_FOUND */
  describe(scheduleId: string): Promise<ScheduleDetails>
  /** In the order of their ids. */
  list(filter?: ScheduleFilter): Promise<SchedulePage>
  /** Changes what is given and leaves the rest; with a new spec it fires next after now. @throws SCHEDULE_NOT_FOUND */
  update(scheduleId: string, changes: Partial<Omit<ScheduleRequest, 'paused'>>): Promise<ScheduleInfo>
  /** Nothing is started by the clock until it is resumed; what is running goes on. */
  pause(scheduleId: string, note?: string): Promise<void>
  /** Goes on with the next firing after now: what came due meanwhile is not made up. */
  resume(scheduleId: string, note?: string): Promise<void>
  /** Starts one now, whatever the overlap policy says and also while paused. The same `triggerId` starts it once. */
  trigger(scheduleId: string, options?: { readonly triggerId?: string }): Promise<Handle>
  /**
   * Starts what would have been fired from `from` until before `to`, at most 1,000 and all at once; what has been fired
   * is not started again. @throws TOO_MANY | INVALID_ARGUMENT when `to` is in the future
   */
  backfill(
    scheduleId: string,
    range: { readonly from: Date; readonly to: Date },
  ): Promise<{ readonly executionIds: readonly string[] }>
  /** What it started is left as it is. @throws SCHEDULE_NOT_FOUND */
  delete(scheduleId: string): Promise<void>
}
