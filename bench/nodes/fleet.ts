// Node processes that a benchmark starts, orders about, and kills.

import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { News, Order } from './node.js'

export interface FleetNode {
  readonly nodeId: string
  order(order: Order): Promise<void>
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>
  /** Drains. */
  stop(): Promise<void>
}

export interface FleetOptions {
  readonly url: string
  readonly schema: string
  readonly capacity: number
  /** As if each node had a machine of its own: the end of a process is told by its lease alone. */
  readonly apart: boolean
}

/** `CEREBELUM_BENCH_NODE` names another file, for when this one is not compiled beside it. */
const FILE = process.env['CEREBELUM_BENCH_NODE'] ?? fileURLToPath(new URL('./node.js', import.meta.url))
const DEADLINE_MS = 300_000

export async function startNode({ url, schema, capacity, apart }: FleetOptions): Promise<FleetNode> {
  const child = fork(FILE, [url, schema, String(capacity), ...(apart ? ['apart'] : [])], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const news = await hear(child)
  if (!('ready' in news)) throw new Error('a node said something else before it was ready')
  return {
    nodeId: news.ready,
    async order(order) {
      const answer = hear(child)
      child.send(order)
      await answer
    },
    async kill() {
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const gone = once(child, 'exit')
      child.disconnect()
      await gone
    },
  }
}

async function hear(child: ChildProcess): Promise<News> {
  const signal = AbortSignal.timeout(DEADLINE_MS)
  const over = new AbortController()
  try {
    const [news] = await Promise.race([
      once(child, 'message', { signal: AbortSignal.any([signal, over.signal]) }),
      once(child, 'exit', { signal: over.signal }).then(() => {
        throw new Error('a node ended before it answered')
      }),
    ])
    return news as News
  } finally {
    over.abort()
  }
}
