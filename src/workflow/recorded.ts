// A history indexed for replay: what is recorded of each command, and which patches were taken.

import type { Event, EventType } from '../core/event.js'

/** Families of events that belong to a command; a step and a transaction are recorded alike. */
export type Family = 'step' | 'sleep' | 'signal' | 'child' | 'update' | 'attributes'

const FAMILY_OF: Partial<Record<EventType, Family>> = {
  step_completed: 'step',
  step_failed: 'step',
  step_retrying: 'step',
  sleep_started: 'sleep',
  sleep_ended: 'sleep',
  signal_awaited: 'signal',
  signal_received: 'signal',
  signal_rejected: 'signal',
  signal_timed_out: 'signal',
  child_started: 'child',
  child_completed: 'child',
  child_failed: 'child',
  update_completed: 'update',
  attributes_set: 'attributes',
}

export const INTENTS: ReadonlySet<EventType> = new Set<EventType>([
  'step_retrying',
  'sleep_started',
  'signal_awaited',
  'signal_rejected',
  'child_started',
  'update_completed',
  'attributes_set',
])

export interface Recorded {
  readonly family: Family
  readonly name: string
  readonly version: number
  /** The last recorded intent, if any. */
  intent: Event | undefined
}

export interface RecordedHistory {
  readonly commands: ReadonlyMap<number, Recorded>
  readonly patches: ReadonlySet<string>
  /** The highest seq that is recorded: code that has issued fewer commands is in its past. */
  readonly seqMax: number
}

export function familyOf(type: EventType): Family | undefined {
  return FAMILY_OF[type]
}

export function indexHistory(events: readonly Event[]): RecordedHistory {
  const commands = new Map<number, Recorded>()
  const patches = new Set<string>()
  let seqMax = 0
  for (const event of events) {
    if (event.type === 'patched' && event.name !== undefined) patches.add(event.name)
    const family = FAMILY_OF[event.type]
    if (family === undefined || event.seq === undefined) continue
    seqMax = Math.max(seqMax, event.seq)
    const known = commands.get(event.seq)
    const intent = INTENTS.has(event.type) && event.type !== 'signal_rejected' ? event : undefined
    if (known === undefined) {
      commands.set(event.seq, { family, name: event.name ?? '', version: event.version, intent })
    } else if (intent !== undefined) {
      known.intent = intent
    }
  }
  return { commands, patches, seqMax }
}
