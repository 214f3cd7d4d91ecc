// Every bound of the engine in one place: a queue, batch, page, payload, retry or loop that is not
// bounded by one of these is a bug. Sizes are bytes of UTF-8 unless the name says otherwise.

import { CerebelumError } from './errors.js'

/** Bounds that an installation may change through `createEngine({ limits })`. */
export interface Limits {
  /** One encoded payload (input, output, step result, signal, update, answer, heartbeat): bytes. */
  readonly payloadBytesMax: number
  /** Events of one run from which a warning is logged. */
  readonly historyEventsWarn: number
  /** Events of one run at which it is failed with the hint to continue as new. */
  readonly historyEventsMax: number
  /** Payloads of one run, all together: a replay holds them in memory. Failed with the same hint. */
  readonly historyBytesMax: number
  /** Characters of an execution id, workflow, step, signal or update name. */
  readonly idCharactersMax: number
  readonly nameCharactersMax: number
  /** Search attributes of one execution, and their bytes as JSON: they are columns of an index, not a store. */
  readonly attributesMax: number
  readonly attributesBytesMax: number
  /** Executions of one `startMany` call. */
  readonly startManyMax: number
  /** Steps of one execution that run at the same time; more wait their turn. */
  readonly stepsPerExecutionMax: number
  /** Steps of one node that run at the same time; more wait their turn. */
  readonly stepsPerNodeMax: number
  /** A step that was canceled and does not heed its signal is given up after this many ms. */
  readonly cancelGraceMs: number
  /** An execution whose node died this often while it was at work, without progress in between, is a dead letter. */
  readonly crashesMax: number
  /** Messages waiting in one execution's inbox; more are refused with TOO_MANY. */
  readonly inboxMax: number
  /** Writes waiting in one lane of a client, and their payloads: more are refused with OVERLOADED. */
  readonly laneQueueMax: number
  readonly laneBytesMax: number
  /** Calls of one client that wait for results or answers; more are refused with TOO_MANY. */
  readonly waitersMax: number
}

const MIB = 1_048_576

export const DEFAULT_LIMITS: Limits = {
  payloadBytesMax: MIB,
  historyEventsWarn: 10_000,
  historyEventsMax: 50_000,
  historyBytesMax: 128 * MIB,
  idCharactersMax: 200,
  nameCharactersMax: 100,
  attributesMax: 100,
  attributesBytesMax: 16_384,
  startManyMax: 10_000,
  stepsPerExecutionMax: 1_000,
  stepsPerNodeMax: 4_000,
  cancelGraceMs: 10_000,
  crashesMax: 8,
  inboxMax: 10_000,
  laneQueueMax: 50_000,
  laneBytesMax: 256 * MIB,
  waitersMax: 100_000,
}

/** What no setting may exceed, because something below would break: a database value, an index entry, a JavaScript text. */
const CEILINGS: Limits = {
  // A statement holds several payloads several times over, and a PostgreSQL value ends at 1 GB.
  payloadBytesMax: 64 * MIB,
  historyEventsWarn: 1_000_000,
  historyEventsMax: 1_000_000,
  historyBytesMax: 4_096 * MIB,
  // An index entry of PostgreSQL ends at 2,704 bytes; one of `signals` holds two ids of up to 3 bytes a character.
  idCharactersMax: 400,
  nameCharactersMax: 400,
  attributesMax: 1_000,
  attributesBytesMax: MIB,
  startManyMax: 1_000_000,
  stepsPerExecutionMax: 1_000_000,
  stepsPerNodeMax: 1_000_000,
  cancelGraceMs: 86_400_000,
  crashesMax: 1_000,
  inboxMax: 1_000_000,
  laneQueueMax: 10_000_000,
  laneBytesMax: 65_536 * MIB,
  waitersMax: 10_000_000,
}

/** Longest name of a workflow or version that can be defined at all; the engine that registers it applies its own limit. */
export const NAME_CHARACTERS_CEILING = CEILINGS.nameCharactersMax

/**
 * The limits of an installation: the defaults with what it changed.
 * @throws CerebelumError SETTINGS
 */
export function resolveLimits(changes: Partial<Limits> = {}): Limits {
  const limits: Record<string, number> = { ...DEFAULT_LIMITS }
  const ceilings: Readonly<Record<string, number>> = { ...CEILINGS }
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) continue
    const ceiling = Object.hasOwn(ceilings, name) ? ceilings[name] : undefined
    if (ceiling === undefined) {
      throw new CerebelumError(
        'SETTINGS',
        `There is no limit "${name}". The limits are: ${Object.keys(ceilings).join(', ')}.`,
      )
    }
    if (!Number.isInteger(value) || value < 1 || value > ceiling) {
      throw new CerebelumError(
        'SETTINGS',
        `The limit ${name} is ${String(value)}; it must be a whole number from 1 to ${ceiling}.`,
        { limit: name },
      )
    }
    limits[name] = value
  }
  return { ...DEFAULT_LIMITS, ...limits }
}
