// The trace of a run: begun when the run is loaded, with all that its history tells. If the node died that had it before,
// the last of it is told again: that node may have died with spans that were on their way.

import type { Event } from '../core/event.js'
import type { RunTrace } from '../metrics/tracing.js'
import type { Run } from './run.js'

/** Spans are delivered long before: every 5 s by default, with 30 s for each try. */
const DELIVERED_MS = 60_000

export function traceOf(run: Run, history: readonly Event[]): RunTrace | undefined {
  const started = history[0]
  const { tracing, nodeId } = run.host
  if (tracing === undefined || started === undefined) return undefined
  const trace = tracing.begin({
    executionId: run.executionId,
    run: run.run,
    workflow: run.definition.name,
    nodeId,
    traceparent: run.traceparent,
    startedAt: started.at,
  })
  const lastMs = history.at(-1)?.at.getTime() ?? 0
  const untoldFromMs = run.crashes > 0 ? lastMs - DELIVERED_MS : Infinity
  for (const event of history) trace.note(event, event.at.getTime() < untoldFromMs ? 'told' : 'untold')
  return trace
}

/** Few have one, so that the others pay for no parsing. */
export function traceparentOf(started: Event | undefined): string | undefined {
  if (started?.detail?.includes('"traceparent"') !== true) return undefined
  const { traceparent }: Record<string, unknown> = Object(JSON.parse(started.detail))
  return typeof traceparent === 'string' ? traceparent : undefined
}
