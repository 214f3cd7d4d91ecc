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
  // These three this engine has had; the simulation found them.
  /** Only who could not renew for a whole lease takes it for an outage; others had renewed before it did. */
  'short-outage': 'a database that was away for less than a lease costs nodes theirs',
  /** Who has just joined buries whose leases ran out before it came. */
  'eager-newcomer': 'a node that joins after an outage buries those who come back from it',
  /** What runs out between the decision to bury and the burial is buried too. */
  'stale-burial': 'a burial that waited for the database takes those who waited with it',
} as const

export type Bug = keyof typeof BUGS

export function isBug(name: string): name is Bug {
  return Object.hasOwn(BUGS, name)
}

export interface Buggy {
  readonly store: Store
  /** Changes the node as if it had been written so. */
  readonly add: (node: Node) => void
}

const MARGIN = 0.2

export function withBug(
  bug: Bug | undefined,
  { store, clock, leaseMs }: { readonly store: Store; readonly clock: Clock; readonly leaseMs: number },
): Buggy {
  switch (bug) {
    case 'late-trust':
      return lateTrust(store, clock, leaseMs)
    case 'hasty-burial':
      return { store, add: (node) => replace(holderOf(node), 'mayReap', () => true) }
    case 'short-outage':
      return { store, add: (node) => noticeLongOutages(holderOf(node), leaseMs) }
    case 'eager-newcomer':
      return { store, add: (node) => buryAtOnce(holderOf(node)) }
    case 'stale-burial':
      return { store: { ...store, buryLeases: (graceMs) => store.buryLeases(graceMs) }, add: () => undefined }
    case 'blind-fence':
    case undefined:
      return { store, add: () => undefined }
    default:
      return bug satisfies never
  }
}

function lateTrust(store: Store, clock: Clock, leaseMs: number): Buggy {
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
  const isTrusted = (): boolean => clock.monotonicMs() < trustedUntilMs
  return { store: late, add: (node) => replace(holderOf(node), 'isTrusted', isTrusted) }
}

function noticeLongOutages(holder: LeaseHolder, leaseMs: number): void {
  replace(holder, 'isOutage', (nowMs) => Number(nowMs) - Number(Reflect.get(holder, 'renewedMs')) > leaseMs)
}

function buryAtOnce(holder: LeaseHolder): void {
  const join: unknown = Reflect.get(holder, 'join')
  replace(holder, 'join', async () => {
    if (typeof join === 'function') await Reflect.apply(join, holder, [])
    Reflect.set(holder, 'reapFromMs', -Infinity)
  })
}

function holderOf(node: Node): LeaseHolder {
  const holder: unknown = Reflect.get(node, 'leases')
  if (holder instanceof LeaseHolder) return holder
  throw new Error('the node has no lease holder any more: mend the bugs')
}

function replace(holder: LeaseHolder, method: string, by: (given: unknown) => unknown): void {
  if (typeof Reflect.get(holder, method) !== 'function')
    throw new Error(`the lease holder has no ${method} any more: mend the bug`)
  Object.defineProperty(holder, method, { value: by })
}
