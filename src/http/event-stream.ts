// Server-sent events out of an async iterable. Promises that one event at most is read ahead of a slow reader, that proxies see a sign of
// life every 15 s, and that whatever is behind it ends with the connection, or when the node drains: readers come again, to
// another node, with the id of the last event that they got.

import type { Context } from 'hono'
import { delay, systemClock } from '../core/ports.js'
import { problemOf } from './problem.js'

export interface StreamedEvent {
  readonly event: string
  /** For Last-Event-ID; left out where a reader cannot go on from it. */
  readonly id?: string
  readonly data: unknown
}

const BEAT_MS = 15_000
/** How long a reader that lost its connection waits before it comes again. */
const AGAIN_MS = 1_000
const encoder = new TextEncoder()

/**
 * @param open gets a signal that is aborted when nobody reads any more
 */
export async function eventStream(
  c: Context,
  draining: AbortSignal,
  open: (signal: AbortSignal) => AsyncIterable<StreamedEvent>,
): Promise<Response> {
  const gone = new AbortController()
  const signal = AbortSignal.any([c.req.raw.signal, draining, gone.signal])
  const events = open(signal)[Symbol.asyncIterator]()
  const take = (): Promise<IteratorResult<StreamedEvent>> => {
    const taken = events.next()
    // A reader that is slow looks at it later, or never: until then its failure is nobody's, and must end no process.
    taken.catch(() => undefined)
    return taken
  }
  // What is refused is refused by a status, not in the middle of a stream; nothing to come yet is no reason to wait.
  let next = take()
  await Promise.race([next, delay(systemClock, FIRST_MS, signal).catch(() => undefined)])
  let isBegun = false
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (!isBegun) {
          isBegun = true
          return controller.enqueue(encoder.encode(`retry: ${AGAIN_MS}\n\n`))
        }
        try {
          const result = await within(BEAT_MS, next, signal)
          if (result === undefined) return controller.enqueue(encoder.encode(': still here\n\n'))
          if (result.done === true) return controller.close()
          next = take()
          controller.enqueue(encoder.encode(lines(result.value)))
        } catch (error) {
          if (!signal.aborted) {
            const data = problemOf(error, c.req.path)
            controller.enqueue(encoder.encode(lines({ event: 'problem', data })))
          }
          controller.close()
        }
      },
      async cancel() {
        gone.abort()
        await events.return?.()
      },
    },
    { highWaterMark: 1 },
  )
  return c.body(body, 200, {
    'Content-Type': 'text/event-stream; charset=utf-8',
    'Cache-Control': 'no-store',
    // nginx passes it on as it comes.
    'X-Accel-Buffering': 'no',
  })
}

/** A look into the database takes longer only when that is in trouble. */
const FIRST_MS = 250

/** Undefined: nothing came within that time. */
async function within<T>(ms: number, work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  const waited = new AbortController()
  const beat = delay(systemClock, ms, AbortSignal.any([signal, waited.signal])).then(
    () => undefined,
    () => undefined,
  )
  try {
    return await Promise.race([work, beat])
  } finally {
    waited.abort()
  }
}

function lines({ event, id, data }: StreamedEvent): string {
  const head = id === undefined ? `event: ${event}\n` : `event: ${event}\nid: ${id}\n`
  // JSON has no line breaks of its own.
  return `${head}data: ${JSON.stringify(data)}\n\n`
}
