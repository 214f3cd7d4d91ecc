// The way that an execution took, as stages one after the other; in a stage are the spans that overlapped, as lanes
// beside each other, each a chain. Pure.

import type { Span } from './spans.js'

export interface Stage {
  readonly lanes: readonly (readonly Span[])[]
}

/** `at` of a node and `at` of the database may differ by that much without meaning that two things overlapped. */
const SLACK_MS = 2

/** `spans` in the order of their starts. */
export function toStages(spans: readonly Span[]): Stage[] {
  const stages: Span[][] = []
  let current: Span[] = []
  let endMs = Number.NEGATIVE_INFINITY
  for (const span of spans) {
    if (current.length > 0 && !overlaps(span, endMs, current)) {
      stages.push(current)
      current = []
      endMs = Number.NEGATIVE_INFINITY
    }
    current.push(span)
    endMs = Math.max(endMs, endOf(span))
  }
  if (current.length > 0) stages.push(current)
  return stages.map((members) => ({ lanes: toLanes(members) }))
}

function overlaps(span: Span, endMs: number, members: readonly Span[]): boolean {
  if (span.startMs < endMs - SLACK_MS) return true
  // Too short to overlap, and yet recorded together: they were asked for together.
  return endOf(span) - span.startMs <= SLACK_MS && members.some((one) => endOf(one) === endOf(span))
}

/** Each into the first lane that is free again. */
function toLanes(members: readonly Span[]): Span[][] {
  const lanes: { readonly spans: Span[]; endMs: number }[] = []
  for (const span of members) {
    const free = lanes.find((lane) => lane.endMs - SLACK_MS <= span.startMs && lane.endMs !== endOf(span))
    if (free === undefined) lanes.push({ spans: [span], endMs: endOf(span) })
    else {
      free.spans.push(span)
      free.endMs = endOf(span)
    }
  }
  return lanes.map((lane) => lane.spans)
}

function endOf({ endMs }: Span): number {
  return endMs ?? Number.POSITIVE_INFINITY
}
