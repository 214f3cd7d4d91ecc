// One engine node as a process of its own that is put under load and asked for its memory. Arguments: URL, schema,
// executions kept in memory while they wait. Run with --expose-gc, so that memory is what is held and not what lies about.

import { createEngine } from '../../src/index.js'
import { runLoad } from '../load/load.js'
import { THREE_STEPS } from '../load/shapes.js'
import { WAITING } from '../load/waiting-workflows.js'
import type { Slice } from '../harness/pairs.js'

export interface Memory {
  readonly heapBytes: number
  readonly residentBytes: number
}

export type WorkerOrder =
  | { readonly load: { readonly inFlight: number; readonly seconds: number; readonly from: number } }
  | {
      readonly create: {
        readonly workflow: string
        readonly count: number
        readonly input: unknown
        readonly atOnce: number
      }
    }
  | { readonly memory: { readonly isCollected: boolean } }

export type WorkerNews =
  | { readonly ready: string }
  | { readonly slice: Slice }
  | { readonly ids: readonly string[] }
  | { readonly memory: Memory }
  | { readonly failed: string }

const [url = '', schema = '', cached = '10000'] = process.argv.slice(2)
const engine = await createEngine({
  database: { url, schema },
  workflows: [...THREE_STEPS.workflows, ...WAITING],
  capacity: 4_000,
  cache: { executionsMax: Number(cached) },
})
await engine.start()

const tell = (news: WorkerNews): void => void process.send?.(news)
process.on('message', (order: WorkerOrder) => {
  void obey(order).then(tell, (error: unknown) => tell({ failed: String(error) }))
})
process.once('disconnect', () => void engine.stop().then(() => process.exit(0)))
tell({ ready: engine.nodeId })

async function obey(order: WorkerOrder): Promise<WorkerNews> {
  if ('load' in order) {
    const { slice } = await runLoad(engine, THREE_STEPS, order.load)
    return { slice }
  }
  if ('create' in order) return { ids: await create(order.create) }
  if (order.memory.isCollected) for (let n = 0; n < 3; n++) globalThis.gc?.()
  const { heapUsed, external, rss } = process.memoryUsage()
  return { memory: { heapBytes: heapUsed + external, residentBytes: rss } }
}

async function create(order: {
  readonly workflow: string
  readonly count: number
  readonly input: unknown
  readonly atOnce: number
}): Promise<string[]> {
  const { workflow, count, input, atOnce } = order
  const ids: string[] = []
  let left = count
  const writer = async (): Promise<void> => {
    while (left > 0) {
      const some = Math.min(atOnce, left)
      left -= some
      const handles = await engine.client.startMany(Array.from({ length: some }, () => ({ workflow, input })))
      for (const { executionId } of handles) ids.push(executionId)
    }
  }
  await Promise.all([writer(), writer(), writer()])
  return ids
}
