// The unread messages of one execution in memory: signals by name, the rest by kind, each in the order they arrived.
// It mirrors rows; the append that records a message is what consumes it.

import type { Message, MessageKind } from '../core/message.js'
import { SmallMap } from '../core/small-map.js'

export class Mailbox {
  /** Up to here the inbox has been read: the last message, or where it stood, should the last positions be gaps. */
  position = 0
  // Apart by kind: thousands of signals that nobody waits for must not be looked through for a request to cancel.
  private readonly byKind = new SmallMap<MessageKind, Message[]>()

  /** Takes what was read of an inbox up to `position`. */
  add(messages: readonly Message[], position: number): void {
    for (const message of messages) {
      if (message.position <= this.position) continue
      this.position = message.position
      const same = this.byKind.get(message.kind)
      if (same === undefined) this.byKind.set(message.kind, [message])
      else same.push(message)
    }
    this.position = Math.max(this.position, position)
  }

  /** A message that was taken after all has nobody to go to: back to its place. */
  putBack(message: Message): void {
    const same = this.byKind.get(message.kind) ?? []
    const index = same.findIndex((other) => other.position > message.position)
    same.splice(index < 0 ? same.length : index, 0, message)
    this.byKind.set(message.kind, same)
  }

  has(kind: MessageKind): boolean {
    return this.byKind.has(kind)
  }

  /** Removes and returns the first message of a kind that `wanted` accepts. */
  take(kind: MessageKind, wanted: (message: Message) => boolean = anything): Message | undefined {
    const same = this.byKind.get(kind)
    const index = same?.findIndex(wanted) ?? -1
    if (same === undefined || index < 0) return undefined
    const [taken] = same.splice(index, 1)
    if (same.length === 0) this.byKind.delete(kind)
    return taken
  }

  /** Removes and returns all messages of a kind that `wanted` accepts. */
  takeAll(kind: MessageKind, wanted: (message: Message) => boolean = anything): Message[] {
    const same = this.byKind.get(kind)
    if (same === undefined) return []
    const left = same.filter((message) => !wanted(message))
    if (left.length === 0) this.byKind.delete(kind)
    else this.byKind.set(kind, left)
    return left.length === 0 ? same : same.filter(wanted)
  }

  get isEmpty(): boolean {
    return this.byKind.size === 0
  }
}

function anything(): boolean {
  return true
}
