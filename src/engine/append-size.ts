// Keeps one append within what a statement may hold. Pure. Thousands of step results can wait for the append under
// way; how they are divided is free, because none of them has reached the code. Everything else (intents, messages
// consumed, the close) belongs together and stays in one append, the last.

import type { NewEvent } from '../core/event.js'

export interface Divided {
  readonly now: readonly NewEvent[]
  /** Appended after `now` has committed; undefined: `now` is all there is. */
  readonly later: readonly NewEvent[] | undefined
}

export function divideAppend(events: readonly NewEvent[]): Divided {
  if (events.length <= EVENTS_MAX && charactersOf(events) <= CHARACTERS_MAX)
    return { now: events, later: undefined }
  const now: NewEvent[] = []
  const later: NewEvent[] = []
  let characters = 0
  for (const event of events) {
    const size = event.payload?.length ?? 0
    const fits = now.length === 0 || (now.length < EVENTS_MAX && characters + size <= CHARACTERS_MAX)
    if (isStepResult(event) && fits) {
      now.push(event)
      characters += size
    } else {
      later.push(event)
    }
  }
  return now.length === 0 || later.length === 0 ? { now: events, later: undefined } : { now, later }
}

export function charactersOf(events: readonly NewEvent[]): number {
  return events.reduce((sum, event) => sum + (event.payload?.length ?? 0), 0)
}

function isStepResult(event: NewEvent): boolean {
  return event.type === 'step_completed' || event.type === 'step_failed'
}

// A statement of the store holds up to 4 million characters; one append should leave room for others.
const CHARACTERS_MAX = 2_000_000
const EVENTS_MAX = 2_000
