// Sorts what a database or its driver throws, in one place. Everything else asks `sortFailure` and never looks
// at a SQLSTATE of its own.

import { CerebelumError } from '../core/errors.js'

/**
 * - `conflict`: rolled back for certain, the same statement may succeed at once;
 * - `busy`: not executed, the server is short of something: wait longer;
 * - `unknown`: the connection ended while the statement was under way: it may have been applied, or not;
 * - `unreachable`: never sent;
 * - `denied`: the server is there and lets us not in: wrong user, password or database;
 * - `duplicate`: a unique key exists already;
 * - `closed`: our own pool has been closed;
 * - `schema`: the tables are missing or of another shape;
 * - `fatal`: the statement itself is wrong, or its data: trying again cannot help.
 */
export type FailureKind =
  'conflict' | 'busy' | 'unknown' | 'unreachable' | 'denied' | 'duplicate' | 'closed' | 'schema' | 'fatal'

const KIND_BY_CODE: Readonly<Record<string, FailureKind>> = {
  '40001': 'conflict',
  '40P01': 'conflict',
  '55P03': 'conflict',
  // The server gave up on the statement (its time-out, or an operator): rolled back.
  '57014': 'busy',
  '25006': 'busy', // fail-over: this server is a replica for now
  '57P03': 'unreachable', // starting up or shutting down
  '3D000': 'denied',
  '40003': 'unknown',
  '25P03': 'unknown', // stood still in a transaction, which the server has ended
  '57P01': 'unknown',
  '57P02': 'unknown',
  '57P05': 'unknown',
  '23505': 'duplicate',
  '21000': 'duplicate', // one statement would have written the same key twice
  '42P01': 'schema',
  '42703': 'schema',
  '3F000': 'schema',
  ECONNREFUSED: 'unreachable',
  ENOTFOUND: 'unreachable',
  EAI_AGAIN: 'unreachable',
  ENOENT: 'unreachable', // Unix socket not there (yet)
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  CONNECT_TIMEOUT: 'unreachable',
  CONNECTION_CLOSED: 'unknown',
  ECONNRESET: 'unknown',
  EPIPE: 'unknown',
  ETIMEDOUT: 'unknown',
  CONNECTION_DESTROYED: 'closed',
  CONNECTION_ENDED: 'closed',
}

export function sortFailure(error: unknown): FailureKind {
  const code = failureCode(error)
  if (code === undefined) return 'fatal'
  const kind = KIND_BY_CODE[code]
  if (kind !== undefined) return kind
  if (code.startsWith('08')) return 'unknown'
  if (code.startsWith('28')) return 'denied'
  if (code.startsWith('53')) return 'busy'
  return 'fatal'
}

/** SQLSTATE, or the driver's or system's own code. */
export function failureCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** Whether the server itself said so: an error of the user's code may carry any `code`. */
export function isFromDatabase(error: unknown): boolean {
  return error instanceof Error && error.name === 'PostgresError'
}

/** Tells the history's key, which decides between two writers, from a unique key of a user's own tables. */
export function isVersionTaken(error: unknown): boolean {
  if (sortFailure(error) !== 'duplicate') return false
  if (typeof error !== 'object' || error === null || !('constraint_name' in error)) return false
  return typeof error.constraint_name === 'string' && /^events(_\d\d)?_pkey$/.test(error.constraint_name)
}

/** The typed error for what could not be helped by trying again. */
export function asStoreError(error: unknown, options: { call: string; doubtful: boolean }): CerebelumError {
  if (error instanceof CerebelumError) return error
  const reason = error instanceof Error ? error.message : String(error)
  const kind = sortFailure(error)
  const details = { cause: error, call: options.call }
  if (kind === 'schema') {
    const text = `The database does not have Cerebelum's tables as this release knows them (${reason}). Run "cerebelum migrate".`
    return new CerebelumError('DATABASE_SCHEMA', text, details)
  }
  if (kind === 'fatal' || kind === 'duplicate') {
    const text = `The database refused ${options.call}: ${reason}. This is a bug or a damaged table; see the cause.`
    return new CerebelumError('DATABASE_FAILED', text, details)
  }
  if (kind === 'closed') {
    const text = `The connections to the database were closed by stop() or close(), so ${options.call} was not carried out. Create another engine or client.`
    return new CerebelumError('ENGINE_STOPPED', text, details)
  }
  if (kind === 'denied') {
    const text = `The database denies access (${reason}). Check the user, the password and the database name in its URL.`
    return new CerebelumError('DATABASE_UNAVAILABLE', text, { ...details, retryAfterMs: RETRY_AFTER_MS })
  }
  if (options.doubtful) {
    const text = `The connection to the database was lost during ${options.call} (${reason}) and it is unknown whether it took effect. Try again with the same ids.`
    return new CerebelumError('OUTCOME_UNKNOWN', text, { ...details, retryAfterMs: RETRY_AFTER_MS })
  }
  const text = `The database could not carry out ${options.call}: ${reason}. Check that it is reachable and try again.`
  return new CerebelumError('DATABASE_UNAVAILABLE', text, { ...details, retryAfterMs: RETRY_AFTER_MS })
}

const RETRY_AFTER_MS = 1_000
