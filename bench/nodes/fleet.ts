// Node processes that a benchmark starts, orders about, and kills.

import { fileURLToPath } from 'node:url'
import { startChild, type Child } from './child.js'
import type { HiveNews, HiveOrder } from './hive.js'
import type { News, Order } from './node.js'

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
function fileOf(name: 'node' | 'hive'): string {
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
