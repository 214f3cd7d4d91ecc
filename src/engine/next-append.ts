// What a run will append next: the events and all that follows from them, gathered while an append is under way, and
// written as one commit. Holds, never decides.

import type { NewEvent } from '../core/event.js'
import type { Attributes } from '../core/execution.js'
import type { Answer, NewMessage } from '../core/message.js'
import type { Commit } from '../store/store.js'
import { divideAppend } from './append-size.js'

export type Transition = NonNullable<Commit['transition']>

export interface TakenAppend {
  readonly events: readonly NewEvent[]
  readonly consumed: readonly { readonly messageId: string; readonly answer?: Answer }[]
  readonly messages: readonly NewMessage[]
  readonly attributes: Attributes | undefined
  readonly transition: Transition | undefined
}

export class NextAppend {
  events: NewEvent[] = []
  consumed: { messageId: string; answer?: Answer }[] = []
  messages: NewMessage[] = []
  attributes: Attributes | undefined
  /** Stays set until the run has gone where it leads. */
  transition: Transition | undefined

  /** Everything, or some of many step results while the rest waits for the append after. */
  take(): TakenAppend {
    const { now: events, later } = divideAppend(this.events)
    if (later !== undefined) {
      this.events = [...later]
      return { events, consumed: [], messages: [], attributes: undefined, transition: undefined }
    }
    const { consumed, messages, attributes, transition } = this
    this.clear()
    this.attributes = undefined
    return { events, consumed, messages, attributes, transition }
  }

  clear(): void {
    this.events = []
    this.consumed = []
    this.messages = []
  }
}

/** A plain append stays plain: what it does not have, the commit does not have either. */
export function asCommit(
  taken: TakenAppend,
  fence: Pick<Commit, 'key' | 'nodeId' | 'claimEpoch' | 'expectedVersion'>,
): Commit {
  const { events, consumed, messages, attributes, transition } = taken
  const append = { ...fence, events }
  const isPlain =
    transition === undefined && attributes === undefined && consumed.length === 0 && messages.length === 0
  if (isPlain) return append
  return {
    ...append,
    ...(consumed.length === 0 ? {} : { consumed }),
    ...(messages.length === 0 ? {} : { messages }),
    ...(attributes === undefined ? {} : { attributes }),
    ...(transition === undefined ? {} : { transition }),
  }
}
