// Errors as problem details (RFC 9457, application/problem+json): type, title, status, detail, instance, code, and
// those details that are safe to show. Promises a stable `code` per failure. Must never show a stack, SQL, a host
// name, or the text of an error that is not ours: strangers become a bare 500.

import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { z } from 'zod'
import { CerebelumError, ERROR_CODES, errorCode, type ErrorCode } from '../core/errors.js'

/** Codes that only the HTTP face has, with their status; the others are those of core/errors.ts. */
const OWN_CODES = {
  ROUTE_NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  UNSUPPORTED_MEDIA_TYPE: 415,
  MALFORMED_JSON: 400,
  CROSS_SITE_REQUEST: 403,
} as const

const STATUSES = { ...ERROR_CODES, ...OWN_CODES } as const

export type HttpCode = keyof typeof OWN_CODES | Extract<ErrorCode, 'INVALID_ARGUMENT' | 'PAYLOAD_TOO_LARGE'>

/** The status that a code is answered with. */
export function statusOfCode(code: ErrorCode | HttpCode): ContentfulStatusCode {
  return STATUSES[code]
}

/** A request that was refused before it reached the client. */
export class HttpProblem extends Error {
  readonly status: ContentfulStatusCode
  readonly code: HttpCode
  readonly headers: Readonly<Record<string, string>>
  readonly issues: readonly string[] | undefined

  constructor(
    code: HttpCode,
    message: string,
    headers: Readonly<Record<string, string>> = {},
    options: { readonly cause?: unknown; readonly issues?: readonly string[] } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'HttpProblem'
    this.status = statusOfCode(code)
    this.code = code
    this.headers = headers
    this.issues = options.issues
  }
}

interface Problem {
  readonly status: ContentfulStatusCode
  readonly code: string
  readonly detail: string
  readonly headers: Readonly<Record<string, string>>
  readonly extra: Readonly<Record<string, unknown>>
}

/** The response for anything that was thrown. */
export function problemResponse(c: Context, error: unknown): Response {
  const { status, headers } = describe(error)
  const requestId: unknown = c.get('requestId')
  const body = { ...problemOf(error, c.req.path), ...(typeof requestId === 'string' ? { requestId } : {}) }
  return c.body(JSON.stringify(body), status, { 'Content-Type': 'application/problem+json', ...headers })
}

/** The same as data, for answers that tell of several requests. */
export function problemOf(error: unknown, instance: string): ProblemDetails {
  const { status, code, detail, extra } = describe(error)
  return {
    type: `urn:cerebelum:error:${code.toLowerCase().replaceAll('_', '-')}`,
    title: titleOf(code),
    status,
    detail,
    instance,
    code,
    ...extra,
  }
}

type ProblemDetails = Readonly<Record<string, unknown>> & { readonly status: number; readonly code: string }

/** What problem details look like on the wire. */
export const problemShape = z
  .object({
    type: z.string().meta({ description: 'A URN of the code.' }),
    title: z.string(),
    status: z.int().min(400).max(599),
    detail: z.string().meta({ description: 'What failed, with which value, and what to do.' }),
    instance: z.string(),
    code: z.string().meta({ description: 'Stable: branch on this, never on texts.' }),
    requestId: z
      .string()
      .optional()
      .meta({ description: 'The X-Request-Id of the request; logs have it too.' }),
    executionId: z.string().optional(),
    workflow: z.string().optional(),
    step: z.string().optional(),
    name: z.string().optional(),
    version: z.number().optional(),
    executionStatus: z.string().optional(),
    limit: z.string().optional().meta({ description: 'Name of the limit that was met.' }),
    bytes: z.number().optional(),
    bytesMax: z.number().optional(),
    issues: z
      .array(z.string())
      .optional()
      .meta({ description: 'Everything that is wrong with the request.' }),
  })
  .meta({ id: 'Problem', description: 'Problem details (RFC 9457).' })

function describe(error: unknown): Problem {
  if (error instanceof HttpProblem) {
    const extra = error.issues === undefined ? {} : { issues: error.issues }
    return { status: error.status, code: error.code, detail: error.message, headers: error.headers, extra }
  }
  const code = errorCode(error)
  if (code === undefined || !(error instanceof Error)) {
    return { status: 500, code: 'INTERNAL', detail: INTERNAL, headers: {}, extra: {} }
  }
  const status = ERROR_CODES[code]
  const details = detailsOf(error)
  return {
    status,
    code,
    detail: GENERIC[code] ?? error.message,
    headers: status === 429 || status === 503 ? { 'Retry-After': retryAfter(details['retryAfterMs']) } : {},
    extra: safe(details),
  }
}

const INTERNAL = 'The server failed while it handled the request. Its log has the reason.'

/** Texts for codes whose own message may name hosts, statements or values of the installation. */
const GENERIC: Readonly<Partial<Record<ErrorCode, string>>> = {
  DATABASE_FAILED: 'The database refused a statement. The log of the server has the reason.',
  DATABASE_SCHEMA: 'The tables of this installation do not fit this release. Run `cerebelum migrate`.',
  DATABASE_UNAVAILABLE: 'The database cannot be reached right now. Nothing was changed: try again.',
  OUTCOME_UNKNOWN: 'The connection was lost while the change was written. Try again with the same ids.',
  SETTINGS: 'The server is set up wrongly. Its log has the reason.',
  INTERNAL,
}

/** What may be shown of an error's details, when it is a scalar or a list of texts. */
const SHOWN = [
  'executionId',
  'workflow',
  'step',
  'name',
  'version',
  'status',
  'limit',
  'bytes',
  'bytesMax',
  'issues',
]

function safe(details: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const shown: Record<string, unknown> = {}
  for (const key of SHOWN) {
    const value = details[key]
    // `status` of the problem itself is the HTTP status; an execution's goes by another name.
    if (isShowable(value)) shown[key === 'status' ? 'executionStatus' : key] = value
  }
  return shown
}

function isShowable(value: unknown): boolean {
  if (Array.isArray(value)) return value.every((entry) => typeof entry === 'string')
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}

function detailsOf(error: Error): Readonly<Record<string, unknown>> {
  if (error instanceof CerebelumError) return error.details
  // A second copy of the package throws another class with the same shape.
  if ('details' in error && typeof error.details === 'object' && error.details !== null)
    return { ...error.details }
  return {}
}

/** Whole seconds, at least 1 (RFC 9110, 10.2.3). */
function retryAfter(ms: unknown): string {
  return String(typeof ms === 'number' && ms > 0 ? Math.ceil(ms / 1_000) : 1)
}

function titleOf(code: string): string {
  const words = code.toLowerCase().replaceAll('_', ' ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}
