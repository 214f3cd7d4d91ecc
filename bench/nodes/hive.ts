// Several engine nodes in one process, for benchmarks of many nodes. Arguments: URL, schema, how many, and "apart" (only
// the lease tells of another's end). It says when all have joined, and does as it is told by messages.

import { createEngineOn, type Engine } from '../../src/engine/create-engine.js'
import { openStore } from '../../src/store/open.js'
import type { Store } from '../../src/store/store.js'
import { meterSockets, type Counts } from '../harness/meter.js'
import { ping, ticking } from './light.js'

export type HiveOrder =
  | { readonly tick: { readonly count: number; readonly steps: number } }
  | { readonly deafen: true }
  | { readonly count: true }
export type HiveNews =
  { readonly ready: readonly string[] } | { readonly done: true } | { readonly counts: Counts }

const counts = meterSockets()
const [url = '', schema = '', count = '1', apart] = process.argv.slice(2)
let isDeaf = false
const engines: Engine[] = await Promise.all(Array.from({ length: Number(count) }, () => join()))

async function join(): Promise<Engine> {
  // Light: an idle node needs no more than one connection for work.
  const store: Store = await openStore({ url, schema, connections: 2 })
  const placed: Store = {
    ...store,
    ...(apart !== undefined && { buryNodes: () => Promise.resolve([]) }),
    onHint: (listener) => store.onHint((...hint) => void (isDeaf || listener(...hint))),
  }
  const engine = createEngineOn(placed, { workflows: [ping, ticking] })
  await engine.start()
  return engine
}

const tell = (news: HiveNews): void => void process.send?.(news)
process.on('message', (order: HiveOrder) => {
  void obey(order).then(tell)
})
process.once('disconnect', () => {
  void Promise.all(engines.map((engine) => engine.stop())).then(() => process.exit(0))
})
tell({ ready: engines.map(({ nodeId }) => nodeId) })

async function obey(order: HiveOrder): Promise<HiveNews> {
  if ('count' in order) return { counts: counts() }
  if ('deafen' in order) {
    isDeaf = true
    return { done: true }
  }
  const { count: executions, steps } = order.tick
  const starts = Array.from({ length: executions }, () => ({ workflow: 'ticking', input: steps }))
  await engines[0]?.client.startMany(starts)
  return { done: true }
}
