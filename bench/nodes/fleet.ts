// Node processes that a benchmark starts, orders about, and kills.

import { fileURLToPath } from 'node:url'
import type { Slice } from '../harness/pairs.js'
import { startChild, type Child } from './child.js'
import type { HiveNews, HiveOrder } from './hive.js'
import type { News, Order } from './node.js'
import type { Memory, WorkerNews, WorkerOrder } from './worker.js'

export interface FleetNode extends Pick<Child<Order, News>, 'order' | 'kill' | 'stop'> {
  readonly nodeId: string
}

export interface Hive extends Pick<Child<HiveOrder, HiveNews>, 'order' | 'kill' | 'stop'> {
  readonly nodeIds: readonly string[]
}

interface Where {
  readonly url: string
  readonly schema: string
  /** As if each process had a machine of its own: its end is told by its leases alone. */
  readonly apart: boolean
}

/** Beside this one, compiled or not. */
function fileOf(name: 'node' | 'hive' | 'worker'): string {
  const here = import.meta.url
  return fileURLToPath(new URL(`./${name}${here.slice(here.lastIndexOf('.'))}`, here))
}

/** One node with room for this many executions. */
export async function startNode(options: Where & { readonly capacity: number }): Promise<FleetNode> {
  const child = await startChild<Order, News>(fileOf('node'), [
    options.url,
    options.schema,
    String(options.capacity),
    ...(options.apart ? ['apart'] : []),
  ])
  if (!('ready' in child.greeting)) throw new Error('a node said something else before it was ready')
  return { ...child, nodeId: child.greeting.ready }
}

/** Several light nodes in one process. */
export async function startHive(options: Where & { readonly nodes: number }): Promise<Hive> {
  const child = await startChild<HiveOrder, HiveNews>(fileOf('hive'), [
    options.url,
    options.schema,
    String(options.nodes),
    ...(options.apart ? ['apart'] : []),
  ])
  if (!('ready' in child.greeting)) throw new Error('a hive said something else before it was ready')
  return { ...child, nodeIds: child.greeting.ready }
}

/** A node that is put under load, and asked for its memory. */
export interface Worker extends Pick<Child<WorkerOrder, WorkerNews>, 'kill' | 'stop'> {
  load(order: { readonly inFlight: number; readonly seconds: number; readonly from: number }): Promise<Slice>
  /** Starts so many; resolves with their ids once they are written. */
  create(order: {
    readonly workflow: string
    readonly count: number
    readonly input: unknown
    readonly atOnce: number
  }): Promise<readonly string[]>
  memory(options: { readonly isCollected: boolean }): Promise<Memory>
}

export async function startWorker(options: {
  readonly url: string
  readonly schema: string
  readonly cached: number
}): Promise<Worker> {
  const { url, schema, cached } = options
  const child = await startChild<WorkerOrder, WorkerNews>(
    fileOf('worker'),
    [url, schema, String(cached)],
    ['--expose-gc'],
  )
  const order = async (what: WorkerOrder): Promise<WorkerNews> => {
    const news = await child.order(what)
    if ('failed' in news) throw new Error(`A node failed: ${news.failed}`)
    return news
  }
  return {
    kill: () => child.kill(),
    stop: () => child.stop(),
    async load(load) {
      const news = await order({ load })
      if ('slice' in news) return news.slice
      throw unexpected(news)
    },
    async create(create) {
      const news = await order({ create })
      if ('ids' in news) return news.ids
      throw unexpected(news)
    },
    async memory(memory) {
      const news = await order({ memory })
      if ('memory' in news) return news.memory
      throw unexpected(news)
    },
  }
}

function unexpected(news: WorkerNews): Error {
  return new Error(`A node answered something else: ${Object.keys(news).join()}`)
}
