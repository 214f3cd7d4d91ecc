// What the slices of a rival and of ours come to: pure, so that it is tested without a database or a package.

import { median, percentile } from '../harness/pairs.js'

/** What a contestant answers to an order. */
export interface Answer {
  readonly units: number
  readonly seconds: number
  readonly cpu_ms: number
  /** Milliseconds from call to result, where those were asked for. */
  readonly latencies: readonly number[]
}

export type Range = readonly [low: number, high: number]

export interface Rates {
  readonly per_second: number
  readonly spread: Range
}

export interface Latencies {
  readonly p50_ms: number
  readonly p99_ms: number
  /** Of how many calls: with less than a hundred the p99 is the slowest of them. */
  readonly calls: number
}

/** The child is another program: what it says is looked at before it is believed. */
export function parseAnswer(message: unknown): Answer {
  if (typeof message === 'object' && message !== null) {
    const { units, seconds, cpu_ms, latencies } = message as Partial<Answer>
    if (
      isAmount(units) &&
      isAmount(seconds) &&
      isAmount(cpu_ms) &&
      seconds > 0 &&
      Array.isArray(latencies) &&
      latencies.every(isAmount)
    )
      return { units, seconds, cpu_ms, latencies }
  }
  throw new Error(
    `A contestant answered ${JSON.stringify(message)?.slice(0, 200)}, which is no result of a slice.`,
  )
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

export function ratesOf(slices: readonly Answer[]): Rates {
  const rates = slices.map(({ units, seconds }) => units / seconds)
  return { per_second: median(rates), spread: rangeOf(rates) }
}

/** Ours to theirs, round by round: neighbors met the same noise. */
export function ratiosOf(
  ours: readonly Answer[],
  theirs: readonly Answer[],
): { ratio: number; spread: Range } {
  const mine = ours.map(({ units, seconds }) => units / seconds)
  const ratios = theirs.map(({ units, seconds }, at) => (mine[at] ?? Number.NaN) / (units / seconds))
  return { ratio: median(ratios), spread: rangeOf(ratios) }
}

export function latenciesOf(slices: readonly Answer[]): Latencies {
  const all = slices.flatMap(({ latencies }) => latencies)
  return { p50_ms: percentile(all, 0.5), p99_ms: percentile(all, 0.99), calls: all.length }
}

/** The one that ours has the least lead on, among those that do what ours does; among all, where none does. */
export function bestOf<P extends { readonly kind: string; readonly ratio: number }>(peers: readonly P[]): P {
  const durable = peers.filter(({ kind }) => kind === 'durable')
  const [best] = (durable.length > 0 ? durable : peers).toSorted((a, b) => a.ratio - b.ratio)
  if (best === undefined) throw new Error('Nobody to compare with: name at least one rival.')
  return best
}

export function rangeOf(values: readonly number[]): Range {
  return [Math.min(...values), Math.max(...values)]
}
