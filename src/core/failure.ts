// Failures: errors as data. They keep type, message, stack, code, cause, own data and which step and attempt they came
// from; they are stored in histories and thrown again at the await point on replay.

import { CerebelumError, errorCode, ERROR_CODES, type ErrorCode } from './errors.js'

export interface Failure {
  readonly type: string
  readonly message: string
  readonly stack?: string
  readonly code?: string
  readonly details?: Readonly<Record<string, unknown>>
  readonly cause?: Failure
  /** Of an AggregateError. */
  readonly errors?: readonly Failure[]
  readonly retryable?: false
  readonly step?: string
  readonly attempt?: number
}

const STACK_CHARACTERS_MAX = 4_000
const MESSAGE_CHARACTERS_MAX = 10_000
/** Causes in a row, and errors of an AggregateError. */
const CAUSES_MAX = 10
/** Own data of an error: enough to tell what happened, never a way around the limit of payloads. */
const DETAILS_MAX = 50
const DETAIL_CHARACTERS_MAX = 1_000
const TYPE_CHARACTERS_MAX = 200

/** Thrown by a step that should not be tried again whatever its retry policy says. */
export class NonRetryableError extends Error {
  readonly retryable = false
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.name = 'NonRetryableError'
  }
}

/** What is thrown at the await point when an execution is canceled. Clean-up code may catch it and run steps. */
export class CanceledError extends Error {
  readonly code = 'EXECUTION_CANCELED'
  constructor(reason: string) {
    super(`canceled: ${reason}`)
    this.name = 'CanceledError'
  }
}

/** Of anything that can be thrown. Telling about it must not fail, whatever its getters or traps do. */
export function toFailure(
  error: unknown,
  where: { step?: string; attempt?: number } = {},
  depth = 0,
): Failure {
  try {
    return tell(error, where, depth)
  } catch {
    return { type: 'Thrown', message: 'something that cannot be read', ...where }
  }
}

function tell(error: unknown, where: { step?: string; attempt?: number }, depth: number): Failure {
  if (!(error instanceof Error)) {
    return { type: 'Thrown', message: textOf(error).slice(0, MESSAGE_CHARACTERS_MAX), ...where }
  }
  const read = reader(error)
  const code = read('code')
  const stack = read('stack')
  const cause = depth >= CAUSES_MAX ? undefined : read('cause')
  const errors = depth >= CAUSES_MAX || !(error instanceof AggregateError) ? undefined : read('errors')
  const details = scalars(error instanceof CerebelumError ? error.details : ownData(error, read))
  return {
    type: textOf(read('name') || error.constructor.name).slice(0, TYPE_CHARACTERS_MAX),
    message: textOf(read('message')).slice(0, MESSAGE_CHARACTERS_MAX),
    ...(stack === undefined ? {} : { stack: textOf(stack).slice(0, STACK_CHARACTERS_MAX) }),
    ...(typeof code === 'string' ? { code: code.slice(0, TYPE_CHARACTERS_MAX) } : {}),
    ...(Object.keys(details).length === 0 ? {} : { details }),
    ...(cause === undefined ? {} : { cause: toFailure(cause, {}, depth + 1) }),
    ...(Array.isArray(errors)
      ? { errors: errors.slice(0, CAUSES_MAX).map((one: unknown) => toFailure(one, {}, depth + 1)) }
      : {}),
    ...(read('retryable') === false ? { retryable: false as const } : {}),
    ...(where.step === undefined ? originOf(read) : {}),
    ...where,
  }
}

type Reader = (key: string) => unknown

/** Reads a property, or undefined where its getter throws. */
function reader(error: Error): Reader {
  return (key) => {
    try {
      return Reflect.get(error, key)
    } catch {
      return undefined
    }
  }
}

/** The step and attempt that an error came from, when it has passed through a history already. */
function originOf(read: Reader): { step?: string; attempt?: number } {
  const step = read('step')
  const attempt = read('attempt')
  if (typeof step !== 'string') return {}
  return { step, ...(typeof attempt === 'number' ? { attempt } : {}) }
}

const BUILT_IN = { Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError } as const

/** The error of a failure; `name`, `stack`, `cause`, `code` and own scalar properties are those of the original. */
export function fromFailure(failure: unknown): Error {
  if (!isFailure(failure)) return new Error('unreadable failure')
  const options = failure.cause === undefined ? undefined : { cause: fromFailure(failure.cause) }
  const error = make(failure, options)
  if (error.name !== failure.type) define(error, 'name', failure.type)
  if (failure.stack !== undefined) define(error, 'stack', failure.stack)
  if (failure.code !== undefined && !('code' in error)) Object.assign(error, { code: failure.code })
  if (failure.retryable === false && !('retryable' in error)) Object.assign(error, { retryable: false })
  if (failure.step !== undefined) Object.assign(error, { step: failure.step })
  if (failure.attempt !== undefined) Object.assign(error, { attempt: failure.attempt })
  return error
}

function make(failure: Failure, options: { cause: Error } | undefined): Error {
  if (failure.type === 'CerebelumError') {
    const known = errorCode({ code: failure.code })
    const code: ErrorCode = known ?? 'INTERNAL'
    return new CerebelumError(code, failure.message, { ...failure.details, ...options })
  }
  if (failure.type === 'AggregateError' && failure.errors !== undefined) {
    return Object.assign(
      new AggregateError(failure.errors.map(fromFailure), failure.message, options),
      failure.details,
    )
  }
  const found = Object.entries(BUILT_IN).find(([name]) => name === failure.type)
  const error = new (found?.[1] ?? Error)(failure.message, options)
  if (failure.details !== undefined) Object.assign(error, failure.details)
  return error
}

function define(error: Error, key: string, value: string): void {
  Object.defineProperty(error, key, { value, configurable: true, writable: true, enumerable: false })
}

export function isFailure(value: unknown): value is Failure {
  return (
    typeof value === 'object' &&
    value !== null &&
    'type' in value &&
    'message' in value &&
    typeof value.type === 'string' &&
    typeof value.message === 'string'
  )
}

const TOLD: ReadonlySet<string> = new Set([
  'name',
  'code',
  'details',
  'retryable',
  'cause',
  'errors',
  'step',
  'attempt',
])

function ownData(error: Error, read: Reader): Readonly<Record<string, unknown>> {
  const keys = Object.keys(error).filter((key) => !TOLD.has(key))
  return Object.fromEntries(keys.map((key) => [key, read(key)]))
}

function scalars(record: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const entries: [string, unknown][] = []
  for (const [key, value] of Object.entries(record)) {
    if (entries.length >= DETAILS_MAX) break
    if (typeof value === 'string') entries.push([key, value.slice(0, DETAIL_CHARACTERS_MAX)])
    else if (value === null || typeof value === 'number' || typeof value === 'boolean')
      entries.push([key, value])
  }
  return Object.fromEntries(entries)
}

/** Of anything: people throw and overwrite what they like, and telling about it must not fail. */
function textOf(value: unknown): string {
  try {
    return typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))
  } catch {
    return Object.prototype.toString.call(value)
  }
}

/** HTTP status of an error: by its code, 500 for strangers. */
export function statusOf(error: unknown): number {
  const code = errorCode(error)
  return code === undefined ? 500 : ERROR_CODES[code]
}
