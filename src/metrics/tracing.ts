// Traces, for programs that have set OpenTelemetry up: one for each run of an execution, with a span for each attempt of a
// step, each wait and each child. Their ids are derived, so that a run that goes from node to node, and crashes in between,
// is one trace; what a node may not have delivered before it died, the next one tells again under the same ids. Without an
// SDK nothing of this is there. It knows `@opentelemetry/api` and no more.

import {
  context,
  isSpanContextValid,
  ROOT_CONTEXT,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Context,
  type Span as OtelSpan,
  type Tracer,
} from '@opentelemetry/api'
import type { Event } from '../core/event.js'
import type { Logger } from '../core/ports.js'
import { Timeline, type Span } from '../core/timeline.js'
import { formatTraceparent, parseTraceparent, spanIdOf, traceIdOf } from '../core/trace-ids.js'
import { withIds } from './trace-ids.js'

/** Of the span that is active where this is called; undefined without one. */
export function activeTraceparent(): string | undefined {
  const active = trace.getActiveSpan()?.spanContext()
  if (active === undefined || !isSpanContextValid(active)) return undefined
  const isSampled = (active.traceFlags & TraceFlags.SAMPLED) !== 0
  return formatTraceparent({ traceId: active.traceId, spanId: active.spanId, isSampled })
}

export interface TracedRun {
  readonly executionId: string
  readonly run: number
  readonly workflow: string
  readonly nodeId: string
  /** As it was given with the start. */
  readonly traceparent: string | undefined
  readonly startedAt: Date
}

/** Ids for the probe: no execution has them. */
const PROBE = { traceId: traceIdOf('probe', 0), spanId: spanIdOf('probe', 0, '') }

export class Tracing {
  readonly #tracer: Tracer

  private constructor(tracer: Tracer) {
    this.#tracer = tracer
  }

  /** Undefined while no SDK is set up in this process. */
  static find(release: string, log: Logger): Tracing | undefined {
    const tracer = trace.getTracer('cerebelum', release)
    // Never ended, so nobody gets to see it.
    const probe = withIds(PROBE, () => tracer.startSpan('probe', { root: true })).spanContext()
    if (!isSpanContextValid(probe)) return undefined
    if (probe.spanId !== PROBE.spanId) {
      log.warn(
        {},
        'spans get random ids, so an execution that changes nodes becomes several traces: give the SDK `idGenerator: traceIds` of cerebelum',
      )
    }
    return new Tracing(tracer)
  }

  begin(run: TracedRun): RunTrace {
    return new RunTrace(this.#tracer, run)
  }
}

export class RunTrace {
  readonly #tracer: Tracer
  readonly #run: TracedRun
  readonly #traceId: string
  readonly #timeline = new Timeline()
  readonly #root: OtelSpan
  readonly #context: Context

  constructor(tracer: Tracer, run: TracedRun) {
    const parent = run.traceparent === undefined ? undefined : parseTraceparent(run.traceparent)
    this.#tracer = tracer
    this.#run = run
    this.#traceId = parent?.traceId ?? traceIdOf(run.executionId, run.run)
    const outer =
      parent === undefined
        ? ROOT_CONTEXT
        : trace.setSpanContext(ROOT_CONTEXT, {
            traceId: parent.traceId,
            spanId: parent.spanId,
            traceFlags: parent.isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
            isRemote: true,
          })
    this.#root = this.#start(
      { part: '', name: `workflow ${run.workflow}`, startMs: run.startedAt.getTime() },
      outer,
    )
    this.#context = trace.setSpan(ROOT_CONTEXT, this.#root)
  }

  /** For log lines. */
  get traceId(): string {
    return this.#root.spanContext().traceId
  }

  /** An attempt that begins: what it calls is traced below it. */
  attempt(step: {
    readonly seq: number
    readonly name: string
    readonly attempt: number
    readonly atMs: number
  }): AttemptTrace {
    const { seq, name, attempt, atMs } = step
    const span = this.#start({ part: partOf('step', seq, attempt), name: `step ${name}`, startMs: atMs })
    span.setAttributes({
      'cerebelum.step.name': name,
      'cerebelum.step.attempt': attempt,
      'cerebelum.node.id': this.#run.nodeId,
    })
    return new AttemptTrace(span, trace.setSpan(this.#context, span))
  }

  /** Of the child that this command starts. */
  traceparentOf(seq: number): string {
    const spanId = spanIdOf(this.#run.executionId, this.#run.run, partOf('child', seq))
    const isSampled = (this.#root.spanContext().traceFlags & TraceFlags.SAMPLED) !== 0
    return formatTraceparent({ traceId: this.#root.spanContext().traceId, spanId, isSampled })
  }

  /**
   * An event that is durable. `how`: live, its attempts have been told of as they ended; told, somebody else has told of it;
   * untold, whoever wrote it may have died before it did.
   */
  note(event: Event, how: 'live' | 'told' | 'untold'): void {
    const { detail, ...rest } = event
    const spans = this.#timeline.add({
      ...rest,
      ...(detail === undefined ? {} : { detail: JSON.parse(detail) }),
    })
    if (how === 'told') return
    for (const span of spans) {
      if (span.kind === 'run') this.#endRoot(span)
      else if (how === 'untold' || span.kind !== 'step') this.#tell(span)
    }
  }

  #tell({ kind, name, seq, attempt, startMs, endMs, outcome, childId }: Span): void {
    const part = seq === undefined ? `${kind} ${startMs}` : partOf(kind, seq, attempt)
    const span = this.#start({ part, name: `${kind} ${name}`.trimEnd(), startMs })
    if (childId !== undefined) span.setAttribute('cerebelum.child.id', childId)
    if (kind === 'step')
      span.setAttributes({ 'cerebelum.step.name': name, 'cerebelum.step.attempt': attempt ?? 1 })
    span.setAttribute('cerebelum.outcome', outcome)
    if (outcome === 'failed' || outcome === 'retried') span.setStatus({ code: SpanStatusCode.ERROR })
    span.end(endMs ?? startMs)
  }

  #endRoot({ endMs, outcome }: Span): void {
    this.#root.setAttribute('cerebelum.outcome', outcome)
    if (outcome === 'failed' || outcome === 'terminated') this.#root.setStatus({ code: SpanStatusCode.ERROR })
    this.#root.end(endMs ?? undefined)
  }

  #start(
    what: { readonly part: string; readonly name: string; readonly startMs: number },
    within?: Context,
  ): OtelSpan {
    const { executionId, run, workflow } = this.#run
    const ids = { traceId: this.#traceId, spanId: spanIdOf(executionId, run, what.part) }
    const attributes = {
      'cerebelum.execution.id': executionId,
      'cerebelum.execution.run': run,
      'cerebelum.workflow.name': workflow,
    }
    const options = { startTime: what.startMs, attributes }
    return withIds(ids, () => this.#tracer.startSpan(what.name, options, within ?? this.#context))
  }
}

export class AttemptTrace {
  readonly #span: OtelSpan
  readonly #context: Context

  constructor(span: OtelSpan, within: Context) {
    this.#span = span
    this.#context = within
  }

  /** Calls it with the span active: what it traces and sends belongs to the attempt. */
  within<T>(work: () => T): T {
    return context.with(this.#context, work)
  }

  end(failed: { readonly error: unknown } | undefined, atMs: number): void {
    this.#span.setAttribute('cerebelum.outcome', failed === undefined ? 'completed' : 'failed')
    if (failed !== undefined) {
      const { error } = failed
      const message = error instanceof Error ? error.message : String(error)
      this.#span.setAttribute('error.type', error instanceof Error ? error.name : typeof error)
      this.#span.setStatus({ code: SpanStatusCode.ERROR, message })
    }
    this.#span.end(atMs)
  }
}

function partOf(kind: string, seq: number, attempt = 1): string {
  return `${kind} ${seq} ${attempt}`
}
