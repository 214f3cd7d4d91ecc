// The unread messages of one execution in memory, in the order they arrived: signals by name, the rest by kind.
// It mirrors rows; the append that records a message is what consumes it.

import type { Message } from '../core/message.js'

export class Mailbox {
  /** Position of the last message read from the database. */
  position = 0
  private messages: Message[] = []

  add(messages: readonly Message[]): void {
    for (const message of messages) {
      if (message.position <= this.position) continue
      this.position = message.position
      this.messages.push(message)
    }
  }

  /** Removes and returns the first message that `wanted` accepts. */
  take(wanted: (message: Message) => boolean): Message | undefined {
    if (this.messages.length === 0) return undefined
    const index = this.messages.findIndex(wanted)
    return index < 0 ? undefined : this.messages.splice(index, 1)[0]
  }

  /** Removes and returns all messages that `wanted` accepts. */
  takeAll(wanted: (message: Message) => boolean): Message[] {
    if (this.messages.length === 0) return []
    const taken = this.messages.filter(wanted)
    if (taken.length > 0) this.messages = this.messages.filter((message) => !wanted(message))
    return taken
  }

  get size(): number {
    return this.messages.length
  }
}
