// Commands: what workflow code asked for and has not got yet. The instance issues them in a deterministic order
// (`seq`), the engine carries them out, and an outcome event of the same `seq` settles them.

import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { TransactionSql } from 'postgres'
import type { Event, NewEvent } from '../core/event.js'
import type { ParentClosePolicy, Attributes } from '../core/execution.js'
import type { Priority } from '../core/priority.js'
import type { ResolvedRetryPolicy } from '../core/retry.js'
import type { StepContext, StepOptions } from './context.js'

interface Base {
  readonly seq: number
  readonly name: string
  /** The execution's time when the code asked for it. */
  readonly issuedAtMs: number
  /** The recorded intent of this command (a sleep's start, the last retry, a child's start), when there is one. */
  readonly intent: Event | undefined
}

export interface StepCommand extends Base {
  readonly kind: 'step'
  readonly work: (step: StepContext) => unknown
  readonly options: StepOptions<unknown>
  readonly retry: ResolvedRetryPolicy
}
export interface TransactionCommand extends Base {
  readonly kind: 'transaction'
  readonly work: (sql: TransactionSql) => Promise<unknown>
}
export interface SleepCommand extends Base {
  readonly kind: 'sleep'
  readonly delayMs?: number
  readonly until?: Date
}
export interface SignalCommand extends Base {
  readonly kind: 'signal'
  readonly schema: StandardSchemaV1
  readonly timeoutMs: number | undefined
}
export interface ChildCommand extends Base {
  readonly kind: 'child'
  readonly workflow: string
  readonly childId: string
  readonly input: unknown
  readonly detach: boolean
  readonly closePolicy: ParentClosePolicy
  readonly attributes: Attributes | undefined
  readonly priority: Priority | undefined
  readonly key: string | undefined
  readonly inputSchema: StandardSchemaV1 | undefined
  readonly workflowVersion: string | undefined
}

export type Command = StepCommand | TransactionCommand | SleepCommand | SignalCommand | ChildCommand

/** What the instance wants recorded by itself: no outcome will follow. */
export interface Note {
  readonly kind: 'note'
  readonly event: NewEvent
  readonly answer?: { readonly messageId: string; readonly ok: boolean; readonly value: unknown }
  readonly attributes?: Attributes
}

/** How a run ended, as the code sees it. */
export type RunOutcome =
  | { readonly kind: 'completed'; readonly value: unknown }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'canceled'; readonly error: unknown }
  | { readonly kind: 'continued'; readonly input: unknown }
