// A schedule's firings, judged: what of it starts now, what waits, what is skipped or missed, and when to look again.
// Pure: the state of the row, the database's time and whether its last execution is open decide, and nothing else; so
// whichever node judges comes to the same answer.

import { createHash } from 'node:crypto'
import type { NextTime } from './schedule-spec.js'

/**
 * What becomes of a firing whose predecessor is still open (not closed, whatever it waits for):
 * - `skip` (default): nothing, and it is counted;
 * - `buffer-one`: it starts once the other has closed; at most one waits, more are skipped;
 * - `allow`: it starts beside the other;
 * - `cancel-other`: the other is asked to cancel, and it starts once that has closed; the newest waits;
 * - `terminate-other`: the other is terminated, and it starts.
 */
export const OVERLAP_POLICIES = ['skip', 'buffer-one', 'allow', 'cancel-other', 'terminate-other'] as const
export type OverlapPolicy = (typeof OVERLAP_POLICIES)[number]

export interface FiringState {
  readonly scheduleId: string
  readonly overlap: OverlapPolicy
  readonly jitterMs: number
  /** A firing that could not start for this long after it was due is missed. */
  readonly catchUpMs: number
  readonly nextAt: Date | null
  readonly bufferedAt: Date | null
}

export interface Firings {
  /** Nominal times of what starts now, in order. */
  readonly starts: readonly Date[]
  /** What is to be done to the last execution, before them. */
  readonly other?: 'cancel' | 'terminate'
  readonly nextAt: Date | null
  readonly bufferedAt: Date | null
  /** The nominal time that was judged last; null: none was. */
  readonly lastAt: Date | null
  /** When to look again; null: never. */
  readonly dueAt: Date | null
  readonly skipped: number
  readonly missed: number
}

/** Firings that one look judges, and starts: what is left is looked at again at once, after others had their turn. */
export const JUDGED_MAX = 200
export const STARTS_MAX = 100
/** How soon to look whether what a firing waits for has closed: in proportion to how long it has waited. */
const BUFFER_LOOK_MS_MIN = 500
const BUFFER_LOOK_MS_MAX = 10_000

export function judgeFirings(
  state: FiringState,
  { next, now, isOpen }: { readonly next: NextTime; readonly now: Date; readonly isOpen: boolean },
): Firings {
  const { overlap, catchUpMs } = state
  let { nextAt, bufferedAt } = state
  const starts: Date[] = []
  let other: 'cancel' | 'terminate' | undefined
  let lastAt: Date | null = null
  let skipped = 0
  let missed = 0
  const isBusy = (): boolean => isOpen || starts.length > 0

  if (bufferedAt !== null && !isBusy()) {
    starts.push(bufferedAt)
    bufferedAt = null
  }
  for (let judged = 0; judged < JUDGED_MAX && starts.length < STARTS_MAX && nextAt !== null; judged++) {
    const lateMs = now.getTime() - dueOf(state, nextAt).getTime()
    if (lateMs < 0) break
    if (lateMs > catchUpMs) missed++
    else if (overlap === 'allow' || !isBusy()) starts.push(nextAt)
    else if (overlap === 'cancel-other' && isOpen) {
      if (bufferedAt !== null) skipped++
      bufferedAt = nextAt
      other = 'cancel'
    } else if (overlap === 'cancel-other' || overlap === 'terminate-other') {
      // Of several that come together only the newest is worth starting: each would end the one before.
      skipped += starts.splice(0).length
      starts.push(nextAt)
      if (isOpen) other = 'terminate'
    } else if (overlap === 'buffer-one' && bufferedAt === null) bufferedAt = nextAt
    else skipped++
    lastAt = nextAt
    nextAt = next(nextAt)
  }

  const dueAt = earliest(
    nextAt === null ? null : dueOf(state, nextAt),
    bufferedAt === null ? null : lookAgainAt(bufferedAt, now),
  )
  return {
    starts,
    ...(other === undefined ? {} : { other }),
    nextAt,
    bufferedAt,
    lastAt,
    dueAt,
    skipped,
    missed,
  }
}

/** When a firing is due: its nominal time, moved by its own share of the jitter, the same on every node. */
export function dueOf(
  { scheduleId, jitterMs }: { readonly scheduleId: string; readonly jitterMs: number },
  nominal: Date,
): Date {
  if (jitterMs === 0) return nominal
  const hash = createHash('sha256').update(`${scheduleId}\n${nominal.toISOString()}`).digest()
  return new Date(nominal.getTime() + Math.floor((hash.readUInt32BE() / 2 ** 32) * jitterMs))
}

/** The id of the execution that a firing starts: the same whoever starts it, so that it can never start twice. */
export function firingId(scheduleId: string, nominal: Date): string {
  return `${scheduleId}/${nominal.toISOString()}`
}

/** How much longer the id of a firing is than that of its schedule; ids of triggers have no more. */
export const FIRING_ID_CHARACTERS = 60

function lookAgainAt(bufferedAt: Date, now: Date): Date {
  const waitedMs = now.getTime() - bufferedAt.getTime()
  const inMs = Math.min(Math.max(waitedMs / 8, BUFFER_LOOK_MS_MIN), BUFFER_LOOK_MS_MAX)
  return new Date(now.getTime() + Math.ceil(inMs))
}

function earliest(a: Date | null, b: Date | null): Date | null {
  if (a === null || b === null) return a ?? b
  return a < b ? a : b
}
