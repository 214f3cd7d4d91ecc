// A workflow that calls an async function and does not await it at once leaves a promise that may be rejected before
// anybody listens. Node would end the process, and with it every other execution; and so would the next node that replays
// it. While engines run, such rejections are logged; all others end the process as they always did.

import type { Logger } from '../core/ports.js'
import { comesFromWorkflow } from '../workflow/thrown.js'

const holders = new Set<{ readonly log: Logger }>()

/** Until the returned function is called. */
export function holdStrayRejections(log: Logger): () => void {
  const holder = { log }
  if (holders.size === 0) process.on('unhandledRejection', onRejection)
  holders.add(holder)
  return () => {
    holders.delete(holder)
    if (holders.size === 0) process.off('unhandledRejection', onRejection)
  }
}

function onRejection(reason: unknown): void {
  if (comesFromWorkflow(reason)) {
    const [holder] = holders
    const text = 'a workflow left a promise alone that was rejected; await it, or catch what it may throw'
    return holder?.log.warn({ err: reason }, text)
  }
  // With other listeners it is theirs; without any, Node would have raised it.
  if (process.listenerCount('unhandledRejection') > 1) return
  process.nextTick(() => {
    throw reason
  })
}
