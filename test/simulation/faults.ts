// What goes wrong in a run, drawn from its seed: when, to whom, for how long.

import type { Chance } from './chance.js'

export type Fault =
  /** The process is gone at once; another one starts after a while. */
  | { readonly kind: 'kill'; readonly atMs: number; readonly againInMs: number }
  | { readonly kind: 'drain'; readonly atMs: number; readonly againInMs: number }
  | { readonly kind: 'join'; readonly atMs: number }
  /** Collects garbage, or is stopped, for so long. */
  | { readonly kind: 'pause'; readonly atMs: number; readonly forMs: number }
  /** The way to the database leads nowhere, or takes long. */
  | { readonly kind: 'cut'; readonly atMs: number; readonly forMs: number }
  | { readonly kind: 'slow'; readonly atMs: number; readonly forMs: number; readonly hopMs: number }
  /** The database answers nobody, and then all. */
  | { readonly kind: 'stall'; readonly atMs: number; readonly forMs: number }
  /** The database is gone, and what it was at with it. */
  | { readonly kind: 'crash'; readonly atMs: number; readonly forMs: number }
  | { readonly kind: 'clock'; readonly atMs: number; readonly stepMs: number }

export const FAULT_KINDS = [
  'kill',
  'drain',
  'join',
  'pause',
  'cut',
  'slow',
  'stall',
  'crash',
  'clock',
] as const

export type FaultKind = Fault['kind']

/** Several of a few kinds: a run in which everything goes wrong all the time tells little. */
export function drawFaults(chance: Chance, withinMs: number, only?: readonly FaultKind[]): Fault[] {
  const kinds = only ?? FAULT_KINDS.filter(() => chance.chance(0.35))
  if (kinds.length === 0) return []
  const count = only === undefined ? chance.below(7) : 8 + chance.below(8)
  return Array.from({ length: count }, () => {
    const kind = chance.pick(kinds) ?? 'kill'
    const atMs = chance.between(1_000, withinMs)
    // Short ones, and ones that outlast a lease.
    const forMs = chance.chance(0.5) ? chance.between(50, 1_400) : chance.between(1_400, 5_000)
    switch (kind) {
      case 'kill':
      case 'drain':
        return { kind, atMs, againInMs: chance.between(0, 3_000) }
      case 'join':
        return { kind, atMs }
      case 'slow':
        return { kind, atMs, forMs, hopMs: chance.between(50, 1_500) }
      case 'clock':
        return { kind, atMs, stepMs: chance.between(-60_000, 60_000) }
      default:
        return { kind, atMs, forMs }
    }
  })
}
