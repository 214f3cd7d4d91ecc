// Messages: what reaches an execution from outside. They wait in its inbox (table `signals`) in the order of
// `position`, are deduplicated by `messageId`, and are consumed by the append that records them.

import { CerebelumError } from './errors.js'
import type { ExecutionKey } from './execution.js'
import { toFailure } from './failure.js'

export const MESSAGE_KINDS = ['signal', 'update', 'query', 'cancel', 'pause', 'terminate', 'child'] as const
export type MessageKind = (typeof MESSAGE_KINDS)[number]

export interface NewMessage {
  readonly key: ExecutionKey
  readonly messageId: string
  readonly kind: MessageKind
  /** The signal's, update's or query's name; the child's execution id. */
  readonly name: string
  /** Encoded user value: payload, arguments, reason, or the child's result or failure. */
  readonly payload?: string
  /** Engine data as JSON text (for `child`: `{seq, run, status}`). */
  readonly detail?: string
}

export interface Message extends Omit<NewMessage, 'key'> {
  readonly position: number
}

/** The answer to an update or a query. */
export interface Answer {
  readonly ok: boolean
  /** Encoded result, or an encoded failure when not ok. */
  readonly payload: string
}

/** The answer to an update or a query that nobody will answer any more, because the run it was for has ended. */
export function unanswered(executionId: string): Answer {
  const text = `Execution "${executionId}" ended before it answered.`
  return {
    ok: false,
    payload: JSON.stringify(toFailure(new CerebelumError('EXECUTION_CLOSED', text, { executionId }))),
  }
}
