// `Store.sendMessages`: in bounded statements, with what only the caller of several messages can get wrong taken out
// first (the same message twice), and with what an unknown outcome leaves open.

import type { MessageKind, NewMessage } from '../core/message.js'
import { slices } from './keys.js'
import { type RetryPolicy, withRetry } from './retry.js'
import { insertMessages } from './signals.js'
import type { MessageOutcome } from './store.js'
import type { Database } from './tables.js'

export async function sendMessages(
  database: Database,
  policy: RetryPolicy,
  options: { readonly messages: readonly NewMessage[]; readonly inboxMax: number },
): Promise<MessageOutcome[]> {
  const outcomes: MessageOutcome[] = options.messages.map(() => 'duplicate')
  const firsts = firstOfEach(options.messages)
  const slicesOf = (isControl: boolean): (typeof firsts)[] =>
    slices(
      firsts.filter(({ message }) => CONTROLS.has(message.kind) === isControl),
      MESSAGES_MAX,
    )
  const send = async (slice: typeof firsts, inboxMax: number): Promise<void> => {
    const messages = slice.map(({ message }) => message)
    const found = await sendSlice(database, policy, messages, inboxMax)
    for (const [i, { n }] of slice.entries()) outcomes[n] = found[i] ?? 'not_found'
  }
  for (const slice of slicesOf(false)) await send(slice, options.inboxMax)
  for (const slice of slicesOf(true))
    await send(slice, Math.min(options.inboxMax + CONTROL_ROOM, POSITION_MAX))
  // A repeated message shares the fate of its first; only an accepted first makes it a duplicate.
  const fates = new Map(firsts.map(({ message, n }) => [identityOf(message), { n, outcome: outcomes[n] }]))
  return options.messages.map((message, n) => {
    const fate = fates.get(identityOf(message))
    if (fate?.outcome === undefined || fate.outcome === 'accepted') {
      return fate?.n === n ? 'accepted' : 'duplicate'
    }
    return fate.outcome
  })
}

async function sendSlice(
  database: Database,
  policy: RetryPolicy,
  messages: readonly NewMessage[],
  inboxMax: number,
): Promise<(MessageOutcome | undefined)[]> {
  // Kept over the attempts: what one of them sent, a later one would find there.
  const known = new Map<number, MessageOutcome>()
  await withRetry(policy, 'sendMessages', async ({ doubtful }) => {
    // What is refused for want of room is asked a second time: an execution that closed under the first statement
    // is open by what that one had read, and takes no message.
    for (const isLast of [false, true]) {
      const open = messages.map((message, n) => ({ message, n })).filter(({ n }) => !known.has(n))
      if (open.length === 0) return
      const results = await insertMessages(
        database,
        open.map(({ message }) => message),
        inboxMax,
      )
      for (const [i, { n }] of open.entries()) {
        const outcome = results[i] ?? 'not_found'
        if (outcome !== 'full' || isLast) known.set(n, settled(outcome, doubtful))
      }
    }
  })
  return messages.map((_, n) => known.get(n))
}

/** After a lost answer a message that is there already is most likely the one we sent. */
function settled(outcome: MessageOutcome, doubtful: boolean): MessageOutcome {
  return outcome === 'duplicate' && doubtful ? 'accepted' : outcome
}

function firstOfEach(messages: readonly NewMessage[]): { message: NewMessage; n: number }[] {
  const seen = new Set<string>()
  return messages
    .map((message, n) => ({ message, n }))
    .filter(({ message }) => {
      const identity = identityOf(message)
      return !seen.has(identity) && seen.add(identity)
    })
}

function identityOf(message: NewMessage): string {
  return JSON.stringify([message.key.executionId, message.messageId])
}

const MESSAGES_MAX = 1_000
/** What must reach an execution even when others have filled its inbox; their own room is bounded too. */
const CONTROLS: ReadonlySet<MessageKind> = new Set<MessageKind>(['cancel', 'pause', 'terminate'])
const CONTROL_ROOM = 1_000
const POSITION_MAX = 2 ** 31 - 1
