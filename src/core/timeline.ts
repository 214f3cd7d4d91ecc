// A history as spans of time: attempts of steps, waits, children, and the runs around them. Pure; fed one event after the
// other, in the order of their versions, it hands out each span when it ends. What is still open can be asked for at any
// time. A step that runs is in no history before it ends, so it is in no timeline either.

import type { EventType } from './event.js'

export interface TimelineEvent {
  readonly version: number
  readonly type: EventType
  readonly at: Date
  readonly seq?: number
  readonly name?: string
  readonly attempt?: number
  readonly dueAt?: Date
  readonly messageId?: string
  /** The engine's own data, parsed. */
  readonly detail?: unknown
}

export type SpanKind = 'run' | 'step' | 'retry' | 'sleep' | 'signal' | 'child' | 'update' | 'pause' | 'cancel'
export type SpanOutcome =
  'completed' | 'failed' | 'retried' | 'timed out' | 'canceled' | 'terminated' | 'continued' | 'open'

export interface Span {
  readonly kind: SpanKind
  readonly name: string
  readonly run: number
  readonly seq?: number
  readonly attempt?: number
  readonly startMs: number
  /** Null: it has not ended. */
  readonly endMs: number | null
  readonly outcome: SpanOutcome
  readonly childId?: string
}

type Opened = Omit<Span, 'endMs' | 'outcome' | 'run'>

const ENDED: Readonly<Partial<Record<EventType, SpanOutcome>>> = {
  sleep_ended: 'completed',
  signal_received: 'completed',
  signal_timed_out: 'timed out',
  child_completed: 'completed',
  child_failed: 'failed',
  completed: 'completed',
  failed: 'failed',
  canceled: 'canceled',
  terminated: 'terminated',
  continued: 'continued',
}

export class Timeline {
  private run = 0
  private lastMs = 0
  /** By seq, by message, or by kind. */
  private readonly opened = new Map<string, Opened>()

  /** The spans that end with this event. */
  add(event: TimelineEvent): Span[] {
    const spans = this.spansOf(event)
    this.lastMs = Math.max(this.lastMs, event.at.getTime())
    return spans
  }

  /** What has begun and not ended, by the events so far. */
  open(): Span[] {
    return [...this.opened.values()].map((span) => this.end(span, null, 'open'))
  }

  private spansOf(event: TimelineEvent): Span[] {
    const atMs = event.at.getTime()
    const { seq, name = '', messageId = '' } = event
    switch (event.type) {
      case 'started': {
        const { run } = numbersOf(event.detail, ['run'])
        this.run = run ?? this.run + 1
        this.opened.clear()
        this.lastMs = atMs
        return this.begin('run', { kind: 'run', name, startMs: atMs })
      }
      case 'step_completed':
      case 'step_failed':
      case 'step_retrying':
        return this.stepSpans(event, atMs)
      case 'sleep_started':
        return this.begin(`seq ${seq}`, { kind: 'sleep', name, startMs: atMs, ...seqOf(event) })
      case 'signal_awaited':
        return this.begin(`seq ${seq}`, { kind: 'signal', name, startMs: atMs, ...seqOf(event) })
      case 'child_started':
        return this.begin(`seq ${seq}`, {
          kind: 'child',
          name,
          startMs: atMs,
          ...seqOf(event),
          ...childOf(event),
        })
      case 'signal_received':
        // One without a time-out is recorded by its end alone: the code has waited no longer than since the event before.
        if (!this.opened.has(`seq ${seq}`))
          this.begin(`seq ${seq}`, { kind: 'signal', name, startMs: this.lastMs, ...seqOf(event) })
        return this.finish(`seq ${seq}`, event)
      case 'sleep_ended':
      case 'signal_timed_out':
      case 'child_completed':
      case 'child_failed':
        return this.finish(`seq ${seq}`, event)
      case 'update_accepted':
        return this.begin(`update ${messageId}`, { kind: 'update', name, startMs: atMs })
      case 'update_completed': {
        const isFailed = Object(event.detail).failed === true
        return this.finish(`update ${messageId}`, event, isFailed ? 'failed' : 'completed')
      }
      case 'paused':
        return this.begin('pause', { kind: 'pause', name: 'paused', startMs: atMs })
      case 'resumed':
        return this.finish('pause', event, 'completed')
      case 'cancel_requested':
        return [this.end({ kind: 'cancel', name: 'asked to cancel', startMs: atMs }, atMs, 'completed')]
      case 'completed':
      case 'failed':
      case 'canceled':
      case 'terminated':
      case 'continued':
        return this.close(event)
      case 'admitted':
      case 'signal_rejected':
      case 'attributes_set':
      case 'patched':
        return []
      default:
        event.type satisfies never
        return []
    }
  }

  /** An attempt ends when it is recorded; how long it took, the event says, and how long all before it. */
  private stepSpans(event: TimelineEvent, atMs: number): Span[] {
    const { type, seq, name = '', attempt = 1, dueAt } = event
    const { ms = 0, totalMs } = numbersOf(event.detail, ['ms', 'totalMs'])
    const key = `seq ${seq}`
    const waited = this.opened.get(key)
    this.opened.delete(key)
    const startMs = atMs - ms
    const step = { kind: 'step', name, ...seqOf(event) } as const
    const spans: Span[] = []
    // The wait for this attempt, if it was recorded; else attempts before this one may have left no event.
    if (waited !== undefined) spans.push(this.end(waited, Math.max(waited.startMs, startMs), 'completed'))
    else if (attempt > 1 && totalMs !== undefined && totalMs > ms)
      spans.push(this.end({ ...step, attempt: attempt - 1, startMs: atMs - totalMs }, startMs, 'retried'))
    const outcome = type === 'step_completed' ? 'completed' : type === 'step_failed' ? 'failed' : 'retried'
    spans.push(this.end({ ...step, attempt, startMs }, atMs, outcome))
    if (type === 'step_retrying' && dueAt !== undefined)
      this.begin(key, { kind: 'retry', name, startMs: atMs, attempt: attempt + 1, ...seqOf(event) })
    return spans
  }

  /** The end of a run is the end of all that was open in it. */
  private close(event: TimelineEvent): Span[] {
    const atMs = event.at.getTime()
    const run = this.opened.get('run')
    this.opened.delete('run')
    const rest = [...this.opened.values()].map((span) => this.end(span, atMs, 'canceled'))
    this.opened.clear()
    if (run === undefined) return rest
    return [...rest, this.end(run, atMs, ENDED[event.type] ?? 'completed')]
  }

  private begin(key: string, span: Opened): Span[] {
    this.opened.set(key, span)
    return []
  }

  private finish(key: string, event: TimelineEvent, outcome?: SpanOutcome): Span[] {
    const span = this.opened.get(key)
    if (span === undefined) return []
    this.opened.delete(key)
    return [this.end(span, event.at.getTime(), outcome ?? ENDED[event.type] ?? 'completed')]
  }

  private end(span: Opened, endMs: number | null, outcome: SpanOutcome): Span {
    return { ...span, run: this.run, endMs, outcome }
  }
}

function seqOf({ seq }: TimelineEvent): { readonly seq?: number } {
  return seq === undefined ? {} : { seq }
}

function childOf({ detail }: TimelineEvent): { readonly childId?: string } {
  const { childId }: Record<string, unknown> = Object(detail)
  return typeof childId === 'string' ? { childId } : {}
}

function numbersOf<Name extends string>(
  detail: unknown,
  names: readonly Name[],
): Partial<Record<Name, number>> {
  const all: Record<string, unknown> = Object(detail)
  const numbers: Partial<Record<Name, number>> = {}
  for (const name of names) {
    const value = all[name]
    if (typeof value === 'number') numbers[name] = value
  }
  return numbers
}
