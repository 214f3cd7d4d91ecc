// An engine behind its HTTP face on a real socket, and requests to it as programs send them.

import { afterAll, beforeAll, expect } from 'vitest'
import type { EngineOptions } from '../../src/engine/create-engine.js'
import { createHttpApp, type HttpAppOptions } from '../../src/http/app.js'
import { serveHttp, type HttpServer } from '../../src/http/serve.js'
import type { Workflow } from '../../src/workflow/define.js'
import { useEngine, type TestEngine } from './engine.js'
import { OpenApiJudge } from './openapi.js'

export interface Answer {
  readonly status: number
  readonly headers: Headers
  /** Parsed JSON, or undefined when there is no body. */
  readonly body: unknown
}

export interface RequestOptions {
  /** Sent as JSON, unless it is a string or bytes, which are sent as they are. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

export interface TestHttp extends TestEngine {
  readonly url: string
  readonly server: HttpServer
  /** `path` under /api/v1, unless it begins with a dot: then from the root. */
  request(method: string, path: string, options?: RequestOptions): Promise<Answer>
}

export function useHttp(
  workflows: readonly Workflow[],
  options: Partial<Omit<EngineOptions, 'workflows'>> & {
    readonly app?: Partial<HttpAppOptions>
    /** What a node serves beside the API. */
    readonly mount?: (app: ReturnType<typeof createHttpApp>) => void
  } = {},
): TestHttp {
  const { app: appOptions, mount, ...engineOptions } = options
  const using = useEngine(workflows, engineOptions)
  let server: HttpServer | undefined
  let judge: OpenApiJudge | undefined

  beforeAll(async () => {
    const { engine } = using
    const readiness = (): Promise<{ ready: boolean }> => Promise.resolve({ ready: engine.isReady })
    const app = createHttpApp({ client: using.client, readiness, ...appOptions })
    mount?.(app)
    server = await serveHttp(app, { port: 0 })
    judge = new OpenApiJudge((await send(`${server.url}/api/v1/openapi.json`, 'GET', {})).body)
  })
  afterAll(() => server?.close({ graceMs: 0 }))

  const given = (): HttpServer => {
    if (server === undefined) throw new Error('useHttp: only within tests')
    return server
  }
  return Object.defineProperties(using, {
    url: { get: () => given().url },
    server: { get: given },
    request: {
      value: async (method: string, path: string, request: RequestOptions = {}) => {
        const url = `${given().url}${path.startsWith('.') ? path.slice(1) : `/api/v1${path}`}`
        const answer = await send(url, method, request)
        // Whatever a test asks for, the answer is as documented.
        expect(judge?.findings({ method, path: new URL(url).pathname, ...answer })).toEqual([])
        return answer
      },
    },
  }) as TestHttp
}

async function send(url: string, method: string, options: RequestOptions): Promise<Answer> {
  const { body, headers = {}, signal } = options
  const isRaw = typeof body === 'string' || body instanceof Uint8Array
  const response = await fetch(url, {
    method,
    redirect: 'manual',
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: isRaw ? body : JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  })
  // It has no end of its own, and is looked at by tests of streams.
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true
  if (isStream) await response.body?.cancel()
  const text = isStream ? '' : await response.text()
  return {
    status: response.status,
    headers: response.headers,
    body: text === '' ? undefined : JSON.parse(text),
  }
}
