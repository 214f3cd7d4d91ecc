// Every error that Cerebelum throws: one class, a stable code, the ids it concerns, and a text of three
// parts (what failed, with which value, what to do). Callers branch on `code`, never on text or class,
// so that errors stay recognisable across two copies of the package and across the network.

/** Every stable error code with the HTTP status that the HTTP face answers it with. */
export const ERROR_CODES = {
  UNKNOWN_WORKFLOW: 404,
  EXECUTION_NOT_FOUND: 404,
  EXECUTION_EXISTS: 409,
  EXECUTION_CLOSED: 409,
  EXECUTION_NOT_CLOSED: 409,
  EXECUTION_NOT_RESUMABLE: 409,
  EXECUTION_FAILED: 422,
  EXECUTION_CANCELED: 409,
  EXECUTION_TERMINATED: 409,
  SCHEDULE_NOT_FOUND: 404,
  SCHEDULE_EXISTS: 409,
  INVALID_SCHEDULE: 400,
  CONFLICT: 409,
  INVALID_ID: 400,
  INVALID_NAME: 400,
  INVALID_INPUT: 400,
  INVALID_OUTPUT: 422,
  INVALID_ARGUMENT: 400,
  INVALID_CURSOR: 400,
  INVALID_DURATION: 400,
  UNSERIALIZABLE: 400,
  UNREADABLE_VALUE: 500,
  PAYLOAD_TOO_LARGE: 413,
  HISTORY_TOO_LONG: 422,
  TOO_MANY: 429,
  OVERLOADED: 503,
  RESULT_TIMEOUT: 408,
  UPDATE_REJECTED: 422,
  UPDATE_TIMEOUT: 408,
  QUERY_FAILED: 422,
  QUERY_UNAVAILABLE: 503,
  STEP_TIMEOUT: 500,
  STEP_FAILED: 500,
  REPLAY_DISAGREES: 500,
  WORKFLOW_STALLED: 500,
  NOT_DETERMINISTIC: 500,
  DATABASE_UNAVAILABLE: 503,
  DATABASE_FAILED: 500,
  DATABASE_SCHEMA: 500,
  OUTCOME_UNKNOWN: 503,
  ENGINE_STOPPED: 503,
  ENGINE_NOT_STARTED: 503,
  SERVER_UNAVAILABLE: 503,
  UNEXPECTED_ANSWER: 502,
  SETTINGS: 500,
  INTERNAL: 500,
} as const

export type ErrorCode = keyof typeof ERROR_CODES

/** What an error concerns; all optional, all shown to the caller. */
export interface ErrorDetails {
  readonly executionId?: string
  readonly workflow?: string
  readonly step?: string
  readonly version?: number
  readonly limit?: string
  readonly retryAfterMs?: number
  readonly cause?: unknown
  readonly [extra: string]: unknown
}

/**
 * The one class of error that Cerebelum throws.
 *
 * @example
 * try { await client.signal('order-7', 'approved', true) }
 * catch (error) { if (errorCode(error) === 'EXECUTION_CLOSED') … }
 */
export class CerebelumError extends Error {
  readonly code: ErrorCode
  readonly details: ErrorDetails

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'CerebelumError'
    this.code = code
    this.details = details
  }
}

/** The stable code of an error, or undefined when it is not one of ours (works across package copies). */
export function errorCode(error: unknown): ErrorCode | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  const code = error.code
  return typeof code === 'string' && isErrorCode(code) ? code : undefined
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CODES, code)
}
