// A history without what may differ between two executions of one program: ids, instants, stacks, drawn values. What
// is left must be the same however often the execution was interrupted.

import { inspect } from 'node:util'
import type postgres from 'postgres'
import { decode } from '../../src/core/codec.js'
import type { Event } from '../../src/core/event.js'
import { decodeEvent, type RawEvent } from '../../src/store/rows.js'
import { isProbe } from './interpreter.js'

export type Histories = ReadonlyMap<string, readonly Event[]>

export async function readHistories(sql: postgres.Sql): Promise<Histories> {
  const rows = await sql<(RawEvent & { execution_id: string })[]>`
    select execution_id, version, type, seq, name, attempt, detail, payload, message_id, due_at, at
    from events order by execution_id, version`
  const histories = new Map<string, Event[]>()
  for (const row of rows) {
    const history = histories.get(row.execution_id)
    if (history === undefined) histories.set(row.execution_id, [decodeEvent(row)])
    else history.push(decodeEvent(row))
  }
  return histories
}

export interface FormOptions {
  readonly histories: Histories
  /** Events may fall in any order: they are compared as a set, without the numbers of their commands. */
  readonly isConcurrent: boolean
  /** Short waits between attempts may have become timers, because a node was about to stop. */
  readonly isDrained?: boolean
}

/** One line per event, children's lines below that of their start. */
export function normalForm(executionId: string, options: FormOptions): string[] {
  const { histories, isConcurrent, isDrained = false } = options
  const events = histories.get(executionId) ?? []
  const lines = events
    .filter((event) => isLasting(event, isDrained))
    .map((event) => lineOf(event, isConcurrent))
  if (isConcurrent) lines.sort()
  const closing = isConcurrent ? [`ends as ${events.at(-1)?.type}`] : []
  return [...lines, ...closing, ...childrenOf(events).flatMap((id) => childForm(id, options))]
}

function childForm(childId: string, options: FormOptions): string[] {
  return normalForm(childId, { ...options, isConcurrent: true }).map((line) => `  ${line}`)
}

/** In the order of their commands. */
export function childrenOf(events: readonly Event[]): string[] {
  return events
    .filter((event) => event.type === 'child_started')
    .sort((a, b) => (a.seq ?? 0) - (b.seq ?? 0))
    .map(({ detail }) => {
      const { childId }: { childId?: unknown } = Object(JSON.parse(detail ?? '{}'))
      return String(childId)
    })
}

/** A wait's time-out is recorded only when the signal was not there at once. */
function isLasting({ type }: Event, isDrained: boolean): boolean {
  return type !== 'signal_awaited' && !(isDrained && type === 'step_retrying')
}

function lineOf(event: Event, isConcurrent: boolean): string {
  const { type, seq, name, attempt, messageId } = event
  const what = isProbe(name) && type === 'step_completed' ? 'drawn' : shown(event)
  const parts = [type, isConcurrent ? undefined : seq, name, attempt, messageId, what]
  return parts.filter((part) => part !== undefined).join(' | ')
}

function shown({ payload }: Event): string {
  const text = inspect(withoutStacks(decode(payload)), { depth: 12, sorted: true, breakLength: Infinity })
  // Derived ids of children: the parent's id, and what was drawn.
  return text.replaceAll(/[^\s'"]+\/[0-9a-f]{8}-[0-9a-f]{4}/g, '<child>')
}

function withoutStacks(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('stack' in value)) return value
  const { stack: _, ...rest } = value
  return 'cause' in rest ? { ...rest, cause: withoutStacks(rest.cause) } : rest
}
