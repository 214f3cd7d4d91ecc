// `/regionz`: how much a region can still take, for balancers between regions that weigh them besides the distance. Read by
// every check of every balancer, so that the cluster is looked at once a second at most, whoever asks.

import { z } from 'zod'
import type { Client } from '../client/client.js'
import type { ClusterStats } from '../client/cluster.js'
import { systemClock } from '../core/ports.js'
import { stateOf, type HealthOptions } from './health.js'
import { noParams, reading, type Operation } from './operation.js'
import { looseQuery } from './schemas.js'

const FRESH_MS = 1_000

const regionWeightOut = z
  .object({
    region: z.string(),
    ready: z.boolean(),
    weight: z
      .number()
      .meta({ description: '0 to 100: the share of its places for running executions that is free.' }),
    reason: z.string().optional(),
  })
  .meta({ id: 'RegionWeight' })

export interface RegionOptions extends HealthOptions {
  readonly client: Client
  readonly region: string
}

export function regionOperation(options: RegionOptions): Operation {
  const { client, region } = options
  let seen: { readonly atMs: number; readonly weight: Promise<number> } | undefined
  const weight = (): Promise<number> => {
    const nowMs = systemClock.monotonicMs()
    if (seen === undefined || nowMs - seen.atMs >= FRESH_MS)
      seen = { atMs: nowMs, weight: client.clusterStats().then((stats) => regionWeight(stats, region)) }
    return seen.weight
  }
  return reading({
    id: 'getRegion',
    method: 'GET',
    path: '/regionz',
    tag: 'Service',
    role: 'viewer',
    summary: 'What the region of this node can still take, for balancers between regions',
    params: noParams,
    query: looseQuery,
    answers: {
      200: { description: 'It can be sent traffic.', body: regionWeightOut },
      503: {
        description: 'This node is not ready: weight 0.',
        body: regionWeightOut,
        headers: { 'Retry-After': 'Seconds.' },
      },
    },
    errors: [],
    async handle({ c }) {
      c.header('Cache-Control', 'no-store')
      const { ready, reason = 'not ready' } = await stateOf(options)
      if (!ready) return c.json({ region, ready, reason, weight: 0 }, 503, { 'Retry-After': '1' })
      return c.json({ region, ready, weight: await weight() })
    },
  })
}

/** 0 to 100: the share of the region's places for running executions that is free; 1 at least while a node lives. */
export function regionWeight({ regions }: ClusterStats, region: string): number {
  const found = regions.find((candidate) => candidate.region === region)
  if (found === undefined || found.capacity === 0) return 0
  return Math.max(1, Math.round((1 - found.running / found.capacity) * 100))
}
