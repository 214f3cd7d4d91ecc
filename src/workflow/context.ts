// What a workflow function is given: the only ways it may touch the world. Everything here replays.

import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { TransactionSql } from 'postgres'
import type { Duration } from '../core/duration.js'
import type { Attributes, ParentClosePolicy } from '../core/execution.js'
import type { Logger } from '../core/ports.js'
import type { Priority } from '../core/priority.js'
import type { RetryPolicy } from '../core/retry.js'
import type { Workflow } from './define.js'

/** What one attempt of a step is given. */
export interface StepContext {
  readonly executionId: string
  readonly name: string
  /** From 1. */
  readonly attempt: number
  /** The same for every attempt of this step and for no other: hand it to the payment provider. */
  readonly idempotencyKey: string
  /**
   * Aborted on time-out, cancellation, or when this node may no longer run the step. A canceled step that ends neither
   * with its result nor with an error is given up after a while (limit cancelGraceMs).
   */
  readonly signal: AbortSignal
  /** Tells that a long step is alive; `details` reach the next attempt. */
  readonly heartbeat: (details?: unknown) => void
  /** Details of the last heartbeat of the previous attempt, if any. */
  readonly lastHeartbeat: unknown
}

export interface StepOptions<T> {
  /** `false`: one attempt. Default: 3 attempts, 500 ms doubling, jitter 0.2. */
  readonly retry?: RetryPolicy | false
  /** Of one attempt. Default: none. */
  readonly timeout?: Duration
  /** Of all attempts and the waits between them. Default: none. */
  readonly totalTimeout?: Duration
  /** An attempt that gives no heartbeat for this long has failed. */
  readonly heartbeatTimeout?: Duration
  /** Checks (and may transform) the result before it is recorded. */
  readonly schema?: StandardSchemaV1<unknown, T>
  /**
   * Runs as a step of its own, in reverse order, when the workflow fails or is canceled later on; also for a step that
   * was in flight then: its signal is aborted, and should it complete nevertheless, it is undone.
   */
  readonly compensate?: (result: T, step: StepContext) => unknown
}

export interface ChildOptions {
  /** Default: derived from the parent's id, so that a retry finds the same child. */
  readonly id?: string
  /** Resolve with `{ executionId }` once it exists, instead of waiting for its result. */
  readonly detach?: boolean
  /**
   * What happens to it when this run ends first, also by continuing as new; default `terminate`, for a detached one
   * `abandon`.
   */
  readonly closePolicy?: ParentClosePolicy
  readonly attributes?: Attributes
  /** Who goes first among those that wait; default: the child's workflow's. */
  readonly priority?: Priority
  /** For the limits by key of the child's workflow, instead of what they make of the input. */
  readonly key?: string
}

type SchemaOutput<S> = S extends StandardSchemaV1<unknown, infer Output> ? Output : never

/**
 * The context of one execution.
 *
 * @example
 * const fulfil = workflow({ name: 'fulfil', input: Order }, async (ctx, order) => {
 *   const payment = await ctx.step('charge', (step) => pay(order, step.idempotencyKey))
 *   await ctx.sleep('1 day')
 *   return payment
 * })
 */
export interface WorkflowContext {
  readonly executionId: string
  readonly workflow: string
  /** From 1; continue-as-new and restarts count up. */
  readonly run: number
  /** Silent while the past is replayed. */
  readonly log: Logger

  /** Runs `work` at least once and records its result exactly once. Rejects with its last error. */
  step<T>(name: string, work: (step: StepContext) => T | Promise<T>, options?: StepOptions<T>): Promise<T>
  /** Runs `work` in a transaction of the engine's own database: its writes and the step's record are one. */
  transaction<T>(name: string, work: (sql: TransactionSql) => Promise<T>): Promise<T>
  /** Waits without costing memory; ms to years, or until an instant. */
  sleep(until: Duration | Date): Promise<void>
  /** Takes the next signal of that name, in the order they arrived. */
  signal<S extends StandardSchemaV1>(name: string, schema: S): Promise<SchemaOutput<S>>
  /** The same; `undefined` on time-out. */
  signal<S extends StandardSchemaV1>(
    name: string,
    schema: S,
    options: { readonly timeout: Duration },
  ): Promise<SchemaOutput<S> | undefined>
  /** Answers queries of that name from the live state. Must not change it, and is never recorded. */
  onQuery(name: string, handler: (args: unknown) => unknown): void
  /** Handles updates of that name: `validate` refuses without a trace, `handler` may use steps; its result is the answer. */
  onUpdate<S extends StandardSchemaV1>(
    name: string,
    schema: S,
    handler: (value: SchemaOutput<S>) => unknown,
    options?: { readonly validate?: (value: SchemaOutput<S>) => void },
  ): void
  /** Starts another execution and waits for its result. */
  child<I, O>(
    workflow: Workflow<I, O>,
    input: NoInfer<I>,
    options?: ChildOptions & { readonly detach?: false },
  ): Promise<O>
  child<I, O>(
    workflow: Workflow<I, O>,
    input: NoInfer<I>,
    options: ChildOptions & { readonly detach: true },
  ): Promise<{ readonly executionId: string }>
  child(workflow: string, input: unknown, options?: ChildOptions): Promise<unknown>
  /** Ends this run and begins the next of the same execution with a new input and an empty history. Never returns. */
  continueAsNew(input: unknown): Promise<never>
  /** Adds to the stack of what is undone, in reverse order, when the workflow fails or is canceled. */
  compensate(name: string, undo: (step: StepContext) => unknown): void
  /** Searchable attributes of the execution, merged into those it has. */
  setAttributes(attributes: Attributes): void
  /** Whether this execution takes the new way of a change named `id`: false for those that were past it already. */
  patched(id: string): boolean
  /** Whether cancellation was requested. */
  readonly isCanceled: boolean
  /** Time of the last recorded event, by the database's clock. */
  now(): Date
  /** In [0, 1), seeded from the execution. */
  random(): number
  uuid(): string
}
