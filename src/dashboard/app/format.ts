// How times, spans and numbers are written. Pure; English, short, and of a fixed form, so that columns can be compared.

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** @example 340 → "340 ms", 65_000 → "1 m 5 s", 90_000_000 → "1 d 1 h" */
export function span(ms: number): string {
  if (!Number.isFinite(ms)) return '–'
  const whole = Math.max(0, ms)
  if (whole < SECOND) return `${Math.round(whole)} ms`
  if (whole < 10 * SECOND) return `${(whole / SECOND).toFixed(2)} s`
  if (whole < MINUTE) return `${(whole / SECOND).toFixed(1)} s`
  if (whole < HOUR) return pair(whole, { unit: MINUTE, name: 'm', part: SECOND, partName: 's' })
  if (whole < DAY) return pair(whole, { unit: HOUR, name: 'h', part: MINUTE, partName: 'm' })
  return pair(whole, { unit: DAY, name: 'd', part: HOUR, partName: 'h' })
}

interface Units {
  readonly unit: number
  readonly name: string
  readonly part: number
  readonly partName: string
}

function pair(ms: number, { unit, name, part, partName }: Units): string {
  const rest = Math.floor((ms % unit) / part)
  return `${Math.floor(ms / unit)} ${name}${rest === 0 ? '' : ` ${rest} ${partName}`}`
}

/** @example "12 s ago", "in 3 m", "now" */
export function age(atMs: number, nowMs: number): string {
  const ms = nowMs - atMs
  if (Math.abs(ms) < SECOND) return 'now'
  return ms > 0 ? `${rough(ms)} ago` : `in ${rough(-ms)}`
}

function rough(ms: number): string {
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s`
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} m`
  if (ms < 2 * DAY) return `${Math.floor(ms / HOUR)} h`
  if (ms < 10 * DAY) return pair(ms, { unit: DAY, name: 'd', part: HOUR, partName: 'h' })
  return `${Math.floor(ms / DAY)} d`
}

/** Local time, to the millisecond where `exact`. @example "2026-11-24 15:04:05" */
export function stamp(atMs: number, { exact = false }: { readonly exact?: boolean } = {}): string {
  const date = new Date(atMs)
  if (Number.isNaN(date.getTime())) return '–'
  const two = (value: number): string => String(value).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
  return `${day} ${time}${exact ? `.${String(date.getMilliseconds()).padStart(3, '0')}` : ''}`
}

/** @example 12_345.6 → "12,345.6" */
export function number(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 })
}

export function count(value: number, noun: string): string {
  return `${number(value)} ${noun}${value === 1 ? '' : 's'}`
}
