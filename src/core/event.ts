// The events of a history. A history is append-only; `version` counts from 1 without gaps over all runs of an
// execution id, and (execution_id, version) is the lock: two writers can never both append version 7.
//
// Three kinds of event, by what they do on replay:
// - opening (`started`) begins a run;
// - intents record that the code asked for something (a sleep's due time, a retry, a child, a patch);
// - outcomes are delivered to the code, one after the other, in the order of their versions.

/** Every type of event; `seq` below is the number of the command it belongs to, in the order of issue in a run. */
export const EVENT_TYPES = [
  'started', // opening. payload: input; detail: StartedDetail
  'admitted', // it passed the gates of its workflow. detail: AdmittedDetail
  'step_completed', // outcome of a step. payload: its result; detail: {ms?, totalMs?}: it took so long
  'step_failed', // outcome of a step, for good. payload: Failure; detail: the same
  'step_retrying', // intent: attempt `attempt` failed, the next one is due at dueAt. payload: Failure; detail: and {heartbeat?}
  'sleep_started', // intent: dueAt
  'sleep_ended', // outcome
  'signal_awaited', // intent: a wait with a time-out at dueAt
  'signal_received', // outcome: messageId, payload
  'signal_rejected', // the payload did not match the schema of the wait; the wait goes on. payload: Failure
  'signal_timed_out', // outcome
  'update_accepted', // outcome (calls the handler): messageId, name, payload
  'update_completed', // intent: the handler's answer. payload: result, or Failure when detail.failed
  'child_started', // intent. detail: {executionId, workflow, closePolicy, detached}
  'child_completed', // outcome. payload: result
  'child_failed', // outcome. payload: Failure
  'attributes_set', // intent. detail: the attributes
  'patched', // intent: ctx.patched(name) took the new way
  'cancel_requested', // outcome: rejects what the code waits for. payload: reason
  'paused',
  'resumed',
  'completed', // closes. payload: output
  'failed', // closes. payload: Failure
  'canceled', // closes
  'terminated', // closes. payload: reason
  'continued', // closes this run; the next event is the `started` of the next one
] as const

export type EventType = (typeof EVENT_TYPES)[number]

/** An event about to be appended; the store gives it its version and its time. */
export interface NewEvent {
  readonly type: EventType
  readonly seq?: number
  readonly name?: string
  readonly attempt?: number
  /** Engine data as JSON text; never user payloads. */
  readonly detail?: string
  /** A user value, encoded (see `core/codec.ts`). */
  readonly payload?: string
  readonly messageId?: string
  /** A timer derived from this event: due this many ms after the event is written (database clock) … */
  readonly delayMs?: number
  /** … or at this instant. At most one of the two. */
  readonly dueAt?: Date
  /** When it happened, for an outcome that the code has seen before it was written; else the store's time of writing. */
  readonly at?: Date
}

/** An event as read back. */
export interface Event extends Omit<NewEvent, 'delayMs'> {
  readonly version: number
  /** When it was written, by the database's clock. */
  readonly at: Date
}

/** The engine's own data in a `started` event. */
export interface StartedDetail {
  readonly workflow: string
  readonly workflowVersion: string
  readonly run: number
  readonly parentId?: string
  readonly startAt?: string
  /** The starter did not have the workflow: whoever runs it checks the input. */
  readonly unchecked?: true
  readonly attributes?: Readonly<Record<string, string | number | boolean | null>>
  /** Which of those that wait goes first; default: the workflow's. */
  readonly priority?: number
  /** For limits by key, instead of what they make of the input. */
  readonly key?: string
  /** Of the trace that the run belongs to, as W3C Trace Context writes it. */
  readonly traceparent?: string
  /** It began as a copy of another execution, up to this event of it. */
  readonly forkedFrom?: { readonly executionId: string; readonly version: number }
  /** Whose chance the copied events were drawn with, in order; behind them it has its own. */
  readonly seeds?: readonly Seed[]
  /** It continues a run that passed the gates of the workflow, and keeps its places behind them. */
  readonly admitted?: true
}

/** The chance of a run, for events up to a place, counted from the beginning of the run that has this. */
export interface Seed {
  readonly executionId: string
  readonly run: number
  readonly until: number
}

/** The engine's own data in an `admitted` event. */
export interface AdmittedDetail {
  /** Claims until then: they only looked. */
  readonly claimEpoch: number
}
