// The unread messages of one execution in memory, in the order they arrived: signals by name, the rest by kind.
// It mirrors rows; the append that records a message is what consumes it.

import type { Message } from '../core/message.js'

export class Mailbox {
  /** Up to here the inbox has been read: the last message, or where it stood, should the last positions be gaps. */
  position = 0
  private messages: Message[] = []

  /** Takes what was read of an inbox up to `position`. */
  add(messages: readonly Message[], position: number): void {
    for (const message of messages) {
      if (message.position <= this.position) continue
      this.position = message.position
      this.messages.push(message)
    }
    this.position = Math.max(this.position, position)
  }

  /** A message that was taken after all has nobody to go to: back to its place. */
  putBack(message: Message): void {
    const index = this.messages.findIndex((other) => other.position > message.position)
    this.messages.splice(index < 0 ? this.messages.length : index, 0, message)
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
