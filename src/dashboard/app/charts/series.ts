// Counted spans of time as lines of a chart: summed over workflows, as rates per minute, with nothing where nothing was.
// Pure.

import type { Throughput } from '../../../client/throughput.js'
import type { Json } from '../api/types.js'

export type Counted = Json<Throughput>
type Bucket = Counted['buckets'][number]
export type Count = 'started' | 'completed' | 'failed' | 'canceled' | 'terminated'

export interface Line {
  readonly name: string
  /** Which of the inks of `charts.css`. */
  readonly ink: number
  /** One for each time; null: nothing to tell. */
  readonly values: readonly (number | null)[]
}

/** The beginnings of all spans of the window, in seconds, oldest first; the last is the one that is still counted. */
export function timesOf({ bucketMs }: Counted, lastMs: number, nowMs: number): number[] {
  const newestMs = Math.floor(nowMs / bucketMs) * bucketMs
  const spans = Math.max(1, Math.floor(lastMs / bucketMs))
  return Array.from({ length: spans }, (_, index) => (newestMs - (spans - 1 - index) * bucketMs) / 1_000)
}

const INKS: Readonly<Record<Count, number>> = {
  started: 0,
  completed: 1,
  failed: 4,
  canceled: 3,
  terminated: 5,
}

/** Per minute. */
export function rateLine(counted: Counted, times: readonly number[], of: Count): Line {
  const sums = new Map<number, number>()
  for (const bucket of counted.buckets) {
    const at = secondsOf(bucket)
    sums.set(at, (sums.get(at) ?? 0) + bucket[of])
  }
  const perMinute = 60_000 / counted.bucketMs
  return { name: of, ink: INKS[of], values: times.map((at) => (sums.get(at) ?? 0) * perMinute) }
}

const WORKFLOWS_MAX = 6

/** Of the busiest workflows: how long 95 of 100 took at most. */
export function latencyLines(counted: Counted, times: readonly number[]): Line[] {
  const started = new Map<string, number>()
  for (const { workflow, started: count } of counted.buckets)
    started.set(workflow, (started.get(workflow) ?? 0) + count)
  const busiest = [...started].toSorted(([, a], [, b]) => b - a).slice(0, WORKFLOWS_MAX)
  return busiest.map(([workflow], ink) => {
    const own = new Map(
      counted.buckets.filter((one) => one.workflow === workflow).map((one) => [secondsOf(one), one.p95Ms]),
    )
    return { name: workflow, ink, values: times.map((at) => own.get(at) ?? null) }
  })
}

export function total({ buckets }: Counted, of: Count): number {
  return buckets.reduce((sum, bucket) => sum + bucket[of], 0)
}

function secondsOf({ at }: Bucket): number {
  return Math.round(Date.parse(at) / 1_000)
}
