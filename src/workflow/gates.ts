// The limits of a workflow, as they are written down and as the gates that one execution has to pass: those by a key
// first, so that a flood of one key stands in its own line and not in everybody's; rates last, so that a token is taken
// at the moment of the start.

import { durationMs, type Duration } from '../core/duration.js'
import { CerebelumError } from '../core/errors.js'
import { gateIdOf, type Bucket, type Gate, type Limit } from '../core/gate.js'
import { checkId } from '../core/ids.js'
import { checkPriority, type Priority } from '../core/priority.js'

/** How many executions run at a time, cluster-wide: from their admission until they close, also while they wait. */
export interface ConcurrencyLimit<I> {
  readonly limit: number
  /** A limit for each value; `undefined`: this limit does not apply. */
  key?(input: I): string | undefined
}

/** How many executions begin, cluster-wide: at most `burst` at once, and `limit` in each span of `per`. */
export interface RateLimit<I> {
  readonly limit: number
  readonly per: Duration
  /** Default: `limit`. */
  readonly burst?: number
  /** A rate for each value; `undefined`: this rate does not apply. */
  key?(input: I): string | undefined
}

export interface GateOptions<I> {
  /** Who goes first among those that wait, for a limit or for a node that is free; default 3. */
  readonly priority?: Priority
  readonly concurrency?: ConcurrencyLimit<I> | readonly ConcurrencyLimit<I>[]
  readonly rate?: RateLimit<I> | readonly RateLimit<I>[]
}

/** One limit of a workflow, and how to tell the key of an input. */
interface Rule extends Limit {
  readonly key: ((input: unknown) => unknown) | undefined
}

const RULES_MAX = 4
const LIMIT_MAX = 1_000_000
/** Slower than one a year is no rate. */
const REFILL_MS_MAX = 366 * 86_400_000

/** Whether executions of the workflow have to pass gates. */
export function isGated({ concurrency, rate }: GateOptions<unknown>): boolean {
  return concurrency !== undefined || rate !== undefined
}

/** @throws CerebelumError INVALID_ARGUMENT | INVALID_DURATION */
export function checkGates(workflow: string, options: GateOptions<unknown>): void {
  rulesOf(workflow, options)
  if (options.priority !== undefined) checkPriority(options.priority, `workflow "${workflow}"`)
}

/** The limits in the order in which they are passed. */
function rulesOf(workflow: string, options: GateOptions<unknown>): Rule[] {
  if (!isGated(options)) return []
  const concurrency = listOf(options.concurrency).map((limit, n) => ({
    workflow,
    rule: nameOf('concurrency', n),
    runningMax: checkLimit(workflow, 'limit', limit.limit),
    bucket: null,
    key: keyOf(limit),
  }))
  const rates = listOf(options.rate).map((rate, n) => ({
    workflow,
    rule: nameOf('rate', n),
    runningMax: null,
    bucket: bucketOf(workflow, rate),
    key: keyOf(rate),
  }))
  if (concurrency.length + rates.length > RULES_MAX) {
    const text = `Workflow "${workflow}" has ${concurrency.length + rates.length} limits; at most ${RULES_MAX} are possible.`
    throw new CerebelumError('INVALID_ARGUMENT', text, { workflow })
  }
  const rules: Rule[] = [...keyedFirst(concurrency), ...keyedFirst(rates)]
  return rules
}

/** All limits that a workflow can have, those that it does not have without a bound: older gates lose theirs. */
export function limitsOf(workflow: string, options: GateOptions<unknown>): Limit[] {
  const rules = rulesOf(workflow, options)
  const names = ['concurrency', 'rate'].flatMap((kind) =>
    Array.from({ length: RULES_MAX }, (_, n) => nameOf(kind, n)),
  )
  return names.map((rule) => {
    const known = rules.find((candidate) => candidate.rule === rule)
    return { workflow, rule, runningMax: known?.runningMax ?? null, bucket: known?.bucket ?? null }
  })
}

/**
 * The gates of one execution. `key` is its starter's word, instead of what the rules make of the input.
 * @throws CerebelumError INVALID_ARGUMENT: a key function threw, or gave no text
 */
export function gatesOf(
  workflow: string,
  options: GateOptions<unknown>,
  start: { readonly input: unknown; readonly key: string | undefined; readonly charactersMax: number },
): Gate[] {
  return rulesOf(workflow, options).flatMap(({ rule, runningMax, bucket, key: keyFunction }) => {
    const key = keyFunction === undefined ? null : (start.key ?? evaluate(workflow, keyFunction, start))
    return key === undefined
      ? []
      : [{ gateId: gateIdOf(workflow, rule, key), workflow, rule, key, runningMax, bucket }]
  })
}

function evaluate(
  workflow: string,
  keyOfInput: (input: unknown) => unknown,
  { input, charactersMax }: { readonly input: unknown; readonly charactersMax: number },
): string | undefined {
  let key: unknown
  try {
    key = keyOfInput(input)
  } catch (cause) {
    const text = `The key of a limit of workflow "${workflow}" could not be told from the input: ${String(cause)}. Check its key function.`
    throw new CerebelumError('INVALID_ARGUMENT', text, { workflow, cause })
  }
  return key === undefined
    ? undefined
    : checkId(key, `key of a limit of workflow "${workflow}"`, charactersMax)
}

function keyOf(limit: { key?(input: unknown): unknown }): Rule['key'] {
  return limit.key === undefined ? undefined : (input) => limit.key?.(input)
}

function bucketOf(workflow: string, rate: RateLimit<unknown>): Bucket {
  const limit = checkLimit(workflow, 'limit of its rate', rate.limit)
  const tokensMax = checkLimit(workflow, 'burst', rate.burst ?? limit)
  const perMs = durationMs(rate.per, `span of the rate of workflow "${workflow}"`)
  const refillMs = perMs / limit
  if (refillMs > 0 && refillMs <= REFILL_MS_MAX) return { tokensMax, refillMs }
  const text = `The rate of workflow "${workflow}" is ${limit} per ${String(rate.per)}; give a span above zero, of at most a year for each start.`
  throw new CerebelumError('INVALID_ARGUMENT', text, { workflow })
}

function checkLimit(workflow: string, what: string, limit: unknown): number {
  if (typeof limit === 'number' && Number.isInteger(limit) && limit >= 1 && limit <= LIMIT_MAX) return limit
  const text = `The ${what} of workflow "${workflow}" is ${String(limit)}; it must be a whole number from 1 to ${LIMIT_MAX}.`
  throw new CerebelumError('INVALID_ARGUMENT', text, { workflow })
}

function keyedFirst<T extends Pick<Rule, 'key'>>(rules: readonly T[]): T[] {
  return [...rules.filter(({ key }) => key !== undefined), ...rules.filter(({ key }) => key === undefined)]
}

function nameOf(kind: string, n: number): string {
  return n === 0 ? kind : `${kind} ${n + 1}`
}

function listOf<T extends object>(given: T | readonly T[] | undefined): readonly T[] {
  if (given === undefined) return []
  return isList(given) ? given : [given]
}

function isList<T extends object>(given: T | readonly T[]): given is readonly T[] {
  return Array.isArray(given)
}
