// What a suspended execution waits for, in words for its row's `note`: a wait without a time-out leaves no event, so that
// nobody could tell it from SQL. Bounded; no decision reads it.

import type { Command } from '../workflow/command.js'

const NAMED_MAX = 3
const CHARACTERS_MAX = 300

/** @example 'signal "approved", sleep, child "payment", and 2 more' */
export function waitingFor(commands: Iterable<Command>): string {
  const named: string[] = []
  let count = 0
  for (const command of commands) {
    count++
    if (count <= NAMED_MAX) named.push(wordsOf(command))
  }
  // Nothing of its own: the handlers of its updates decide.
  if (count === 0) return 'messages'
  const more = count > NAMED_MAX ? `, and ${count - NAMED_MAX} more` : ''
  return named.join(', ').slice(0, CHARACTERS_MAX) + more
}

function wordsOf({ kind, name }: Command): string {
  if (kind === 'sleep') return 'sleep'
  return kind === 'step' ? `next attempt of step "${name}"` : `${kind} "${name}"`
}
