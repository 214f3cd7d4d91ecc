// The server under the HTTP face: listens, and closes without cutting an answer short. Promises that `close` ends
// within its grace time whatever clients do, and that a taken port is a typed error with advice.

import type { Server } from 'node:http'
import { createServer } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'
import { CerebelumError } from '../core/errors.js'
import { systemClock } from '../core/ports.js'

export interface ServeHttpOptions {
  /** 0: any free port. */
  readonly port: number
  /** Default 127.0.0.1: this machine only. */
  readonly host?: string
}

export interface HttpServer {
  readonly host: string
  /** The port it got. */
  readonly port: number
  readonly url: string
  /** Stops accepting, waits for running requests up to `graceMs` (default 5 s), then cuts the rest. Idempotent. */
  close(options?: { readonly graceMs?: number }): Promise<void>
}

const GRACE_MS = 5_000
/** A request must arrive whole within this time: slow senders hold no connection. */
const REQUEST_MS_MAX = 60_000
const HEADERS_MS_MAX = 10_000

/** @throws CerebelumError SETTINGS when the port cannot be had (details.reason: the system's code) */
export async function serveHttp(app: Hono, options: ServeHttpOptions): Promise<HttpServer> {
  const { port, host = '127.0.0.1' } = options
  const server = createServer(
    { requestTimeout: REQUEST_MS_MAX, headersTimeout: HEADERS_MS_MAX },
    getRequestListener(app.fetch),
  )
  let isClosing = false
  server.on('request', (_request, response) => {
    // A connection that was busy when the close began is idle now, and would be waited for.
    response.once('close', () => {
      if (isClosing) setImmediate(() => server.closeIdleConnections())
    })
  })
  await listen(server, port, host)
  const address = server.address()
  const actual = typeof address === 'object' && address !== null ? address.port : port
  let closing: Promise<void> | undefined
  return {
    host,
    port: actual,
    url: `http://${host.includes(':') ? `[${host}]` : host}:${actual}`,
    close({ graceMs = GRACE_MS } = {}) {
      isClosing = true
      return (closing ??= close(server, graceMs))
    },
  }
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(cannotListen(cause, port, host)))
    server.listen({ port, host }, () => {
      server.removeAllListeners('error')
      resolve()
    })
  })
}

function cannotListen(cause: NodeJS.ErrnoException, port: number, host: string): CerebelumError {
  const reason = cause.code ?? 'unknown'
  const advice =
    reason === 'EADDRINUSE'
      ? 'Another process has this port (a running Cerebelum?). Stop it, or choose another port with --port; --port 0 takes any free one.'
      : reason === 'EACCES'
        ? 'Ports below 1024 need privileges. Choose another port with --port.'
        : 'Choose another port or host with --port and --host.'
  return new CerebelumError('SETTINGS', `HTTP cannot listen on ${host}:${port} (${reason}). ${advice}`, {
    cause,
    port,
    host,
    reason,
  })
}

function close(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const cancel = systemClock.after(graceMs, () => server.closeAllConnections())
    server.close(() => {
      cancel()
      resolve()
    })
    server.closeIdleConnections()
  })
}
