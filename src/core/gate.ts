// A gate: one limit of a workflow, for one key, that executions pass before they begin. Pure: how many it lets pass at a
// moment and when it is worth another look follow from its row, from who stands behind it, and from the database's time.

import { createHash } from 'node:crypto'

/** A limit of a workflow. */
export interface Limit {
  readonly workflow: string
  /** Which of the workflow's limits: "concurrency", "rate 2". */
  readonly rule: string
  /** At most this many between their admission and their end; null: no bound. */
  readonly runningMax: number | null
  /** A bucket of this many tokens, of which one comes every `refillMs`; null: no rate. */
  readonly bucket: Bucket | null
}

/** A limit as it applies to one execution. */
export interface Gate extends Limit {
  /** A hash of workflow, rule and key. */
  readonly gateId: string
  readonly key: string | null
}

export interface Bucket {
  readonly tokensMax: number
  readonly refillMs: number
}

export function gateIdOf(workflow: string, rule: string, key: string | null): string {
  return createHash('sha256')
    .update(JSON.stringify([workflow, rule, key]))
    .digest('hex')
    .slice(0, 32)
}

/** What is seen of a gate under its lock. */
export interface SeenGate {
  readonly runningMax: number | null
  readonly bucket: (Bucket & { readonly tokens: number; readonly sinceMs: number }) | null
  readonly held: number
}

/** How many may pass now, at most `most`. */
export function roomOf(gate: SeenGate, most: number): number {
  const places = gate.runningMax === null ? most : gate.runningMax - gate.held
  return Math.max(0, Math.min(most, places, Math.floor(tokensOf(gate))))
}

/** What is in the bucket by now; no bucket is one that never empties. */
export function tokensOf({ bucket }: SeenGate): number {
  if (bucket === null) return Infinity
  return Math.min(bucket.tokensMax, bucket.tokens + Math.max(0, bucket.sinceMs) / bucket.refillMs)
}

/** Whoever closes pokes the gate; only where that node died does the line wait for this look. */
const WAITING_LOOK_MS = 1_000
/** Nobody waits: only what its members left behind is to be cleared away. */
const HELD_LOOK_MS = 600_000

/** When to look again, after `passed` of them were let through; null: the gate has served its time. */
export function nextLookMs(
  gate: SeenGate,
  after: { readonly passed: number; readonly waits: boolean; readonly isEmpty: boolean },
): number | null {
  const { bucket } = gate
  const tokens = tokensOf(gate) - after.passed
  if (after.waits) {
    if (bucket === null || tokens >= 1) return WAITING_LOOK_MS
    return Math.max((1 - tokens) * bucket.refillMs, isFull(gate, after.passed) ? WAITING_LOOK_MS : 0)
  }
  if (!after.isEmpty) return HELD_LOOK_MS
  // One that is made anew has a full bucket.
  return bucket === null || tokens >= bucket.tokensMax ? null : (bucket.tokensMax - tokens) * bucket.refillMs
}

function isFull({ runningMax, held }: SeenGate, passed: number): boolean {
  return runningMax !== null && held + passed >= runningMax
}
