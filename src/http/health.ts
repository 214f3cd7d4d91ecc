// Health for load balancers and orchestrators. `/healthz`: the process answers, whatever the database does, so that
// a database outage never makes an orchestrator kill every node. `/readyz`: it can take work; 503 while the
// database is down or the node drains.

import type { Context } from 'hono'
import { z } from 'zod'
import { noParams, reading, type Operation } from './operation.js'
import { looseQuery } from './schemas.js'

export interface Readiness {
  readonly ready: boolean
  /** Why not; shown to the caller, so it names no hosts and no credentials. */
  readonly reason?: string
}

export interface HealthOptions {
  readonly readiness: () => Promise<Readiness>
  readonly draining: AbortSignal
}

const readiness = z.object({ ready: z.boolean(), reason: z.string().optional() }).meta({ id: 'Readiness' })

const COMMON = {
  method: 'GET',
  tag: 'Service',
  role: 'viewer',
  params: noParams,
  // Load balancers add what they like.
  query: looseQuery,
  errors: [],
} as const

export function healthOperations(options: HealthOptions): readonly Operation[] {
  return [
    reading({
      ...COMMON,
      id: 'getHealth',
      path: '/healthz',
      summary: 'Whether the process answers',
      answers: {
        200: { description: 'It does.', body: z.object({ alive: z.boolean() }).meta({ id: 'Health' }) },
      },
      handle: ({ c }) => c.json({ alive: true }),
    }),
    reading({
      ...COMMON,
      id: 'getReadiness',
      path: '/readyz',
      summary: 'Whether this node can take work',
      answers: {
        200: { description: 'It can.', body: readiness },
        503: {
          description: 'It drains, or its database is down.',
          body: readiness,
          headers: { 'Retry-After': 'Seconds.' },
        },
      },
      handle: ({ c }) => ready(c, options),
    }),
  ]
}

async function ready(c: Context, { readiness: check, draining }: HealthOptions): Promise<Response> {
  const state = draining.aborted ? { ready: false, reason: 'draining' } : await ask(check)
  c.header('Cache-Control', 'no-store')
  if (state.ready) return c.json({ ready: true })
  return c.json({ ready: false, reason: state.reason ?? 'not ready' }, 503, { 'Retry-After': '1' })
}

async function ask(check: HealthOptions['readiness']): Promise<Readiness> {
  try {
    return await check()
  } catch {
    // A check that fails is the answer: whatever is wrong, this node should get no traffic.
    return { ready: false, reason: 'the readiness check failed' }
  }
}
