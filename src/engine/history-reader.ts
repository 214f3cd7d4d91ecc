// Histories and inboxes of many executions, read in bounded pages: many short ones in one query, the rest of a long
// one page by page.

import type { Event } from '../core/event.js'
import type { ExecutionKey } from '../core/execution.js'
import type { Message } from '../core/message.js'
import type { Store } from '../store/store.js'

const PAGE_EVENTS = 1_000
const EXECUTIONS_PER_QUERY = 500
const PAGE_MESSAGES = 1_000

/**
 * All events from `from` on of each execution. All of them, whatever the limits say now: a history that was cut short
 * would be taken for what happened, and its steps done again. How long one may grow is watched when it is written.
 */
export function readHistories(
  store: Store,
  wanted: readonly { readonly key: ExecutionKey; readonly from: number }[],
): Promise<Event[][]> {
  return readPaged(wanted, {
    pageSize: PAGE_EVENTS,
    read: (some, limit) => store.readHistories(some, limit),
    after: ({ key }, last) => ({ key, from: last.version + 1 }),
  })
}

/** All unread messages after a position. How many there are is bounded by the limit inboxMax, and by the children. */
export function readInboxes(
  store: Store,
  wanted: readonly { readonly key: ExecutionKey; readonly after: number }[],
): Promise<Message[][]> {
  return readPaged(wanted, {
    pageSize: PAGE_MESSAGES,
    read: (some, limit) => store.readInboxes(some, limit),
    after: ({ key }, last) => ({ key, after: last.position }),
  })
}

interface Paging<W, R> {
  readonly pageSize: number
  readonly read: (wanted: readonly W[], limit: number) => Promise<R[][]>
  /** What to read behind the last row of a page. */
  readonly after: (wanted: W, last: R) => W
}

async function readPaged<W, R>(wanted: readonly W[], paging: Paging<W, R>): Promise<R[][]> {
  const { pageSize, read, after } = paging
  const results: R[][] = []
  for (let index = 0; index < wanted.length; index += EXECUTIONS_PER_QUERY) {
    results.push(...(await read(wanted.slice(index, index + EXECUTIONS_PER_QUERY), pageSize)))
  }
  for (const [index, rows] of results.entries()) {
    const first = wanted[index]
    let last = rows.length === pageSize ? rows.at(-1) : undefined
    while (first !== undefined && last !== undefined) {
      const [page = []] = await read([after(first, last)], pageSize)
      rows.push(...page)
      last = page.length === pageSize ? page.at(-1) : undefined
    }
  }
  return results
}
