// A route: one path, the methods it answers, and nothing else. Methods that it does not answer get 405 with
// `Allow`, so every path is listed exactly once and can never be half known.

import type { Context, Hono } from 'hono'
import { HttpProblem } from './problem.js'

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE'
export type Handler = (c: Context) => Response | Promise<Response>

export interface Route {
  readonly path: string
  readonly methods: Readonly<Partial<Record<Method, Handler>>>
}

export function mount(app: Hono, prefix: string, routes: readonly Route[]): void {
  for (const { path, methods } of routes) {
    for (const [method, handler] of Object.entries(methods)) app.on(method, prefix + path, handler)
    const allow = allowOf(methods)
    app.all(prefix + path, (c) => {
      if (c.req.method === 'OPTIONS') return c.body(null, 204, { Allow: allow })
      throw new HttpProblem(
        405,
        'METHOD_NOT_ALLOWED',
        `This resource does not answer ${c.req.method}. Use one of: ${allow}.`,
        { Allow: allow },
      )
    })
  }
}

function allowOf(methods: Route['methods']): string {
  const names = Object.keys(methods).flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]))
  return [...names, 'OPTIONS'].join(', ')
}

/** A parameter of the path, decoded once: `a%2Fb` is the id `a/b`. */
export function pathParameter(c: Context, name: string): string {
  const value = c.req.param(name)
  if (value === undefined || value === '') {
    throw new HttpProblem(
      400,
      'INVALID_ARGUMENT',
      `The path has an empty "${name}". Put a URL-encoded value there.`,
    )
  }
  return value
}

/** Refuses paths such as `/executions/%zz`, which would otherwise pass as the literal text. */
export function checkPathEncoding(url: string): void {
  if (!url.includes('%')) return
  try {
    decodeURIComponent(new URL(url).pathname)
  } catch (cause) {
    throw new HttpProblem(
      400,
      'INVALID_ARGUMENT',
      'The path has a malformed percent-encoding. Encode ids and names with encodeURIComponent.',
      {},
      { cause },
    )
  }
}
