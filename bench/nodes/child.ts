// A process that a benchmark starts: it is given one order at a time and answers each, is killed, or let go.

import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'

export interface Child<Order extends object, News> {
  /** What it said first. */
  readonly greeting: News
  order(order: Order): Promise<News>
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>
  /** Lets it end by itself: it drains. */
  stop(): Promise<void>
}

const DEADLINE_MS = 300_000

export async function startChild<Order extends object, News>(
  file: string,
  parameters: readonly string[],
  /** For Node itself. */
  flags: readonly string[] = [],
): Promise<Child<Order, News>> {
  const loader = file.endsWith('.ts') ? ['--import', import.meta.resolve('tsx')] : process.execArgv
  const child = fork(file, [...parameters], {
    execArgv: [...loader, ...flags],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  return {
    greeting: await hear<News>(child),
    async order(order) {
      const answer = hear<News>(child)
      child.send(order)
      return answer
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

async function hear<News>(child: ChildProcess): Promise<News> {
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
