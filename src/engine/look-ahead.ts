// Which outcomes the code may see before they are written, and what it may begin then. Pure. Why this is safe stands in
// src/README.md: nothing that somebody else could notice begins before the append has committed.

import type { EventType, NewEvent } from '../core/event.js'
import type { Command } from '../workflow/command.js'

/** Few and small: an append that has to be divided is written as it is. */
const EVENTS_MAX = 4
const CHARACTERS_MAX = 100_000
const RESULTS: ReadonlySet<EventType> = new Set<EventType>(['step_completed', 'step_failed'])
const OUTCOMES: ReadonlySet<EventType> = new Set<EventType>([
  ...RESULTS,
  'sleep_ended',
  'signal_received',
  'signal_timed_out',
  'child_completed',
  'child_failed',
])

/** Whether the code may see these events ahead: all of them, in their order. */
export function maySeeAhead(events: readonly NewEvent[]): boolean {
  if (events.length === 0 || events.length > EVENTS_MAX) return false
  const fitting = events.length === 1 ? OUTCOMES : RESULTS
  return events.every(({ type, payload = '' }) => fitting.has(type) && payload.length < CHARACTERS_MAX)
}

/** Commands that only record that they wait; all others have effects, and must not begin ahead. */
export function isWait({ kind }: Command): boolean {
  return kind === 'sleep' || kind === 'signal'
}
