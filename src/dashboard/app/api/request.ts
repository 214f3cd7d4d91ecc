// Requests to /api/v1 of the node that served this page. Reads are conditional: the browser keeps the last answer and
// its ETag, and a 304 costs a header. Every refusal is an ApiError with the stable code and the advice of the problem
// details. Must never send a change without a key where the API takes one: what is sent twice happens once.

import { signal } from '@preact/signals'
import { noteServerTime } from '../clock.js'

export class ApiError extends Error {
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, detail: string) {
    super(detail)
    this.name = 'ApiError'
    this.status = status
    this.code = code
  }
}

/** Whether the last request reached the server; the pages keep what they show, and say so. */
export const isOnline = signal(true)

export async function get<T>(path: string, stop?: AbortSignal): Promise<T> {
  const response = await send(path, {
    cache: 'no-cache',
    headers: { Accept: 'application/json' },
    ...(stop === undefined ? {} : { signal: stop }),
  })
  const body: T = await response.json()
  return body
}

export interface ChangeOptions {
  readonly body?: unknown
  readonly method?: 'POST' | 'PATCH' | 'DELETE'
  /** For what the API takes an Idempotency-Key for. */
  readonly key?: string
}

export async function change<T>(path: string, options: ChangeOptions = {}): Promise<T | undefined> {
  const { body, method = 'POST', key } = options
  const response = await send(path, {
    method,
    headers: {
      Accept: 'application/json',
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...(key === undefined ? {} : { 'Idempotency-Key': key }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  if (response.status === 204) return undefined
  const answer: T = await response.json()
  return answer
}

/** Also where the page is not from a secure origin, and `crypto.randomUUID` does not exist. */
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('')
}

async function send(path: string, init: RequestInit): Promise<Response> {
  let response: Response
  try {
    response = await fetch(`/api/v1${path}`, init)
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    isOnline.value = false
    throw new ApiError(0, 'UNREACHABLE', 'The node does not answer. This page asks it again by itself.')
  }
  isOnline.value = true
  noteServerTime(response.headers.get('date'))
  if (response.ok) return response
  throw await problemOf(response)
}

async function problemOf(response: Response): Promise<ApiError> {
  const { status } = response
  try {
    const problem: unknown = await response.json()
    const { code, detail } = Object(problem)
    return new ApiError(status, String(code ?? `HTTP_${status}`), String(detail ?? response.statusText))
  } catch {
    return new ApiError(status, `HTTP_${status}`, `The server answered ${status} ${response.statusText}.`)
  }
}
