// The one interface behind which every rival stands, ours among them: a process of its own (so that its CPU is
// measured apart) that is given the database's URL and its settings as arguments and a slice of work per message.
// Plain JavaScript: the rivals' packages are installed on first use only, and no check of this project needs them.

import { performance } from 'node:perf_hooks'

// What a rival's code is warned of is its authors' business.
process.noDeprecation = true

/**
 * @typedef {object} Peer
 * @property {(n: number) => Promise<unknown>} work Runs one workflow and tells of its end in the quickest way there is.
 * @property {(n: number) => Promise<unknown>} call The same from call to result, in the way its documents give.
 * @property {() => Promise<unknown>} stop
 */

/** @typedef {{ seconds: number, inFlight: number, way: 'work' | 'call', most: number }} Order */

/**
 * Opens the rival, says that it is ready, and answers orders until the parent lets go.
 * @param {(url: string, settings: Record<string, unknown>) => Promise<Peer>} open
 */
export async function serve(open) {
  const [url = '', settings = '{}'] = process.argv.slice(2)
  const peer = await open(url, JSON.parse(settings))
  let next = 1
  process.on('message', (/** @type {Order} */ order) => {
    run(peer, order, () => next++).then(
      (answer) => process.send?.(answer),
      (error) => {
        console.error(error)
        process.exit(1)
      },
    )
  })
  process.once('disconnect', () => {
    // Some wait for their next poll before they end, and one for ever.
    setTimeout(() => process.exit(0), 10_000).unref()
    peer.stop().then(
      () => process.exit(0),
      (error) => {
        console.error(error)
        process.exit(1)
      },
    )
  })
  process.send?.({ ready: true })
}

/**
 * As many at the same time as ordered, until the time is over; then those still in flight are waited for, and their
 * time counts.
 * @param {Peer} peer
 * @param {Order} order
 * @param {() => number} nextInput
 */
async function run(peer, { seconds, inFlight, way, most }, nextInput) {
  const cpuBefore = process.cpuUsage()
  const begun = performance.now()
  const until = begun + seconds * 1_000
  /** @type {number[]} */
  const latencies = []
  let units = 0
  const caller = async () => {
    while (performance.now() < until && units < most) {
      const input = nextInput()
      const startedAt = performance.now()
      const result = await peer[way](input)
      latencies.push(performance.now() - startedAt)
      if (result !== input + 3) throw new Error(`the result of ${input} is ${JSON.stringify(result)}`)
      units++
    }
  }
  await Promise.all(Array.from({ length: inFlight }, caller))
  const { user, system } = process.cpuUsage(cpuBefore)
  return {
    units,
    seconds: (performance.now() - begun) / 1_000,
    cpu_ms: (user + system) / 1_000,
    // A sample of a million would be a message of megabytes.
    latencies: way === 'call' ? latencies : [],
  }
}

/** Those who wait for the end of a workflow, by its input: told in this process, without a question to the database. */
export class Ends {
  /** @type {Map<number, (result: unknown) => void>} */
  #waiting = new Map()

  /**
   * @param {number} n
   * @returns {Promise<unknown>}
   */
  of(n) {
    return new Promise((resolve) => this.#waiting.set(n, resolve))
  }

  /**
   * @param {number} n
   * @param {unknown} result
   */
  tell(n, result) {
    this.#waiting.get(n)?.(result)
    this.#waiting.delete(n)
  }
}

/**
 * Sends in batches: what is added while a batch is on its way goes with the next.
 * @template T
 * @param {(items: T[]) => Promise<unknown>} send
 * @param {number} most
 * @returns {(item: T) => Promise<void>}
 */
export function inBatches(send, most) {
  /** @type {{ item: T, done: () => void, failed: (error: unknown) => void }[]} */
  let waiting = []
  let isSending = false
  const drain = async () => {
    if (isSending) return
    isSending = true
    // Callers of the same turn of the event loop go together.
    await new Promise((resolve) => setImmediate(resolve))
    while (waiting.length > 0) {
      const batch = waiting.slice(0, most)
      waiting = waiting.slice(most)
      try {
        await send(batch.map(({ item }) => item))
        for (const { done } of batch) done()
      } catch (error) {
        for (const { failed } of batch) failed(error)
      }
    }
    isSending = false
  }
  return (item) =>
    new Promise((done, failed) => {
      waiting.push({ item, done: () => done(), failed })
      void drain()
    })
}
