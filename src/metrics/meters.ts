// What a node counts, in plain fields that are counted up in place: the engine's hot paths pay for an addition, and names
// and labels are put to it when somebody asks (`exporter.ts`). One per engine; nothing here is ever reset.

import type { ClosedStatus } from '../core/execution.js'
import type { Clock } from '../core/ports.js'
import { Distribution } from './distribution.js'
import { bucketsOf } from './names.js'

export type StartSource = 'client' | 'child' | 'schedule' | 'restart' | 'continue'
export type CloseResult = ClosedStatus | 'continued'
export type ClaimSource = 'doorbell' | 'late' | 'failover'
export type TimerKind = 'sleep' | 'signal' | 'retry'
export type LaneName = 'commit' | 'start' | 'child'

/** What is asked for when somebody looks, instead of being counted. */
export interface NodeReading {
  readonly nodeId: string
  readonly region: string
  readonly zone: string | null
  readonly release: string
  readonly database: string
  readonly capacity: number
  readonly running: number
  readonly cached: number
  readonly cache: {
    readonly bytes: number
    readonly hits: number
    readonly misses: number
    readonly stale: number
    readonly evicted: number
  }
  readonly commitsWaiting: number
  readonly isTrusted: boolean
  readonly nodes: number
  readonly partitions: number
}

export interface PoolReading {
  readonly busy: number
  readonly idle: number
  readonly waiting: number
  readonly max: number
}

/** Workflows counted by name; a program that makes up names must not make up series without end. */
const WORKFLOWS_MAX = 100
export const OTHER_WORKFLOW = '_other'
/** Classes of SQLSTATE: there are some forty. */
const CLASSES_MAX = 64

export class WorkflowMeters {
  readonly started: Record<StartSource, number> = {
    client: 0,
    child: 0,
    schedule: 0,
    restart: 0,
    continue: 0,
  }
  readonly closed: Record<CloseResult, number> = {
    completed: 0,
    failed: 0,
    canceled: 0,
    terminated: 0,
    continued: 0,
  }
  readonly durations: Record<CloseResult, Distribution>
  readonly attemptsCompleted = new Distribution(bucketsOf('cerebelum_step_attempt_duration_seconds'))
  readonly attemptsFailed = new Distribution(bucketsOf('cerebelum_step_attempt_duration_seconds'))
  retries = 0

  constructor() {
    const fresh = (): Distribution => new Distribution(bucketsOf('cerebelum_execution_duration_seconds'))
    this.durations = {
      completed: fresh(),
      failed: fresh(),
      canceled: fresh(),
      terminated: fresh(),
      continued: fresh(),
    }
  }

  ended(result: CloseResult, ms: number): void {
    this.closed[result]++
    this.durations[result].observeMs(ms)
  }

  attempt(ok: boolean, ms: number): void {
    if (ok) this.attemptsCompleted.observeMs(ms)
    else this.attemptsFailed.observeMs(ms)
  }
}

export class LaneMeters {
  readonly batchSize = new Distribution(bucketsOf('cerebelum_lane_batch_size'))
  readonly duration = new Distribution(bucketsOf('cerebelum_lane_write_duration_seconds'))

  /** The write of a lane, measured. */
  around<T, R>(
    clock: Clock,
    write: (batch: readonly T[]) => Promise<readonly R[]>,
  ): (batch: readonly T[]) => Promise<readonly R[]> {
    return async (batch) => {
      const begunMs = clock.monotonicMs()
      const results = await write(batch)
      this.batchSize.observe(batch.length)
      this.duration.observeMs(clock.monotonicMs() - begunMs)
      return results
    }
  }
}

export class Meters {
  readonly workflows = new Map<string, WorkflowMeters>()
  readonly lanes: Readonly<Record<LaneName, LaneMeters>> = {
    commit: new LaneMeters(),
    start: new LaneMeters(),
    child: new LaneMeters(),
  }
  eventsWritten = 0
  readonly claims = new Distribution(bucketsOf('cerebelum_claim_duration_seconds'))
  readonly claimed: Record<ClaimSource, number> = { doorbell: 0, late: 0, failover: 0 }
  readonly dropped = { lost: 0, unavailable: 0, broken: 0 }
  executionsRemoved = 0
  executionsArchived = 0
  readonly doorbellLag = new Distribution(bucketsOf('cerebelum_doorbell_lag_seconds'))
  readonly timerLag: Readonly<Record<TimerKind, Distribution>> = {
    sleep: new Distribution(bucketsOf('cerebelum_timer_lag_seconds')),
    signal: new Distribution(bucketsOf('cerebelum_timer_lag_seconds')),
    retry: new Distribution(bucketsOf('cerebelum_timer_lag_seconds')),
  }
  readonly leaseRenewals = { renewed: 0, lost: 0 }
  readonly leaseRenewal = new Distribution(bucketsOf('cerebelum_lease_renewal_duration_seconds'))
  nodesBuried = 0
  readonly storeRetries = new Map<string, number>()
  readonly storeFailures = new Map<string, number>()
  readonly eventLoopDelay = new Distribution(bucketsOf('cerebelum_event_loop_delay_seconds'))
  readonly pools = new Map<string, () => PoolReading>()
  /** Set by the node; a client alone has none. */
  node: (() => NodeReading) | undefined

  of(workflow: string): WorkflowMeters {
    return this.workflows.get(workflow) ?? this.add(workflow)
  }

  storeRetried(code: string | undefined): void {
    count(this.storeRetries, classOf(code))
  }

  storeFailed(code: string | undefined): void {
    count(this.storeFailures, classOf(code))
  }

  private add(workflow: string): WorkflowMeters {
    const name = this.workflows.size < WORKFLOWS_MAX ? workflow : OTHER_WORKFLOW
    const meters = this.workflows.get(name) ?? new WorkflowMeters()
    this.workflows.set(name, meters)
    return meters
  }
}

/** The class of a SQLSTATE; what the driver or the system says without one never reached a server, or lost it. */
function classOf(code: string | undefined): string {
  if (code === undefined) return 'other'
  return /^[0-9A-Z]{5}$/.test(code) && /\d/.test(code) ? code.slice(0, 2) : 'connection'
}

function count(counts: Map<string, number>, name: string): void {
  const known = counts.get(name)
  if (known === undefined && counts.size >= CLASSES_MAX) return
  counts.set(name, (known ?? 0) + 1)
}
