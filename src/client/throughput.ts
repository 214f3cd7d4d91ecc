// Throughput as a client tells of it: what was asked for, checked and bounded, and what was cut short. Pure.

import { durationMs, type Duration } from '../core/duration.js'
import { checkName } from '../core/ids.js'
import type { Limits } from '../core/limits.js'
import { THROUGHPUT_ROWS_MAX } from '../store/throughput.js'
import type { ThroughputQuery, ThroughputRow } from '../store/store.js'
import { checkWholeNumber } from './arguments.js'

export interface ThroughputFilter {
  /** Default: every one. */
  readonly workflow?: string
  /** Executions that were started within it; default 1 hour, at most 7 days. */
  readonly last?: Duration
  /** Counted by spans of this length; default: a sixtieth. At least 1 second, and at most 500 in `last`. */
  readonly bucket?: Duration
}

export interface Throughput {
  readonly bucketMs: number
  readonly buckets: readonly ThroughputRow[]
  /** Workflows that had more executions than are counted of one: their oldest spans are missing or too low. */
  readonly cutShort: readonly string[]
}

const LAST_MS_MAX = 7 * 86_400_000
const BUCKETS_MAX = 500

/** @throws CerebelumError INVALID_ARGUMENT | INVALID_DURATION | INVALID_NAME */
export function toThroughputQuery(filter: ThroughputFilter, limits: Limits): ThroughputQuery {
  const { workflow, last = '1 hour', bucket } = filter
  const lastMs = checkWholeNumber(Math.round(durationMs(last, 'time looked back')), {
    what: 'time looked back, in ms,',
    min: 1_000,
    max: LAST_MS_MAX,
  })
  const chosenMs = bucket === undefined ? Math.max(1_000, lastMs / 60) : durationMs(bucket, 'bucket')
  const bucketMs = checkWholeNumber(Math.round(chosenMs), {
    what: 'length of a bucket, in ms,',
    min: Math.max(1_000, Math.ceil(lastMs / BUCKETS_MAX)),
    max: LAST_MS_MAX,
  })
  return {
    lastMs,
    bucketMs,
    ...(workflow === undefined
      ? {}
      : { workflow: checkName(workflow, 'workflow name', limits.nameCharactersMax) }),
  }
}

export function throughput({ bucketMs }: ThroughputQuery, buckets: readonly ThroughputRow[]): Throughput {
  const started = new Map<string, number>()
  for (const row of buckets) started.set(row.workflow, (started.get(row.workflow) ?? 0) + row.started)
  const cutShort = [...started]
    .filter(([, count]) => count >= THROUGHPUT_ROWS_MAX)
    .map(([workflow]) => workflow)
  return { bucketMs, buckets, cutShort }
}
