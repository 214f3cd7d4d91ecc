// A history as spans of time: each step with its attempts, each sleep, wait for a signal, child and update, and the
// instants between them. Pure. Where the history does not say when something began, the last event before it stands
// for that, and the span says that it is a guess.

import type { FailureData, Recorded } from '../api/types.js'

export type SpanKind = 'step' | 'sleep' | 'signal' | 'child' | 'update' | 'queue'
export type SpanOutcome = 'done' | 'failed' | 'timed-out' | 'open'

export interface Attempt {
  readonly number: number
  readonly startMs: number
  readonly endMs: number
  readonly isFailed: boolean
  /** Its event. */
  readonly version: number
  /** Result or failure. */
  readonly payload: unknown
}

export interface Span {
  /** Unique in the history. */
  readonly id: string
  readonly kind: SpanKind
  readonly name: string
  readonly run: number
  readonly startMs: number
  readonly isStartGuessed: boolean
  /** Undefined while it is open. */
  readonly endMs: number | undefined
  readonly outcome: SpanOutcome
  /** Of a step, those that are recorded, in order. */
  readonly attempts: readonly Attempt[]
  /** The number of the last attempt; more than are recorded when a node tried again without letting go. */
  readonly attemptCount: number
  readonly dueMs: number | undefined
  readonly childId: string | undefined
  /** Its events. */
  readonly versions: readonly number[]
}

export interface Mark {
  readonly version: number
  readonly type: Recorded['type']
  readonly atMs: number
  readonly name: string | undefined
}

export interface Timeline {
  readonly spans: readonly Span[]
  readonly marks: readonly Mark[]
  readonly startMs: number
  /** When the last run closed. */
  readonly endMs: number | undefined
}

type Draft = { -readonly [Key in keyof Span]: Span[Key] }

export function readTimeline(events: readonly Recorded[]): Timeline {
  const reader = new Reader()
  for (const event of events) reader.read(event)
  return reader.timeline()
}

class Reader {
  private readonly drafts = new Map<string, Draft>()
  private readonly marks: Mark[] = []
  private run = 0
  private startMs = Number.POSITIVE_INFINITY
  private endMs: number | undefined
  private lastMs = 0

  read(event: Recorded): void {
    const atMs = Date.parse(event.at)
    this.startMs = Math.min(this.startMs, atMs)
    this.take(event, atMs)
    this.lastMs = Math.max(this.lastMs, atMs)
  }

  timeline(): Timeline {
    const spans = [...this.drafts.values()].toSorted(
      (a, b) => a.startMs - b.startMs || (a.versions[0] ?? 0) - (b.versions[0] ?? 0),
    )
    const startMs = Math.min(this.startMs, ...spans.map((span) => span.startMs))
    return { spans, marks: this.marks, startMs: Number.isFinite(startMs) ? startMs : 0, endMs: this.endMs }
  }

  private take(event: Recorded, atMs: number): void {
    switch (event.type) {
      case 'started':
        this.run += 1
        this.endMs = undefined
        this.mark(event, atMs)
        return
      case 'admitted':
        this.close(this.draft(event, 'queue', this.lastMs), { atMs, outcome: 'done' })
        return
      case 'step_retrying':
        this.attempt(event, atMs)
        return
      case 'step_completed':
        this.close(this.attempt(event, atMs), { atMs, outcome: 'done' })
        return
      case 'step_failed':
        this.close(this.attempt(event, atMs), { atMs, outcome: 'failed' })
        return
      case 'sleep_started':
        this.draft(event, 'sleep', atMs)
        return
      case 'sleep_ended':
        this.close(this.draft(event, 'sleep', this.lastMs), { atMs, outcome: 'done' })
        return
      case 'signal_awaited':
        this.draft(event, 'signal', atMs)
        return
      case 'signal_rejected':
        this.mark(event, atMs)
        return
      case 'signal_received':
        this.close(this.draft(event, 'signal', this.lastMs), { atMs, outcome: 'done' })
        return
      case 'signal_timed_out':
        this.close(this.draft(event, 'signal', this.lastMs), { atMs, outcome: 'timed-out' })
        return
      case 'child_started':
        this.draft(event, 'child', atMs).childId = childOf(event.detail)
        return
      case 'child_completed':
        this.close(this.draft(event, 'child', this.lastMs), { atMs, outcome: 'done' })
        return
      case 'child_failed':
        this.close(this.draft(event, 'child', this.lastMs), { atMs, outcome: 'failed' })
        return
      case 'update_accepted':
        this.draft(event, 'update', atMs)
        return
      case 'update_completed': {
        const isFailed = Object(event.detail).failed === true
        const draft = this.draft(event, 'update', this.lastMs)
        this.close(draft, { atMs, outcome: isFailed ? 'failed' : 'done' })
        return
      }
      case 'completed':
      case 'failed':
      case 'canceled':
      case 'terminated':
      case 'continued':
        this.endMs = atMs
        this.endOpenOnes(atMs)
        this.mark(event, atMs)
        return
      case 'attributes_set':
      case 'patched':
      case 'cancel_requested':
      case 'paused':
      case 'resumed':
        this.mark(event, atMs)
        return
      default:
        // A newer node writes what this page does not know: it is shown among the events.
        this.mark(event, atMs)
    }
  }

  private mark({ version, type, name }: Recorded, atMs: number): void {
    this.marks.push({ version, type, atMs, name })
  }

  /** What belongs to the same command, or message, of the same run. */
  private draft(event: Recorded, kind: SpanKind, startMs: number): Draft {
    const id = `${this.run}/${kind}/${kind === 'update' ? event.messageId : event.seq}`
    const known = this.drafts.get(id)
    if (known !== undefined) {
      if (!known.versions.includes(event.version)) known.versions = [...known.versions, event.version]
      return known
    }
    const draft: Draft = {
      id,
      kind,
      name: nameOf(event, kind),
      run: this.run,
      startMs,
      isStartGuessed: startMs !== Date.parse(event.at),
      endMs: undefined,
      outcome: 'open',
      attempts: [],
      attemptCount: 0,
      dueMs: event.dueAt === undefined ? undefined : Date.parse(event.dueAt),
      childId: undefined,
      versions: [event.version],
    }
    this.drafts.set(id, draft)
    return draft
  }

  private attempt(event: Recorded, atMs: number): Draft {
    const { ms, totalMs } = tookOf(event.detail)
    const draft = this.draft(event, 'step', atMs - (totalMs ?? ms ?? 0))
    draft.isStartGuessed = draft.attempts.length === 0 && ms === undefined && totalMs === undefined
    const number = event.attempt ?? draft.attempts.length + 1
    const one: Attempt = {
      number,
      startMs: Math.max(draft.startMs, atMs - (ms ?? 0)),
      endMs: atMs,
      isFailed: event.type !== 'step_completed',
      version: event.version,
      payload: event.payload,
    }
    draft.attempts = [...draft.attempts, one]
    draft.attemptCount = Math.max(draft.attemptCount, number)
    draft.dueMs = event.dueAt === undefined ? undefined : Date.parse(event.dueAt)
    return draft
  }

  private close(draft: Draft, end: { atMs: number; outcome: SpanOutcome }): void {
    draft.endMs = end.atMs
    draft.outcome = end.outcome
  }

  /** Nobody waits any more for what was open when the run closed. */
  private endOpenOnes(atMs: number): void {
    for (const draft of this.drafts.values()) if (draft.run === this.run) draft.endMs ??= atMs
  }
}

function nameOf({ name, detail }: Recorded, kind: SpanKind): string {
  if (name !== undefined && name !== '') return name
  if (kind === 'child') return String(Object(detail).workflow ?? 'child')
  return kind === 'queue' ? 'queued' : kind
}

function childOf(detail: unknown): string | undefined {
  const { executionId } = Object(detail)
  return typeof executionId === 'string' ? executionId : undefined
}

function tookOf(detail: unknown): { readonly ms: number | undefined; readonly totalMs: number | undefined } {
  const { ms, totalMs } = Object(detail)
  return {
    ms: typeof ms === 'number' ? ms : undefined,
    totalMs: typeof totalMs === 'number' ? totalMs : undefined,
  }
}

/** A payload that is a failure, as it is shown. */
export function failureOf(payload: unknown): FailureData | undefined {
  const { type, message } = Object(payload)
  return typeof type === 'string' && typeof message === 'string' ? Object(payload) : undefined
}

/** The signals that a note says are waited for. @example 'signal "approved", sleep' → ['approved'] */
export function awaitedSignals(note: string | null): string[] {
  return [...new Set(Array.from((note ?? '').matchAll(/\bsignal "([^"]+)"/g), ([, name = '']) => name))]
}
