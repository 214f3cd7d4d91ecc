// What load balancers go by: a node that drains or has just refused work says so, ends its connections, and a region's weight
// is what it has free, looked up once for all who ask.

import { describe, expect, test } from 'vitest'
import type { Client } from '../../src/client/client.js'
import type { ClusterStats } from '../../src/client/cluster.js'
import { CerebelumError } from '../../src/core/errors.js'
import { createHttpApp } from '../../src/http/app.js'
import { regionWeight } from '../../src/http/region.js'
import { unreachableClient } from './unreachable-client.js'

const ready = (): Promise<{ ready: boolean }> => Promise.resolve({ ready: true })

function statsOf(running: number, capacity: number): ClusterStats {
  const imbalance = { partitions: 1, running: 1 }
  const region = { region: 'eu-west', nodes: 2, partitions: 64, running, capacity, imbalance }
  return { at: new Date(0), nodes: [], regions: [region], partitions: [], imbalance }
}

describe('a node that drains', () => {
  test('is unready, and ends a connection with its next answer', async () => {
    const draining = new AbortController()
    const app = createHttpApp({ client: unreachableClient(), readiness: ready, draining: draining.signal })
    expect((await app.request('/readyz')).headers.get('connection')).toBeNull()
    draining.abort()
    const response = await app.request('/readyz')
    expect(response.status).toBe(503)
    expect(response.headers.get('connection')).toBe('close')
    expect(await response.json()).toEqual({ ready: false, reason: 'draining' })
    expect((await app.request('/regionz')).status).toBe(503)
    expect((await app.request('/healthz')).status).toBe(200)
  })
})

describe('a node that has refused work as too much', () => {
  test('is unready', async () => {
    const client: Client = {
      ...unreachableClient(),
      workflows: () => Promise.reject(new CerebelumError('OVERLOADED', 'too much', { retryAfterMs: 1_000 })),
    }
    const app = createHttpApp({ client, readiness: ready })
    expect((await app.request('/readyz')).status).toBe(200)
    await app.request('/api/v1/workflows')
    expect(await (await app.request('/readyz')).json()).toEqual({ ready: false, reason: 'overloaded' })
  })
})

describe('the weight of a region', () => {
  test.each([
    ['is what it has free', 500, 2_000, 75],
    ['is never nothing while a node lives', 2_000, 2_000, 1],
    ['is nothing without a node', 0, 0, 0],
  ])('%s', (_, running, capacity, weight) => {
    expect(regionWeight(statsOf(running, capacity), 'eu-west')).toBe(weight)
    expect(regionWeight(statsOf(running, capacity), 'us-east')).toBe(0)
  })

  test('is looked up once, however many balancers ask at once', async () => {
    let looks = 0
    const client: Client = {
      ...unreachableClient(),
      clusterStats: () => {
        looks++
        return Promise.resolve(statsOf(100, 1_000))
      },
    }
    const app = createHttpApp({ client, readiness: ready, region: 'eu-west' })
    const answers = await Promise.all(
      Array.from({ length: 20 }, async () => (await app.request('/regionz')).json()),
    )
    expect(answers).toEqual(
      Array.from({ length: 20 }, () => ({ region: 'eu-west', ready: true, weight: 90 })),
    )
    expect(looks).toBe(1)
  })
})
