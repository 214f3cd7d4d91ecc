// Routes out of operations: each path is mounted once with the methods it answers. Methods that it does not answer get
// 405 with `Allow`, so a path can never be half known.

import type { Hono } from 'hono'
import type { Operation } from './operation.js'
import { HttpProblem } from './problem.js'

export type Mounted = Pick<Operation, 'method' | 'path' | 'handle'>

export function mount(app: Hono, prefix: string, operations: readonly Mounted[]): void {
  // All of them before any refusal: a fixed path and a parameter may answer different methods of the same URL.
  for (const { method, path, handle } of operations) app.on(method, prefix + path, handle)
  for (const path of new Set(operations.map((operation) => operation.path))) {
    const allow = allowOf(operations.filter((operation) => operation.path === path))
    app.all(prefix + path, (c) => {
      if (c.req.method === 'OPTIONS') return c.body(null, 204, { Allow: allow })
      throw new HttpProblem(
        'METHOD_NOT_ALLOWED',
        `This resource does not answer ${c.req.method}. Use one of: ${allow}.`,
        { Allow: allow },
      )
    })
  }
}

function allowOf(operations: readonly Mounted[]): string {
  const names = operations.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method]))
  return [...names, 'OPTIONS'].join(', ')
}

/** Refuses paths such as `/executions/%zz`, which would otherwise pass as the literal text. */
export function checkPathEncoding(url: string): void {
  if (!url.includes('%')) return
  try {
    decodeURIComponent(new URL(url).pathname)
  } catch (cause) {
    throw new HttpProblem(
      'INVALID_ARGUMENT',
      'The path has a malformed percent-encoding. Encode ids and names with encodeURIComponent.',
      {},
      { cause },
    )
  }
}
