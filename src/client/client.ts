// The client: everything a program may ask of Cerebelum, the same from an engine and from a process that hosts no
// workflows. A call that returns has committed; every call may be retried blindly with the same id.

import type { TransactionSql } from 'postgres'
import type { Duration } from '../core/duration.js'
import type { EventType } from '../core/event.js'
import type { Attributes, ExecutionStatus, IdPolicy } from '../core/execution.js'
import type { Failure } from '../core/failure.js'
import type { Priority } from '../core/priority.js'
import type { Workflow } from '../workflow/define.js'
import type { ClusterChange, ClusterStats } from './cluster.js'
import type { ListChange } from './list-watch.js'
import type { Schedules } from './schedules.js'
import type { Throughput, ThroughputFilter } from './throughput.js'

export interface StartOptions {
  /** 1 to 200 printable characters; default: a generated, time-ordered id. */
  readonly id?: string
  /** What to do when the id is taken; default `return-existing`. */
  readonly idPolicy?: IdPolicy
  /**
   * Idempotency key of this start: a retry with the same key finds the execution it made, also when it was given no
   * id. Default: random per call.
   */
  readonly startId?: string
  /** Start later: after this long, or at this instant. */
  readonly startAfter?: Duration | Date
  readonly attributes?: Attributes
  /** Who goes first among those that wait, from 1, the most urgent, to 5; default: the workflow's. */
  readonly priority?: Priority
  /** For the workflow's limits by key, instead of what they make of the input. */
  readonly key?: string
  /** Of the trace that it belongs to (W3C Trace Context); default: the span of OpenTelemetry that is active here, if any. */
  readonly traceparent?: string
  /**
   * Start inside the caller's own transaction on the same database: it exists if and when that commits. Errors of
   * the database are passed on as they are, so that the caller's own retries see them.
   */
  readonly transaction?: TransactionSql
}

export interface StartRequest {
  readonly workflow: Workflow | string
  readonly input?: unknown
  readonly id?: string
  readonly startId?: string
  readonly startAfter?: Duration | Date
  readonly attributes?: Attributes
  /** Who goes first among those that wait, from 1, the most urgent, to 5; default: the workflow's. */
  readonly priority?: Priority
  /** For the workflow's limits by key, instead of what they make of the input. */
  readonly key?: string
  readonly traceparent?: string
}

/** A started execution. */
export interface Handle<O = unknown> {
  readonly executionId: string
  /** Whether this call made it (false: it existed). */
  readonly created: boolean
  /** Waits for the result; see `Client.result`. */
  readonly result: (options?: ResultOptions) => Promise<O>
}

export interface ResultOptions {
  /** Default 1 hour. RESULT_TIMEOUT afterwards; the execution goes on. */
  readonly timeout?: Duration
  readonly signal?: AbortSignal
}

export interface ExecutionInfo {
  readonly executionId: string
  readonly workflow: string
  readonly workflowVersion: string
  readonly status: ExecutionStatus
  readonly run: number
  /** Events so far, over all runs, as of the last change of status. */
  readonly version: number
  readonly startedAt: Date
  readonly closedAt: Date | null
  readonly node: string | null
  readonly parentId: string | null
  readonly attributes: Attributes
  /** What it waits for, or why it is blocked or dead; stays until it waits for something else, or closes. */
  readonly note: string | null
}

export interface ExecutionDetails extends ExecutionInfo {
  readonly input: unknown
  /** Present when completed. */
  readonly result?: unknown
  /** Present when failed, canceled or terminated. */
  readonly failure?: Failure
}

export interface ListFilter {
  readonly workflow?: string
  readonly status?: ExecutionStatus | readonly ExecutionStatus[]
  readonly startedAfter?: Date
  readonly startedBefore?: Date
  readonly parentId?: string
  readonly attributes?: Attributes
  /** 1 to 1,000; default 100. Others are refused with INVALID_ARGUMENT. */
  readonly limit?: number
  readonly cursor?: string
}

export interface ListPage {
  readonly executions: readonly ExecutionInfo[]
  /** Pass it on for the next page; absent on the last. */
  readonly cursor?: string
}

export interface HistoryEvent {
  readonly version: number
  readonly type: EventType
  readonly at: Date
  readonly seq?: number
  readonly name?: string
  readonly attempt?: number
  readonly dueAt?: Date
  readonly messageId?: string
  readonly detail?: unknown
  /** Decoded. For failures a `Failure`. */
  readonly payload?: unknown
}

export interface HistoryPage {
  readonly events: readonly HistoryEvent[]
  /** Pass as `after` for the next page; absent on the last. */
  readonly next?: number
}

export interface ForkOptions {
  /** The last event to copy, of the latest run: what the code has seen up to it is not done again. */
  readonly version: number
  /** Of the fork; default: a generated one. */
  readonly id?: string
  /** Idempotency key; the same id and version are recognized without. */
  readonly startId?: string
}

/** Of a request that may be repeated. */
export interface RequestOptions {
  /** Idempotency key: a repetition with the same one is recognized, and does nothing more. */
  readonly requestId?: string
}

/** A workflow as it was registered. */
export interface WorkflowDetails {
  readonly workflow: string
  /** Every version that was ever registered, newest last. */
  readonly versions: readonly string[]
  /** JSON Schema of its input: when this process has the workflow, and its schema can tell. */
  readonly inputSchema?: Readonly<Record<string, unknown>>
}

export interface FollowOptions {
  /** Behind this version; default 0, from the beginning. */
  readonly after?: number
  readonly signal?: AbortSignal
}

export interface Client {
  /** What starts executions by the clock. */
  readonly schedules: Schedules
  /**
   * Starts an execution. @throws UNKNOWN_WORKFLOW | INVALID_INPUT | INVALID_ID | UNSERIALIZABLE | PAYLOAD_TOO_LARGE |
   * EXECUTION_EXISTS | OVERLOADED | DATABASE_UNAVAILABLE
   */
  start<I, O>(workflow: Workflow<I, O>, input: NoInfer<I>, options?: StartOptions): Promise<Handle<O>>
  start(workflow: string, input?: unknown, options?: StartOptions): Promise<Handle>
  /**
   * Up to 10,000 in one call, policy `return-existing`; either all inputs are valid or nothing starts. They are
   * written in several statements: when one fails, the call throws and may be repeated with the same ids or start ids.
   */
  startMany(requests: readonly StartRequest[]): Promise<Handle[]>
  /** @throws EXECUTION_NOT_FOUND */
  get(executionId: string): Promise<ExecutionDetails>
  list(filter?: ListFilter): Promise<ListPage>
  history(
    executionId: string,
    page?: { readonly after?: number; readonly limit?: number },
  ): Promise<HistoryPage>
  /**
   * Waits for the result of the latest run. @throws the workflow's failure as EXECUTION_FAILED with it as `cause`,
   * EXECUTION_CANCELED | EXECUTION_TERMINATED | RESULT_TIMEOUT | EXECUTION_NOT_FOUND
   */
  result(executionId: string, options?: ResultOptions): Promise<unknown>
  /** Sends a signal; a retry with the same `signalId` is recognised. @throws EXECUTION_CLOSED | EXECUTION_NOT_FOUND | TOO_MANY | INVALID_INPUT */
  signal(
    executionId: string,
    name: string,
    payload?: unknown,
    options?: { readonly signalId?: string },
  ): Promise<void>
  /** Reads live state. @throws QUERY_FAILED | QUERY_UNAVAILABLE */
  query(
    executionId: string,
    name: string,
    args?: unknown,
    options?: { readonly timeout?: Duration },
  ): Promise<unknown>
  /**
   * A message that is validated and answered; a retry with the same `updateId` gets the same answer.
   * @throws UPDATE_REJECTED | UPDATE_TIMEOUT (it stays queued) | EXECUTION_CLOSED
   */
  update(
    executionId: string,
    name: string,
    payload?: unknown,
    options?: { readonly updateId?: string; readonly timeout?: Duration },
  ): Promise<unknown>
  /** Requests cancellation: an error at the await point; clean-up steps run. @throws EXECUTION_CLOSED unless canceled */
  cancel(executionId: string, reason?: string, options?: RequestOptions): Promise<void>
  /** Ends it at once, whatever its code would say. @throws EXECUTION_CLOSED unless terminated */
  terminate(executionId: string, reason?: string): Promise<void>
  pause(executionId: string, options?: RequestOptions): Promise<void>
  /** From paused. @throws EXECUTION_NOT_RESUMABLE */
  resume(executionId: string, options?: RequestOptions): Promise<void>
  /** A dead letter or a blocked execution: try again now. @throws EXECUTION_NOT_RESUMABLE */
  retry(executionId: string, options?: RequestOptions): Promise<void>
  /**
   * A new execution whose history begins as a copy of another's, open or closed, and goes on by itself from there: steps up
   * to that event are not run again, timers keep their instants, children without an outcome are begun anew. It has no
   * parent, waits its turn at its workflow's limits, and hears none of the other's messages.
   * @throws EXECUTION_NOT_FOUND | EXECUTION_EXISTS | INVALID_ARGUMENT
   *
   * @example await client.fork('order-7', { version: 12, id: 'order-7-again' })
   */
  fork(executionId: string, options: ForkOptions): Promise<Handle>
  /** Removes a closed execution for good. @throws EXECUTION_NOT_CLOSED */
  delete(executionId: string): Promise<void>
  /** Names and versions that were ever registered. */
  workflows(): Promise<{ readonly workflow: string; readonly version: string }[]>
  /** @throws UNKNOWN_WORKFLOW */
  workflow(name: string): Promise<WorkflowDetails>
  /** The nodes and their load, the partitions and their owners, and how even it is. */
  clusterStats(): Promise<ClusterStats>
  /** How many executions were started lately, and how those ended. @throws INVALID_ARGUMENT | INVALID_DURATION */
  throughput(query?: ThroughputFilter): Promise<Throughput>
  /**
   * Nodes that come and go: first all that are there, then each change, about a second late. However many watch, it
   * costs one query a second. Ends when the signal aborts or the client closes.
   *
   * @example for await (const { kind, node } of client.watchCluster({ signal })) console.log(kind, node.nodeId)
   */
  watchCluster(options?: { readonly signal?: AbortSignal }): AsyncIterable<ClusterChange>
  /**
   * The events of an execution as they are written: in order, without a gap or a repeat, up to half a second late. Ends
   * behind the event that closes it, when the signal aborts, or with the client. However many follow, it is a few
   * queries a second.
   * @throws EXECUTION_NOT_FOUND | TOO_MANY | ENGINE_STOPPED
   *
   * @example for await (const { type, name } of client.follow('order-7')) console.log(type, name)
   */
  follow(executionId: string, options?: FollowOptions): AsyncIterable<HistoryEvent>
  /**
   * A list as it changes: first all of its first page, then each change, about a second late. All that watch the same
   * filter share one query a second. @throws what `list` throws | TOO_MANY
   */
  watchList(filter?: ListFilter, options?: { readonly signal?: AbortSignal }): AsyncIterable<ListChange>
  /** Round trip to the database, in ms. @throws DATABASE_UNAVAILABLE */
  ping(): Promise<number>
  close(): Promise<void>
}
