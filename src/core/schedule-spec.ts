// When a schedule fires: cron expressions in a time zone, or a fixed interval, within optional bounds. Pure: the next
// time follows from the one before it alone, never from a clock. What is stored is what `checkSpec` gave.
//
// Daylight saving time: a time of day that does not exist on a day (`30 2 * * *` in the night when clocks go forward) is
// the first instant after the gap; one that comes twice is its first occurrence. Expressions with a `*` or a step in
// hours or minutes run by the elapsed clock: nothing in the gap, and twice in what comes twice.

import { Cron } from 'croner'
import { checkInstant, durationMs, type Duration } from './duration.js'
import { CerebelumError } from './errors.js'
import { cutText } from './ids.js'

/** No firing before `from`, and none at or after `until`. */
export interface ScheduleBounds {
  readonly from?: Date
  readonly until?: Date
}

/**
 * When to fire: cron expressions of five fields, or six with seconds first, in an IANA time zone (default UTC); or every
 * so often, counted from 1970 and moved by `offset`.
 *
 * @example
 * { cron: '0 9 * * MON-FRI', timeZone: 'Europe/Berlin' }
 * { every: '15 minutes' }
 */
export type ScheduleSpec =
  | (ScheduleBounds & { readonly cron: string | readonly string[]; readonly timeZone?: string })
  | (ScheduleBounds & { readonly every: Duration; readonly offset?: Duration })

export interface CronSpec extends ScheduleBounds {
  readonly cron: readonly string[]
  readonly timeZone: string
}

export interface IntervalSpec extends ScheduleBounds {
  /** Milliseconds. */
  readonly every: number
  readonly offset: number
}

/** A spec that was checked. */
export type CheckedSpec = CronSpec | IntervalSpec

/** What follows an instant, or null when nothing does. */
export type NextTime = (after: Date) => Date | null

const EXPRESSIONS_MAX = 50
const EXPRESSION_CHARACTERS_MAX = 200
/** The loop looks that often at most; more often is a stream, not a schedule. */
export const EVERY_MS_MIN = 100
const EVERY_MS_MAX = 100 * 366 * 86_400_000

/** @throws CerebelumError INVALID_SCHEDULE | INVALID_DURATION */
export function checkSpec(spec: unknown): CheckedSpec {
  const given: Readonly<Record<string, unknown>> = Object(spec)
  const { cron, timeZone, every, offset, from, until, ...unknown } = given
  const [stranger] = Object.keys(unknown)
  if (stranger !== undefined) throw invalid(`The spec has a field "${cutText(stranger, 40)}"`, ADVICE)
  if ((cron === undefined) === (every === undefined))
    throw invalid('The spec has neither or both of `cron` and `every`', ADVICE)
  const bounds: ScheduleBounds = {
    ...(from === undefined ? {} : { from: checkInstant(from, 'beginning of the schedule') }),
    ...(until === undefined ? {} : { until: checkInstant(until, 'end of the schedule') }),
  }
  if (cron !== undefined && offset !== undefined) throw invalid('A spec with `cron` has an `offset`', ADVICE)
  if (every !== undefined && timeZone !== undefined)
    throw invalid('A spec with `every` has a `timeZone`', ADVICE)
  return cron === undefined
    ? { ...checkInterval(every, offset), ...bounds }
    : { cron: checkExpressions(cron), timeZone: checkTimeZone(timeZone ?? 'UTC'), ...bounds }
}

const ADVICE = "Write { cron: '0 9 * * *', timeZone: 'Europe/Berlin' } or { every: '15 minutes' }"

function checkInterval(every: unknown, offset: unknown = 0): { every: number; offset: number } {
  const everyMs = durationMs(asDuration(every, 'interval'), 'interval of the schedule')
  if (!Number.isInteger(everyMs) || everyMs < EVERY_MS_MIN || everyMs > EVERY_MS_MAX) {
    const range = `Give whole milliseconds from ${EVERY_MS_MIN} to ${EVERY_MS_MAX}`
    throw invalid(`The interval of the schedule is ${everyMs} ms`, range)
  }
  const offsetMs = durationMs(asDuration(offset, 'offset'), 'offset of the schedule')
  if (!Number.isInteger(offsetMs)) {
    throw invalid(`The offset of the schedule is ${offsetMs} ms`, 'Give whole milliseconds')
  }
  return { every: everyMs, offset: offsetMs % everyMs }
}

function asDuration(value: unknown, what: string): Duration {
  if (typeof value === 'number' || typeof value === 'string') return value
  throw invalid(
    `The ${what} of the schedule is ${typeof value}`,
    'Give milliseconds, or a text such as "1 hour"',
  )
}

function checkExpressions(cron: unknown): string[] {
  const expressions: unknown[] = Array.isArray(cron) ? cron : [cron]
  if (expressions.length === 0 || expressions.length > EXPRESSIONS_MAX) {
    throw invalid(`The schedule has ${expressions.length} cron expressions`, `Give 1 to ${EXPRESSIONS_MAX}`)
  }
  return expressions.map(checkExpression)
}

function checkExpression(expression: unknown): string {
  if (typeof expression !== 'string') {
    throw invalid(`A cron expression is ${typeof expression}`, "Give a text such as '0 9 * * MON-FRI'")
  }
  const shown = JSON.stringify(cutText(expression, 60))
  if (expression.length > EXPRESSION_CHARACTERS_MAX) {
    throw invalid(
      `The cron expression ${shown} is too long`,
      `At most ${EXPRESSION_CHARACTERS_MAX} characters`,
    )
  }
  try {
    compile(expression, 'UTC')
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw invalid(`The cron expression ${shown} cannot be read: ${why}`, FIELDS, cause)
  }
  return expression
}

const FIELDS = 'Give five fields (minute, hour, day of the month, month, weekday), or six with seconds first'

/** The names of UTC offsets ("+02:00") are refused: they know no daylight saving time, and most who write one want it. */
function checkTimeZone(timeZone: unknown): string {
  const isName = typeof timeZone === 'string' && /^[A-Za-z]/.test(timeZone) && timeZone.length <= 100
  try {
    if (isName) return new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions().timeZone && timeZone
  } catch {
    // Said below.
  }
  const shown = typeof timeZone === 'string' ? JSON.stringify(cutText(timeZone, 60)) : typeof timeZone
  throw invalid(`There is no time zone ${shown}`, 'Give a name such as "Europe/Berlin" or "UTC"')
}

function invalid(what: string, advice: string, cause?: unknown): CerebelumError {
  return new CerebelumError('INVALID_SCHEDULE', `${what}. ${advice}.`, cause === undefined ? {} : { cause })
}

// ---- times

/** What follows what, by a spec. Always later than `after`, and never the same answer for two different firings. */
export function timesOf(spec: CheckedSpec): NextTime {
  const next = 'cron' in spec ? cronTimes(spec) : intervalTimes(spec)
  return (after) => {
    const fromMs = (spec.from?.getTime() ?? -Infinity) - 1
    const time = next(new Date(Math.max(after.getTime(), fromMs)))
    const isOver = time === null || (spec.until !== undefined && time.getTime() >= spec.until.getTime())
    return isOver ? null : time
  }
}

function intervalTimes({ every, offset }: IntervalSpec): NextTime {
  return (after) => new Date((Math.floor((after.getTime() - offset) / every) + 1) * every + offset)
}

function cronTimes({ cron, timeZone }: CronSpec): NextTime {
  const compiled = cron.map((expression) => compile(expression, timeZone))
  return (after) => {
    const times = compiled.flatMap((each) => each.nextRun(after) ?? [])
    return times.reduce<Date | null>((first, time) => (first === null || time < first ? time : first), null)
  }
}

/** Paused, and without a function to call: it only computes. */
function compile(expression: string, timezone: string): Cron {
  // The library takes an instant, too, for something that happens once.
  if (!/\s|^@/.test(expression.trim())) throw new TypeError('it has no fields')
  return new Cron(expression, { timezone, mode: '5-or-6-parts', fixedTimeRule: 'no-wildcard', paused: true })
}

// ---- storing

export function formatSpec(spec: CheckedSpec): string {
  return JSON.stringify(spec)
}

/** What `formatSpec` wrote. @throws CerebelumError when a newer release wrote what this one does not know */
export function parseSpec(text: string): CheckedSpec {
  const parsed: Readonly<Record<string, unknown>> = Object(JSON.parse(text))
  const { from, until } = parsed
  return checkSpec({
    ...parsed,
    ...(typeof from === 'string' ? { from: new Date(from) } : {}),
    ...(typeof until === 'string' ? { until: new Date(until) } : {}),
  })
}
