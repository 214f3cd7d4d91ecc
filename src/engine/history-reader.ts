// Histories and inboxes of many executions, read in bounded pages: many short ones in one query, the rest of a long
// one page by page.

import type { Event } from '../core/event.js'
import type { ExecutionKey } from '../core/execution.js'
import type { Message } from '../core/message.js'
import type { Store } from '../store/store.js'

const PAGE_EVENTS = 1_000
const EXECUTIONS_PER_QUERY = 200
const PAGE_MESSAGES = 1_000
/** Messages taken into memory at once; the rest is read at the next wake. */
const MESSAGES_MAX = 10_000

/** All events from `from` on of each execution, at most `eventsMax` each. */
export async function readHistories(
  store: Store,
  wanted: readonly { readonly key: ExecutionKey; readonly from: number }[],
  eventsMax: number,
): Promise<Event[][]> {
  const results: Event[][] = []
  for (let index = 0; index < wanted.length; index += EXECUTIONS_PER_QUERY) {
    results.push(
      ...(await store.readHistories(wanted.slice(index, index + EXECUTIONS_PER_QUERY), PAGE_EVENTS)),
    )
  }
  for (const [index, history] of results.entries()) {
    const key = wanted[index]?.key
    let last = history.length === PAGE_EVENTS ? history.at(-1) : undefined
    while (key !== undefined && last !== undefined && history.length < eventsMax) {
      const [page = []] = await store.readHistories([{ key, from: last.version + 1 }], PAGE_EVENTS)
      history.push(...page)
      last = page.length === PAGE_EVENTS ? page.at(-1) : undefined
    }
  }
  return results
}

/** Up to which position an inbox that stood at `inbox` has been read by these messages. */
export function readUpTo(messages: readonly Message[], inbox: number): number {
  const last = messages.length < MESSAGES_MAX ? undefined : messages.at(-1)
  return last === undefined ? inbox : last.position
}

export async function readInboxes(
  store: Store,
  wanted: readonly { readonly key: ExecutionKey; readonly after: number }[],
): Promise<Message[][]> {
  const results: Message[][] = []
  for (let index = 0; index < wanted.length; index += EXECUTIONS_PER_QUERY) {
    results.push(
      ...(await store.readInboxes(wanted.slice(index, index + EXECUTIONS_PER_QUERY), PAGE_MESSAGES)),
    )
  }
  for (const [index, inbox] of results.entries()) {
    const key = wanted[index]?.key
    let last = inbox.length === PAGE_MESSAGES ? inbox.at(-1) : undefined
    while (key !== undefined && last !== undefined && inbox.length < MESSAGES_MAX) {
      const [page = []] = await store.readInboxes([{ key, after: last.position }], PAGE_MESSAGES)
      inbox.push(...page)
      last = page.length === PAGE_MESSAGES ? page.at(-1) : undefined
    }
  }
  return results
}
