// Bugs of kinds that leases, fences and failure detectors have had before, put back on purpose, so that the simulation
// shows that it would find them. They live here and in the model, and nowhere in the engine.

import { LeaseHolder } from '../../src/coordination/lease-holder.js'
import type { Clock } from '../../src/core/ports.js'
import type { Node } from '../../src/engine/node.js'
import type { Store } from '../../src/store/store.js'

export const BUGS = {
  /** The lease is counted from the answer to the renewal: a slow answer makes it trusted after it ran out. */
  'late-trust': 'a node trusts a lease that has run out',
  /** Who holds the claim, and since which epoch, is not looked at: only the key of the history decides. */
  'blind-fence': 'a commit of an earlier claim takes effect in a later one',
  /** Whoever sees a lease that ran out buries its node, also when the database was away for all. */
  'hasty-burial': 'a node is buried that could not have renewed its lease',
} as const

export type Bug = keyof typeof BUGS

export function isBug(name: string): name is Bug {
  return Object.hasOwn(BUGS, name)
}

const MARGIN = 0.2

/** Changes the node as if it had been written so. */
export function addHastyBurial(node: Node): void {
  replace(node, 'mayReap', () => true)
}

/** What a node would have whose lease is counted from the answers: its store, and a change to the node. */
export function lateTrust(store: Store, clock: Clock, leaseMs: number) {
  let trustedUntilMs = 0
  const answered = (isHeld: boolean): void => {
    trustedUntilMs = isHeld ? clock.monotonicMs() + leaseMs * (1 - MARGIN) : 0
  }
  const late: Store = {
    ...store,
    async insertLease(lease) {
      await store.insertLease(lease)
      answered(true)
    },
    async renewLease(...given) {
      const isHeld = await store.renewLease(...given)
      answered(isHeld)
      return isHeld
    },
  }
  const add = (node: Node): void => replace(node, 'isTrusted', () => clock.monotonicMs() < trustedUntilMs)
  return { store: late, add }
}

function replace(node: Node, method: string, by: () => unknown): void {
  const holder: unknown = Reflect.get(node, 'leases')
  if (!(holder instanceof LeaseHolder) || typeof Reflect.get(holder, method) !== 'function')
    throw new Error(`the lease holder of the node has no ${method} any more: mend the bug`)
  Object.defineProperty(holder, method, { value: by })
}
