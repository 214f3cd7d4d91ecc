// How the program ends: the exit codes, and the one place that turns an error into a code and a line for people.
// They are a promise to scripts: documented in the README, never renumbered.

import { errorCode, type ErrorCode } from '../core/errors.js'

export const EXIT = {
  /** Done, or stopped by a signal while there was nothing left to do but serve. */
  ok: 0,
  failed: 1,
  /** A wrong command, option, setting or workflow module; a port that cannot be had. */
  usage: 2,
  databaseUnavailable: 3,
  /** The database was made by another release, or not migrated. */
  databaseSchema: 4,
  /** The example's audit found something wrong. */
  auditFailed: 5,
} as const

const CODES: Partial<Record<ErrorCode, number>> = {
  SETTINGS: EXIT.usage,
  INVALID_DURATION: EXIT.usage,
  INVALID_SCHEDULE: EXIT.usage,
  DATABASE_UNAVAILABLE: EXIT.databaseUnavailable,
  OUTCOME_UNKNOWN: EXIT.databaseUnavailable,
  DATABASE_SCHEMA: EXIT.databaseSchema,
}

export function exitCodeOf(error: unknown): number {
  const code = errorCode(error)
  return (code === undefined ? undefined : CODES[code]) ?? EXIT.failed
}

/** What a shell expects of a program that a signal ended before its work was done. */
export function exitCodeOfSignal(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP'): number {
  return 128 + { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 }[signal]
}

/** `code: message`; with `isDebug` the stack and all causes too. */
export function describeError(error: unknown, isDebug: boolean): string {
  const code = errorCode(error) ?? 'INTERNAL'
  if (!(error instanceof Error)) return `${code}: ${String(error)}`
  if (!isDebug) return `${code}: ${error.message}`
  const causes: string[] = []
  // Bounded: a cause may lead back to its error.
  for (let cause = error.cause; cause !== undefined && causes.length < CAUSES_MAX; cause = causeOf(cause)) {
    causes.push(`\ncaused by ${stackOf(cause)}`)
  }
  return `${code}: ${error.stack ?? error.message}${causes.join('')}`
}

const CAUSES_MAX = 10

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return JSON.stringify(error) ?? 'nothing'
  return error.stack ?? error.message
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined
}
