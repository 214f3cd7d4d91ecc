// Requests over `fetch`: sent again when the network or the server is away, a bounded number of times, with jitter. That is
// safe because every POST carries an Idempotency-Key, which all attempts of one call share.

import { delay, randomFraction, randomHex, systemClock } from '../core/ports.js'
import { errorOf, unavailable } from './problems.js'

export interface TransportOptions {
  /** Where the server is, e.g. `https://workflows.example.com`. */
  readonly url: string | URL
  /** Sent with each request, e.g. `{ Authorization: 'Bearer …' }`; a function is asked each time. */
  readonly headers?: Fields | (() => Fields | Promise<Fields>)
  /** Of each request, before the call fails with SERVER_UNAVAILABLE; default 5. */
  readonly attempts?: number
  /** How long one attempt may take, beside what it asks the server to wait; default 30 s. */
  readonly timeoutMs?: number
  readonly fetch?: typeof fetch
}

type Fields = Readonly<Record<string, string>>

export interface Call {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  readonly path: readonly string[]
  readonly query?: Readonly<Record<string, string | number | undefined>>
  readonly body?: unknown
  /** Default: one is made for each call that needs one. */
  readonly key?: string | undefined
  /** How long the server is asked to wait before it answers. */
  readonly waitMs?: number
  readonly signal?: AbortSignal | undefined
}

export interface Answer<T> {
  readonly status: number
  /** As the server promises it. */
  readonly body: T
}

const ATTEMPTS = 5
const TIMEOUT_MS = 30_000
const BACKOFF_MS_MIN = 100
const BACKOFF_MS_MAX = 5_000
const RETRY_AFTER_MS_MAX = 30_000
/** Too many requests, and what a balancer or a server that drains answers. */
const PASSING: ReadonlySet<number> = new Set([429, 502, 503, 504])

export class Transport {
  private readonly options: TransportOptions
  private readonly base: string

  constructor(options: TransportOptions) {
    this.options = options
    this.base = `${String(options.url).replace(/\/+$/, '')}/api/v1`
  }

  /** @throws CerebelumError with the server's code | SERVER_UNAVAILABLE | UNEXPECTED_ANSWER; the reason of `signal` */
  async send<T>(call: Call): Promise<Answer<T>> {
    const { attempts = ATTEMPTS } = this.options
    const request = this.requestOf(call)
    let cause: unknown
    for (let attempt = 1; attempt <= attempts; attempt += 1) {
      call.signal?.throwIfAborted()
      const sent = await this.attempt<T>(call, request)
      if (sent.kind === 'answer') return sent.answer
      // Deleted by an attempt whose answer was lost.
      if (sent.kind === 'refused' && sent.status === 404 && call.method === 'DELETE' && attempt > 1)
        return { status: 204, body: JSON.parse('null') }
      if (sent.kind === 'refused') throw sent.error
      cause = sent.error
      if (attempt === attempts && sent.kind === 'busy') throw sent.error
      if (attempt < attempts) await delay(systemClock, pause(attempt, sent.afterMs), call.signal)
    }
    throw unavailable(this.base, attempts, cause)
  }

  private requestOf({ method, path, query = {}, body, key }: Call): Prepared {
    const search = new URLSearchParams()
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) search.set(name, String(value))
    return {
      url: `${this.base}/${path.map(encodeURIComponent).join('/')}${search.size === 0 ? '' : `?${search.toString()}`}`,
      init: { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) },
      fields: {
        Accept: 'application/json, application/problem+json',
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...(method === 'POST' ? { 'Idempotency-Key': key ?? randomHex(16) } : {}),
      },
    }
  }

  private async attempt<T>(call: Call, { url, init, fields }: Prepared): Promise<Sent<T>> {
    const { fetch: fetching = fetch, headers = {}, timeoutMs = TIMEOUT_MS } = this.options
    const own = typeof headers === 'function' ? await headers() : headers
    const timeout = AbortSignal.timeout(timeoutMs + (call.waitMs ?? 0))
    const signal = call.signal === undefined ? timeout : AbortSignal.any([call.signal, timeout])
    try {
      return await read<T>(await fetching(url, { ...init, headers: { ...own, ...fields }, signal }))
    } catch (error) {
      call.signal?.throwIfAborted()
      return { kind: 'away', error, afterMs: 0 }
    }
  }
}

interface Prepared {
  readonly url: string
  readonly init: { readonly method: string; readonly body?: string }
  readonly fields: Fields
}

type Sent<T> =
  | { readonly kind: 'answer'; readonly answer: Answer<T> }
  | { readonly kind: 'refused'; readonly status: number; readonly error: Error }
  | { readonly kind: 'busy' | 'away'; readonly error: unknown; readonly afterMs: number }

async function read<T>(response: Response): Promise<Sent<T>> {
  const { status } = response
  const text = await response.text()
  if (response.ok) {
    const body: T = JSON.parse(text === '' ? 'null' : text)
    return { kind: 'answer', answer: { status, body } }
  }
  const error = errorOf(status, parsed(text))
  if (!PASSING.has(status)) return { kind: 'refused', status, error }
  return { kind: 'busy', error, afterMs: Number(response.headers.get('retry-after') ?? 0) * 1_000 }
}

/** What stands between may answer with anything. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Full jitter below a bound that doubles, and no sooner than the server says. */
function pause(attempt: number, afterMs: number): number {
  const boundMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** attempt)
  const saidMs = Number.isFinite(afterMs) && afterMs > 0 ? Math.min(afterMs, RETRY_AFTER_MS_MAX) : 0
  return saidMs + randomFraction() * boundMs
}
