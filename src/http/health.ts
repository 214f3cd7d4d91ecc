// Health for load balancers and orchestrators. `/healthz`: the process answers, whatever the database does, so that
// a database outage never makes an orchestrator kill every node. `/readyz`: it can take work; 503 while the
// database is down, the node drains, or it has just refused work because too much waits.

import type { Context } from 'hono'
import { z } from 'zod'
import { noParams, reading, type Operation } from './operation.js'
import type { Overload } from './overload.js'
import { looseQuery } from './schemas.js'

export interface Readiness {
  readonly ready: boolean
  /** Why not; shown to the caller, so it names no hosts and no credentials. */
  readonly reason?: string
}

export interface HealthOptions {
  readonly readiness: () => Promise<Readiness>
  readonly draining: AbortSignal
  readonly overload: Overload
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
          description: 'It drains, its database is down, or it has just refused work as too much.',
          body: readiness,
          headers: { 'Retry-After': 'Seconds.' },
        },
      },
      handle: ({ c }) => ready(c, options),
    }),
  ]
}

async function ready(c: Context, options: HealthOptions): Promise<Response> {
  const state = await stateOf(options)
  c.header('Cache-Control', 'no-store')
  if (state.ready) return c.json({ ready: true })
  return c.json({ ready: false, reason: state.reason ?? 'not ready' }, 503, { 'Retry-After': '1' })
}

/** Whether this node should be sent traffic. */
export async function stateOf({ readiness: check, draining, overload }: HealthOptions): Promise<Readiness> {
  if (draining.aborted) return { ready: false, reason: 'draining' }
  if (overload.isNow) return { ready: false, reason: 'overloaded' }
  return ask(check)
}

async function ask(check: HealthOptions['readiness']): Promise<Readiness> {
  try {
    return await check()
  } catch {
    // A check that fails is the answer: whatever is wrong, this node should get no traffic.
    return { ready: false, reason: 'the readiness check failed' }
  }
}
