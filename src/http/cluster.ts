// The cluster over HTTP: nodes with their load, partitions with their owners, and how even it is.

import { z } from 'zod'
import type { Client } from '../client/client.js'
import { STATUSES } from '../core/execution.js'
import { noParams, reading, type Operation } from './operation.js'
import { noQuery } from './schemas.js'
import { toJson } from './to-json.js'
import { instantOut } from './wire.js'

const imbalance = z
  .object({ partitions: z.number(), running: z.number() })
  .meta({ id: 'Imbalance', description: 'The largest share over the mean; 1 is even.' })

const node = z
  .object({
    nodeId: z.string(),
    region: z.string(),
    zone: z.string().nullable(),
    address: z.string().nullable(),
    release: z.string(),
    capacity: z.number().meta({ description: 'Executions that it works on at the same time, at most.' }),
    workflows: z
      .record(z.string(), z.string())
      .meta({ description: 'Name and version of each that it can run.' }),
    load: z.object({
      running: z.number(),
      cached: z.number(),
      laneDepth: z.number().meta({ description: 'Commits that wait to be written.' }),
      lagMs: z.number().meta({ description: 'How late its event loop was, 99th percentile.' }),
      cpu: z.number().meta({ description: 'Of one core.' }),
    }),
    startedAt: instantOut,
    renewedAt: instantOut,
    isAlive: z.boolean(),
    isDraining: z.boolean(),
    partitions: z.number(),
    executions: z
      .partialRecord(z.enum(STATUSES), z.number())
      .meta({ description: 'What it holds, by status.' }),
  })
  .meta({ id: 'Node' })

const partition = z
  .object({
    partition: z.number(),
    region: z.string(),
    owner: z.string().nullable(),
    epoch: z.number(),
  })
  .meta({ id: 'Partition' })

const region = z
  .object({
    region: z.string(),
    nodes: z.number(),
    partitions: z.number(),
    running: z.number(),
    capacity: z.number(),
    imbalance,
  })
  .meta({ id: 'Region' })

const cluster = z
  .object({
    at: instantOut.meta({ description: "The database's time." }),
    nodes: z.array(node),
    regions: z.array(region),
    partitions: z.array(partition),
    imbalance,
  })
  .meta({ id: 'Cluster' })

const COMMON = {
  method: 'GET',
  tag: 'Cluster',
  role: 'viewer',
  params: noParams,
  query: noQuery,
  errors: [],
} as const

export function clusterOperations({ client }: { readonly client: Client }): readonly Operation[] {
  return [
    reading({
      ...COMMON,
      id: 'getCluster',
      path: '/cluster',
      summary: 'Show the whole cluster',
      answers: { 200: { description: 'As of now.', body: cluster } },
      handle: async ({ c }) => c.json(toJson(await client.clusterStats())),
    }),
    reading({
      ...COMMON,
      id: 'listNodes',
      path: '/nodes',
      summary: 'List the nodes, what they do and what they can run',
      answers: {
        200: {
          description: 'All that have a lease.',
          body: z.object({ nodes: z.array(node) }).meta({ id: 'Nodes' }),
        },
      },
      async handle({ c }) {
        const { nodes } = await client.clusterStats()
        return c.json(toJson({ nodes }))
      },
    }),
    reading({
      ...COMMON,
      id: 'listPartitions',
      path: '/partitions',
      summary: 'List the partitions and their owners',
      answers: {
        200: {
          description: 'All of the installation.',
          body: z.object({ partitions: z.array(partition) }).meta({ id: 'Partitions' }),
        },
      },
      async handle({ c }) {
        const { partitions } = await client.clusterStats()
        return c.json(toJson({ partitions }))
      },
    }),
  ]
}
