// How long closed executions are kept, as it is written down: one span for all, or one by status, or `off` to keep them
// for good. The span counts from the instant at which an execution closed, by the database's clock.

import { durationMs, type Duration } from './duration.js'
import { CerebelumError } from './errors.js'
import type { ClosedStatus } from './execution.js'

/** `off`: for good. (A duration is a text or a number, so that the type cannot say it.) */
export type RetentionSpan = Duration

/** A status that is left out goes by the engine's default. */
export type Retention = RetentionSpan | { readonly [S in ClosedStatus]?: RetentionSpan }

/** Milliseconds by status; null: kept for good. */
export type KeptMs = { readonly [S in ClosedStatus]: number | null }

const DAY_MS = 86_400_000

/** Long enough for whoever looks into last month, short enough that a database does not grow for ever. */
export const KEPT_MS_DEFAULT: KeptMs = {
  completed: 30 * DAY_MS,
  failed: 30 * DAY_MS,
  canceled: 30 * DAY_MS,
  terminated: 30 * DAY_MS,
}

/** Longer than a statement may be under way: one that was sent before the end must not write behind the removal. */
const KEPT_MS_MIN = 60_000

/**
 * @param what whose retention it is, for the error
 * @throws CerebelumError INVALID_DURATION | INVALID_ARGUMENT
 */
export function keptMsOf(retention: Retention | undefined, what: string, otherwise: KeptMs): KeptMs {
  if (retention === undefined) return otherwise
  if (typeof retention !== 'object' || retention === null) {
    const ms = spanMs(retention, what)
    return { completed: ms, failed: ms, canceled: ms, terminated: ms }
  }
  const strange = Object.keys(retention).find((status) => !Object.hasOwn(KEPT_MS_DEFAULT, status))
  if (strange !== undefined) {
    const text = `The retention of ${what} names "${strange}". Only completed, failed, canceled and terminated executions are removed.`
    throw new CerebelumError('INVALID_ARGUMENT', text)
  }
  const of = (status: ClosedStatus): number | null => {
    const span = retention[status]
    return span === undefined ? otherwise[status] : spanMs(span, `${what} (${status})`)
  }
  return {
    completed: of('completed'),
    failed: of('failed'),
    canceled: of('canceled'),
    terminated: of('terminated'),
  }
}

function spanMs(span: RetentionSpan, what: string): number | null {
  if (span === 'off') return null
  const ms = durationMs(span, `retention of ${what}`)
  if (ms >= KEPT_MS_MIN) return Math.ceil(ms)
  const text = `The retention of ${what} is ${String(span)}; it must be a minute at least, or "off" to keep everything.`
  throw new CerebelumError('INVALID_DURATION', text)
}
