// One engine node as a process of its own, for benchmarks that kill nodes. Arguments: URL, schema, capacity, and
// "apart". It is told by messages what to start, and says when it is ready and when it has started.

import { createEngineOn } from '../../src/engine/create-engine.js'
import { openStore } from '../../src/store/open.js'
import { held, waiting } from './held.js'

export type Order = { readonly start: 'held' | 'waiting'; readonly count: number }
export type News = { readonly ready: string } | { readonly started: number }

const [url = '', schema = '', capacity = '2000', apart] = process.argv.slice(2)
const store = await openStore({ url, schema })
// What a neighbor says of its end is not acted on: the lease has to run out.
const placed = apart === undefined ? store : { ...store, buryNodes: () => Promise.resolve([]) }
const engine = createEngineOn(placed, {
  workflows: [held, waiting],
  capacity: Number(capacity),
  limits: { stepsPerNodeMax: Number(capacity) },
})
await engine.start()

const tell = (news: News): void => void process.send?.(news)
process.on('message', (order: Order) => {
  void start(order).then(() => tell({ started: order.count }))
})
process.once('disconnect', () => void engine.stop().then(() => process.exit(0)))
tell({ ready: engine.nodeId })

async function start({ start: workflow, count }: Order): Promise<void> {
  const input = { pid: process.pid }
  // Few enough at a time that the node trusts its lease all along, and claims what it starts.
  for (let from = 0; from < count; from += 1_000) {
    const some = Math.min(1_000, count - from)
    await engine.client.startMany(Array.from({ length: some }, () => ({ workflow, input })))
  }
}
