// Health for load balancers and orchestrators. `/healthz`: the process answers, whatever the database does, so that
// a database outage never makes an orchestrator kill every node. `/readyz`: it can take work; 503 while the
// database is down or the node drains.

import type { Context } from 'hono'
import type { Route } from './route.js'

export interface Readiness {
  readonly ready: boolean
  /** Why not; shown to the caller, so it names no hosts and no credentials. */
  readonly reason?: string
}

export interface HealthOptions {
  readonly readiness: () => Promise<Readiness>
  readonly draining: AbortSignal
}

export function healthRoutes(options: HealthOptions): readonly Route[] {
  return [
    { path: '/healthz', methods: { GET: (c) => c.json({ alive: true }) } },
    { path: '/readyz', methods: { GET: (c) => ready(c, options) } },
  ]
}

async function ready(c: Context, { readiness, draining }: HealthOptions): Promise<Response> {
  const state = draining.aborted ? { ready: false, reason: 'draining' } : await ask(readiness)
  c.header('Cache-Control', 'no-store')
  if (state.ready) return c.json({ ready: true })
  return c.json({ ready: false, reason: state.reason ?? 'not ready' }, 503, { 'Retry-After': '1' })
}

async function ask(readiness: HealthOptions['readiness']): Promise<Readiness> {
  try {
    return await readiness()
  } catch {
    // A check that fails is the answer: whatever is wrong, this node should get no traffic.
    return { ready: false, reason: 'the readiness check failed' }
  }
}
